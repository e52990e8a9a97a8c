/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease - this node as an owner: sees what the module needs, borrows it from donors, and gives back what it has too
 * much of.
 */
#ifndef _RAMSTER_LEASE_H
#define _RAMSTER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/placement.h"
#include "proto/ramster.pb-c.h"
#include "proto/ramster_nl.h"

#define LEASE_ASK_MAX 8 /* extents in one request: the lender has to clear them all before it answers */

struct peer;
struct ramsterd;

/* The dealings with one donor. */
struct borrow {
	bool listing; /* ListLeases is open */
	bool listed; /* the leases of @listed_lender were compared with the module's */
	uint64_t listed_lender;
	struct ramster_nl_lease *found; /* leases of the list so far */
	unsigned int found_len;
	uint64_t list_at_ms; /* its list could not be used: not to be asked for before */
	bool asking; /* LeaseRequest is open */
	unsigned int asked; /* extents that it asks for */
	uint32_t asked_size; /* bytes of each */
	uint64_t asked_ms;
	bool over_quota; /* it lends no more to this node than it has lent; that was said */
	uint64_t rest_until_ms; /* it had nothing: not to be asked before */
	/* It wants memory back. */
	uint64_t
		revoke_lender; /* of whose leases @keep may stay, whether or not it is offered by now; 0: nothing was told */
	uint32_t keep;
	unsigned int returned; /* of what it wants back, in the second that began at @returned_ms */
	uint64_t returned_ms;
	/* Granted and waiting for the link. */
	struct ramster_nl_lease granted[RAMSTER_NL_MAX_LEASES];
	unsigned int granted_len;
	uint32_t granted_size; /* bytes of an extent */
	uint64_t granted_lender;
	uint64_t granted_ms;
};

/* Each second, and when the module hints at something: does all that is due. The module's view is fresh. */
void lease_tick(struct ramsterd *d);

/* The module is another instance, or gone: nothing that was agreed with any donor holds. */
void lease_restart(struct ramsterd *d);

void lease_member_changed(struct peer *peer);
void lease_offer_changed(struct peer *peer);
void lease_link_changed(struct peer *peer);
void lease_on_grant(struct peer *peer, const Ramster__LeaseGrant *grant);

/* Returns NULL, or what is wrong with the list: the connection is to be ended then. */
const char *lease_on_list(struct peer *peer, const Ramster__LeaseList *list);

/* A donor as placement.h sees it, and the source of its random numbers. */
struct placement_donor lease_as_donor(const struct peer *peer);
uint32_t lease_random(void *ctx);

/* Tells a donor that @count leases, at most RAMSTER_NL_MAX_LEASES, are over. */
void lease_send_return(struct peer *peer, uint64_t lender_instance, const struct ramster_nl_lease *from,
		       unsigned int count);

/* Forgets the dealings with a peer. */
void lease_reset(struct peer *peer);

#endif
