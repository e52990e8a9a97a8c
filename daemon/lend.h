/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lend - how much of this node's memory may be lent. Policy; who gets it is donor.h's.
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

/* The configuration or the lender is another one: the next tick tells the lender the limit in any case. */
void lend_renew(struct ramsterd *d);

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
