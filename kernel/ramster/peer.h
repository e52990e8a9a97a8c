/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer.h - the lenders that this node borrows from.
 *
 * A peer is one run of the lender on one node: (node number, lender instance). It has connections (conn.h) that
 * ramsterd hands in, leases (lease.h), and a deadline that all requests to it share.
 *
 * Locks, outermost first:
 *   r2net_peers_lock()          the list of peers
 *   peer->lock (spinlock)       its state, its connections, and all queues of requests
 */
#ifndef _RAMSTER_PEER_H
#define _RAMSTER_PEER_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "lease.h"
#include "r2net.h"
#include "ramster_nl.h"
#include "request.h"

struct nodemanager_node;

struct r2net_peer {
	struct list_head link; /* in r2net_peers */
	struct kref ref;
	u32 node;
	u64 lender_instance;
	struct nodemanager_node *config; /* pinned in configfs */
	struct lease_space space; /* under extents_lock */

	spinlock_t lock;
	enum ramster_nl_peer_state state; /* changed by r2net_peer_set_state() alone */
	struct list_head conns; /* struct r2net_conn, those that have not failed */
	struct list_head waiting; /* READs without a connection */
	struct list_head fencing; /* WRITEs whose connection failed; outstanding until its FENCE is answered */
	unsigned long waiting_since; /* jiffies */
	unsigned long heard; /* jiffies of the last answer of any kind */
	unsigned long silent_since; /* jiffies when it was UP last; 0: it is, or never was */
	ktime_t up_since; /* when it was found to be UP last */
	unsigned long slow_until; /* jiffies; until then others are asked before it; written without the lock */
	unsigned long wrong_until; /* the same, because it has brought wrong bytes */
	unsigned long late_since; /* jiffies when it was last found to be late */
	unsigned long away_until; /* jiffies; away = it is late by PEER_AWAY, and still waited for until then */
	bool away;
	unsigned long deadline; /* jiffies */
	unsigned long slow_deadline;
	u32 rtt_us; /* of READs, smoothed */
	unsigned long rtt_at; /* jiffies of the last of these */
	bool pinging;
	u32 fence_conn; /* 0 = no FENCE under way */

	struct r2net_request ping;
	struct r2net_request fence;
	struct r2net_fence fence_payload;
	struct delayed_work monitor;
	struct delayed_work hedge;
	struct work_struct free_work;
};

/*
 * The list of peers, and its lock. remotify takes it while memory is short: whoever holds it allocates without waiting for
 * I/O, which lock and unlock see to. May sleep.
 */
void r2net_peers_lock(void);
void r2net_peers_unlock(void);
extern struct list_head r2net_peers;

/**
 * r2net_peer_set - make a peer known, also beside a dead one of that lender, or change its deadlines
 * @config: the node, pinned; the peer takes the pin over unless this fails or the peer was known
 * @deadline_ms, @slow_deadline_ms: milliseconds
 *
 * May sleep. Under r2net_peers_lock(). Returns 0, 1 if it was known already, or -ENOMEM.
 */
int r2net_peer_set(struct nodemanager_node *config, u64 lender_instance, u32 deadline_ms, u32 slow_deadline_ms);

/*
 * Under r2net_peers_lock(). A lender that was declared dead and still runs may have come back as a new peer: returns the
 * living one, or a dead one, or NULL; no reference.
 */
struct r2net_peer *r2net_peer_find(u32 node, u64 lender_instance);

/**
 * r2net_peer_dead - a lender is gone with all it held
 *
 * Its connections are aborted, its requests fail, its leases are dead. May sleep. Under r2net_peers_lock().
 */
void r2net_peer_dead(struct r2net_peer *peer);

/* The lender does not know a lease of its, which the caller has pinned: what is there is lost. Never sleeps. */
void r2net_peer_stale(struct r2net_peer *peer, struct lease *lease);

/* Forgets dead peers of which nothing is left. May sleep. Under r2net_peers_lock(). */
void r2net_peers_reap(void);

struct r2net_peer *r2net_peer_get(struct r2net_peer *peer);
/* Any context but interrupts. */
void r2net_peer_put(struct r2net_peer *peer);

/* For so long after wrong bytes others are asked first: in it all that a lender wants back has come from an honest one. */
#define R2NET_PEER_DISTRUST (60 * HZ)

/* The peer has brought wrong bytes. Any context. */
static inline void r2net_peer_distrust(struct r2net_peer *peer)
{
	WRITE_ONCE(peer->wrong_until, jiffies + R2NET_PEER_DISTRUST);
}

/*
 * How good a peer is to read from: 3 = it answers, 2 = it is slow, 1 = it has brought wrong bytes lately, 0 = it is not UP. A
 * glance, without locks.
 */
static inline unsigned int r2net_peer_rank(const struct r2net_peer *peer)
{
	if (READ_ONCE(peer->state) != RAMSTER_PEER_UP)
		return 0;
	if (time_before(jiffies, READ_ONCE(peer->wrong_until)))
		return 1;
	return time_before(jiffies, READ_ONCE(peer->slow_until)) ? 2 : 3;
}

/*
 * Whether anything new may be written to it: it is UP, and has let go of all that it never answered. One that does not, and
 * has its connections fail again and again, would come to hold all that WRITEs need. A glance, without locks.
 */
static inline bool r2net_peer_takes_writes(const struct r2net_peer *peer)
{
	return READ_ONCE(peer->state) == RAMSTER_PEER_UP && list_empty(&peer->fencing);
}

/*
 * For the files of r2net: the one place where a peer's state changes. Under peer->lock. Returns whether it did; the caller then
 * sends the event, without locks.
 */
bool r2net_peer_set_state(struct r2net_peer *peer, enum ramster_nl_peer_state state);

int r2net_init(void);
/* Declares all peers dead: what waits for one ends. May sleep. */
void r2net_stop(void);
/* Returns when no request is outstanding. May sleep. */
void r2net_exit(void);
extern struct workqueue_struct *r2net_wq;

#endif
