/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * donor_owner - what donor.c and donor_audit.c share: the owners, and the questions to the lender on their behalf. All on the
 * loop's thread.
 */
#ifndef _RAMSTER_DONOR_OWNER_H
#define _RAMSTER_DONOR_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/peer.h"
#include "daemon/ramsterd.h"
#include "daemon/sidedoor.h"

struct owner {
	uint64_t instance; /* as it told last; 0: never */
	uint64_t seen_ms; /* last time that it was up, or our start */
	uint64_t token_instance; /* that @token is for; 0: none yet */
	uint8_t token[R2NET_TOKEN_LEN]; /* the same for all connections of an instance, until a key is retired */
	bool renew; /* the lender's token for it is from before a key was retired */
	bool unknown; /* the lender may have a token for it from before our start */
	uint64_t held; /* bytes leased to it, as the lender told last */
	uint64_t counted; /* bytes of them that the walk under way has seen */
	unsigned int open; /* questions to the lender that it caused, in any session */
	uint64_t requesting; /* the session in which a LeaseRequest is open; 0: none */
	uint64_t expelling; /* the instance that the lender was asked last to expel, until that is done; 0: none */
};

struct donor {
	struct ramsterd *d;
	struct owner owners[R2NET_MAX_NODES];
	unsigned int ticks;
	bool auditing; /* at most one walk through the lender's list at a time */
	bool again; /* what it looks for changed under way */
};

/* A question to the lender. */
struct question {
	struct donor *donor;
	uint32_t node; /* the owner's */
	uint64_t session; /* 0: no peer caused it */
	const char *why; /* EXPEL */
	unsigned int ended; /* EXPEL: leases, so far */
	unsigned int left; /* RELEASE: leases in @request, of which a turn ends the first ones */
	struct lender_request request;
};

/* A question with this command, of a peer or, if that is NULL, of nobody. Returns NULL if memory is short. */
struct question *donor_ask(struct donor *donor, struct peer *peer, uint32_t command);
/* It is answered, and freed. */
void donor_end(struct question *q);
/* Sends it; @reply ends it. Returns 0, or -errno, and it has ended. */
int donor_put(struct question *q, sidedoor_reply_fn reply);

/* A new token for that instance; the lender is still to be told. */
void donor_make_token(struct owner *owner, uint64_t instance);

/* The lender's answers to ADMIT; and to RELEASE, and in the end to EXPEL. They end the question. */
void donor_on_admitted(void *ctx, int error, const struct lender_reply *reply);
void donor_on_released(void *ctx, int error, const struct lender_reply *reply);

#endif
