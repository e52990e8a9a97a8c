/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * donor - this node's dealings with the owners that borrow from it: grants and takes back leases in the lender's name,
 * and ends those of owners that are gone.
 */
#ifndef _RAMSTER_DONOR_H
#define _RAMSTER_DONOR_H

#include "daemon/peer.h"
#include "daemon/ramsterd.h"

#define DONOR_TEXT_LEN 256

/* Returns NULL if memory is short. */
struct donor *donor_new(struct ramsterd *d);
void donor_free(struct donor *donor);

/*
 * What a peer asked for; the answer, if any, is sent to it. Each returns NULL, or what was wrong: nothing was done then,
 * and the connection is to be ended.
 */
const char *donor_on_request(struct donor *donor, struct peer *peer, const Ramster__LeaseRequest *request);
const char *donor_on_return(struct donor *donor, struct peer *peer, const Ramster__LeaseReturn *ret);
const char *donor_on_list(struct donor *donor, struct peer *peer, const Ramster__ListLeases *list);

/* The peer told another owner instance than before, or 0: leases of its earlier instances are ended. */
void donor_owner_seen(struct donor *donor, struct peer *peer);

/* A key of the cluster was retired: what was given to whoever had it opens no data connection any more. */
void donor_key_retired(struct donor *donor);

/* d->peers has a node no more. What it has leased ends after hold_time; without leases it is let go at once. */
void donor_node_removed(struct donor *donor, uint32_t node);

/* The lender is there: its leases are compared with the owners known. */
void donor_lender_came(struct donor *donor);

/* Bytes that a node has leased from this one, in any instance, as the lender told last; 0 while there is no lender. */
uint64_t donor_held(const struct donor *donor, unsigned int node);

/* Whether a node has more than its quota; @text says so then. */
bool donor_over_quota(const struct donor *donor, const struct conf_node *node, char text[DONOR_TEXT_LEN]);

/* Each second: ends the leases and the tokens of owners that were away for hold_time. */
void donor_tick(struct donor *donor);

#endif
