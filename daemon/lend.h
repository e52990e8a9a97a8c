/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lend - how much of this node's memory may be lent, and how much of it is wanted back; who gets it is donor.h's.
 */
#ifndef _RAMSTER_LEND_H
#define _RAMSTER_LEND_H

#include "daemon/peer.h"
#include "daemon/ramsterd.h"

/* Returns NULL if memory is short. */
struct lend *lend_new(struct ramsterd *d);
void lend_free(struct lend *lend);

/* Each second, and when the lender comes: reconsiders the limit and tells the lender. */
void lend_tick(struct ramsterd *d);

/* The configuration is another one: the next tick tells the lender the limit in any case. */
void lend_renew(struct ramsterd *d);

/* The lender has come: the limit is found anew from what that one has lent. */
void lend_lender_came(struct ramsterd *d);

/* Bytes of what is lent that owners should give back now, as of the last tick; 0: none, or no lender. */
uint64_t lend_to_revoke(const struct ramsterd *d);

/* Whether this node soon has to swap unless that happens. */
bool lend_urgent(const struct ramsterd *d);

/* MemTotal and MemAvailable of this node, bytes; what cannot be read stays as it is. */
void lend_read_memory(uint64_t *total, uint64_t *available);

/* The memory that stays available here whatever is lent, bytes. */
uint64_t lend_reserve(const struct ramsterd *d);

/*
 * Whether this node has pages with others, or nothing but them to swap to: it gives no new leases then, so that lent
 * memory is never what makes somebody else lend.
 */
bool lend_borrowing(const struct ramsterd *d);

/* What this node advertises now. */
struct offer lend_offer(const struct ramsterd *d);

/* As in cluster.conf: "auto", "off" or "size". */
const char *lend_mode_name(const struct ramsterd *d);

#endif
