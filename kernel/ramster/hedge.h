/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hedge.h - READs that wait for a slow peer, and that another peer can answer as well.
 *
 * A READ whose caller says so (req->hedge) and that has waited for HEDGE_AFTER is handed back to its caller, by
 * ops->hedge(), to be asked of others, too. The first good answer to an item counts. As soon as one is asked elsewhere, the
 * peer is avoided (r2net_peer_rank()); after that the next READ finds out whether it is slow still.
 *
 * So while a peer is slow, what is asked twice is what it owed when that was found out, and then a READ or a few a second.
 * Nothing is asked of a peer that owes answers itself, or that takes too long to be of help: when all are slow, hardly anything
 * is asked twice.
 */
#ifndef _RAMSTER_HEDGE_H
#define _RAMSTER_HEDGE_H

#include <linux/jiffies.h>
#include <linux/types.h>

#include "peer.h"

/*
 * 50 ms: above TCP's delayed acknowledgement (40 ms) and what a lender's scheduler does to an answer, below the least time in
 * which TCP sends a lost segment again (200 ms).
 */
#define HEDGE_AFTER (HZ / 20)
/* A peer is asked, too, if a READ has waited this many of that peer's usual round trips: it is likely to answer first. */
#define HEDGE_ROUND_TRIPS 2
/* The round trip of a peer that has answered no READ for so long is not known: it is from another time. */
#define HEDGE_FRESH HZ
/* For so long a slow peer is avoided: at 100 loads a second, one that finds it slow again is 1 percent of them. */
#define HEDGE_AVOID HZ

/* A READ with req->hedge has been queued. Under peer->lock. Never sleeps. */
void hedge_watch(struct r2net_peer *peer);

/* The peer is slow: what another can answer goes there for a while. Any context. */
void hedge_avoid(struct r2net_peer *peer);

/* Whether a READ that has waited so long for another peer is likely to be answered by this one first. Any context. */
static inline bool hedge_helps(const struct r2net_peer *peer, unsigned long waited_us)
{
	unsigned long slow_until = READ_ONCE(peer->slow_until), rtt_at = READ_ONCE(peer->rtt_at);

	/* It was found slow, and has answered nothing since. */
	if (time_before(jiffies, slow_until) && !time_after(rtt_at, slow_until - HEDGE_AVOID))
		return false;
	if (time_after(jiffies, rtt_at + HEDGE_FRESH))
		return true;
	return waited_us >= HEDGE_ROUND_TRIPS * (unsigned long)READ_ONCE(peer->rtt_us);
}

void hedge_init(struct r2net_peer *peer);
/* Nobody watches any more when it returns. May sleep. */
void hedge_exit(struct r2net_peer *peer);

#endif
