/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer.h - the lenders that this node borrows from, and the requests to them.
 *
 * A peer is one run of the lender on one node: (node number, lender instance). It has connections (conn.h) that
 * ramsterd hands in, extents (extent.h), and a deadline that all requests to it share.
 *
 * A request is made of items. For each item, item() is called exactly once: by the receiving thread when its answer is
 * here, or with an error at the peer's deadline. release() is called once after that, when the request is no longer
 * outstanding: its answer came, or it is certain that the lender will not act on it any more. What the request names on
 * the wire (slots, payload) stays untouched until release().
 *
 * Locks, outermost first:
 *   r2net_peers_lock()          the list of peers
 *   peer->lock (spinlock)       its state, its connections, and all queues of requests
 * Callbacks run with no lock held, in a thread of the module: they may sleep, but not on the network.
 */
#ifndef _RAMSTER_PEER_H
#define _RAMSTER_PEER_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "extent.h"
#include "r2net.h"
#include "ramster_nl.h"

#define R2NET_MAX_WRITES 6 /* under way to all peers together */

struct nodemanager_node;
struct r2net_conn;
struct r2net_request;

struct r2net_request_ops {
	/*
	 * @err: 0; -ESTALE, -ERANGE as the lender answered; -ETIMEDOUT, -EIO: not answered.
	 * @bytes: READ with err 0: the item's bytes, only until this returns.
	 */
	void (*item)(struct r2net_request *req, unsigned int i, int err, const void *bytes);
	void (*release)(struct r2net_request *req);
};

/* The caller fills in the first part before r2net_submit(), and owns the memory again in release(). */
struct r2net_request {
	const struct r2net_request_ops *ops;
	u8 type; /* enum r2net_type */
	u8 nr; /* items: 1 ... R2NET_MAX_ITEMS */
	bool patient; /* waits up to the peer's slow deadline, whatever its state; nobody waits longer */
	struct r2net_item *items; /* WRITE, READ */
	const void *payload; /* WRITE, FENCE */
	u32 payload_length;

	struct list_head link;
	refcount_t ref;
	unsigned long claimed; /* bit by item: item() was or is being called */
	unsigned long submitted; /* jiffies */
	ktime_t sent;
	u64 tag;
	u32 conn; /* number of the connection that it was last queued on */
};

struct r2net_peer {
	struct list_head link; /* in r2net_peers */
	atomic_t writes; /* under way; counted by who sends them */
	u64 turn; /* when r2net_peer_with_space() chose it last; under r2net_peers_lock() */
	struct kref ref;
	u32 node;
	u64 lender_instance;
	struct nodemanager_node *config; /* pinned in configfs */
	struct extent_space space; /* under extent.c's lock */

	spinlock_t lock;
	enum ramster_nl_peer_state state; /* changed by peer_set_state() alone */
	struct list_head conns; /* struct r2net_conn, those that have not failed */
	struct list_head waiting; /* READs without a connection */
	struct list_head fencing; /* WRITEs whose connection failed; outstanding until its FENCE is answered */
	unsigned long waiting_since; /* jiffies */
	unsigned long heard; /* jiffies of the last answer of any kind */
	unsigned long late_since; /* jiffies when it was last found to be late */
	unsigned long deadline; /* jiffies */
	unsigned long slow_deadline;
	u32 rtt_us; /* smoothed */
	bool pinging;
	u32 fence_conn; /* 0 = no FENCE under way */

	struct r2net_request ping;
	struct r2net_request fence;
	struct r2net_fence fence_payload;
	struct delayed_work monitor;
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
 * r2net_peer_set - make a peer known, or change its deadlines
 * @config: the node, pinned; the peer takes the pin over unless this fails or the peer was known
 * @deadline_ms, @slow_deadline_ms: milliseconds
 *
 * May sleep. Under r2net_peers_lock(). Returns 0, 1 if it was known already, or -ENOMEM.
 */
int r2net_peer_set(struct nodemanager_node *config, u64 lender_instance, u32 deadline_ms, u32 slow_deadline_ms);

/* Under r2net_peers_lock(). Returns NULL if there is none; no reference. */
struct r2net_peer *r2net_peer_find(u32 node, u64 lender_instance);

/**
 * r2net_peer_dead - a lender is gone with all it held
 *
 * Its connections are aborted, its requests fail, its extents are dead. May sleep. Under r2net_peers_lock().
 */
void r2net_peer_dead(struct r2net_peer *peer);

/* The lender refused a slot that is leased from it, by the index's pinned entry: its extent is lost. Never sleeps. */
void r2net_peer_stale(struct r2net_peer *peer, void *entry);

/* Forgets dead peers of which nothing is left. May sleep. Under r2net_peers_lock(). */
void r2net_peers_reap(void);

/**
 * r2net_peer_with_space - the living peer to write to next
 *
 * Goes round those that have space and a connection, so that load spreads over them, and passes those that have their
 * share of R2NET_MAX_WRITES: one that has stopped to answer must not hold them all. May sleep. Returns it with a reference,
 * or NULL.
 */
struct r2net_peer *r2net_peer_with_space(void);

struct r2net_peer *r2net_peer_get(struct r2net_peer *peer);
/* Any context but interrupts. */
void r2net_peer_put(struct r2net_peer *peer);

/**
 * r2net_submit - send a request
 *
 * Never sleeps. Returns 0, and the callbacks will come; or, and they will not: -ETIMEDOUT if the peer is late,
 * -EIO if it is dead, -ENOTCONN if it is a WRITE (or PING, FENCE) and there is no connection. A READ without a
 * connection waits for one.
 */
int r2net_submit(struct r2net_peer *peer, struct r2net_request *req);

/* For conn.c. All without locks held, where it does not say otherwise. */

/* Calls item() with an error for all items that were not claimed yet. The caller holds a reference. */
void r2net_request_fail(struct r2net_request *req, int err);
/* Whether an item was not claimed yet. */
bool r2net_request_undone(const struct r2net_request *req);
/* Claims item @i: true if the caller is to call item(). */
bool r2net_request_claim(struct r2net_request *req, unsigned int i);
void r2net_request_put(struct r2net_request *req);
/* An answer came: the peer lives. @read_us: how long a READ took, 0 for other requests. */
void r2net_peer_heard(struct r2net_peer *peer, u64 read_us);
/* The requests of a connection that is no more, its threads gone: READs go to another one, WRITEs wait for the FENCE. */
void r2net_peer_conn_gone(struct r2net_peer *peer, struct list_head *requests);
/* A connection was added, and may take requests. Under peer->lock. Returns whether the peer is UP by that. */
bool r2net_peer_conn_added(struct r2net_peer *peer, struct r2net_conn *conn);

int r2net_init(void);
void r2net_exit(void);
extern struct workqueue_struct *r2net_wq;

#endif
