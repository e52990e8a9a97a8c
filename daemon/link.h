/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link - the data connections from this node's module to a donor's lender: opens those that are missing.
 *
 * They do not depend on the control connection: while the donor's ramsterd is away they live on, and the token that it
 * gave last still opens new ones.
 */
#ifndef _RAMSTER_LINK_H
#define _RAMSTER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/r2net.h"

struct dataconn;
struct peer;

#define LINK_RETRY_MIN_MS 200
#define LINK_RETRY_MAX_MS 2000

struct link {
	uint64_t lender_instance; /* of the lender that it leads to; 0: not known */
	uint16_t port; /* of the lender; 0: not known */
	bool have_token;
	uint8_t token[R2NET_TOKEN_LEN];
	unsigned int control, data; /* connections that the module has */
	struct dataconn *opening; /* one at a time */
	uint32_t number; /* of the one that is opening */
	enum r2net_role role; /* of it */
	uint64_t retry_at_ms; /* not before */
	unsigned int retry_ms;
	char why[64]; /* the failure logged last, until one succeeds */
};

/**
 * link_admit - the donor let this node in
 * @token: R2NET_TOKEN_LEN bytes
 *
 * Makes the lender known to the module. Returns 0, or -errno, logged.
 */
int link_admit(struct peer *peer, const uint8_t *token, uint64_t lender_instance, uint16_t port);

/**
 * link_tick - look at the module's connections and open a missing one
 * @wanted: whether there should be any
 *
 * Returns true if a token is needed for that and there is none.
 */
bool link_tick(struct peer *peer, bool wanted);

/* Whether leases of that lender can be used: a control connection and one for data are there. */
bool link_ready(const struct peer *peer, uint64_t lender_instance);

/* The donor offers what that lender has, which listens at that port now. */
void link_moved(struct peer *peer, uint64_t lender_instance, uint16_t port);

/* The lender may have come back: what failed before is tried again at the next tick. */
void link_try_soon(struct peer *peer);

/* Gives the module the deadlines of the configuration in force. */
int link_set_deadlines(struct peer *peer);

/* Forgets everything; what the module has it keeps. */
void link_reset(struct peer *peer);

#endif
