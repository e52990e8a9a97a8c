/* SPDX-License-Identifier: GPL-2.0 */
/*
 * request.h - a request to a lender, from r2net_submit() until it is no longer outstanding.
 *
 * A request is made of items. For each item, item() is called exactly once: by the receiving thread when its answer is
 * here, or with an error at the peer's deadline. release() is called once after that, when the request is no longer
 * outstanding: its answer came, or it is certain that the lender will not act on it any more. What the request names on
 * the wire (slots, payload) stays untouched until release().
 *
 * Callbacks run with no spinlock held, in a thread of the module or of who submits: they do not wait for the network. Only
 * item() with bytes may sleep.
 */
#ifndef _RAMSTER_REQUEST_H
#define _RAMSTER_REQUEST_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct r2net_conn;
struct r2net_item;
struct r2net_peer;
struct r2net_request;

struct r2net_request_ops {
	/*
	 * @err: 0; -ESTALE, -ERANGE, or -EREMOTEIO for any other, as the lender answered; -ETIMEDOUT, -EIO: not answered.
	 * @bytes: READ with err 0: the item's bytes, its own only until this returns.
	 */
	void (*item)(struct r2net_request *req, unsigned int i, int err, void *bytes);
	/*
	 * Optional. A WRITE has failed with its connection and may stay outstanding for long, until a FENCE is answered: its
	 * payload is not read any more.
	 */
	void (*detached)(struct r2net_request *req);
	/*
	 * With req->hedge: a READ has waited for @waited_us microseconds. Asks others for those of its items that are not claimed
	 * yet, and whoever gets one answered may claim it and do as item() does. The caller holds a reference. Returns whether
	 * others were asked; else it is called again a little later.
	 */
	bool (*hedge)(struct r2net_request *req, unsigned long waited_us);
	void (*release)(struct r2net_request *req);
};

/* The caller fills in the first part before r2net_submit(), and owns the memory again in release(). */
struct r2net_request {
	const struct r2net_request_ops *ops;
	u8 type; /* enum r2net_type */
	u8 nr; /* items: 1 ... R2NET_MAX_ITEMS */
	bool patient; /* waits up to the peer's slow deadline, whatever its state; nobody waits longer */
	bool bulk; /* READ: others may go before it */
	bool hedge; /* READ: ops->hedge() may have others to ask */
	struct r2net_item *items; /* WRITE, READ */
	const void *payload; /* WRITE, FENCE */
	u32 payload_length;

	bool hedged; /* others were asked: it is due even when all is claimed; under peer->lock */
	struct list_head link;
	refcount_t ref;
	unsigned long claimed; /* bit by item: item() was or is being called */
	unsigned long submitted; /* jiffies */
	ktime_t sent;
	u64 tag;
	u32 conn; /* number of the connection that it was last queued on */
};

/**
 * r2net_submit - send a request
 *
 * Never sleeps. Returns 0, and the callbacks will come; or, and they will not: -ETIMEDOUT if the peer is late,
 * -EIO if it is dead, -ENOTCONN if it is a WRITE (or PING, FENCE) and there is no connection. A READ without a
 * connection waits for one.
 */
int r2net_submit(struct r2net_peer *peer, struct r2net_request *req);

/* Claims item @i: true if the caller is to call item(). The caller holds a reference. Any context. */
bool r2net_request_claim(struct r2net_request *req, unsigned int i);

/* What follows is for the files of r2net: peer.c, conn.c, deadline.c, hedge.c. Without locks held, where it does not say otherwise. */

/* Calls item() with an error for all items that were not claimed yet. The caller holds a reference. */
void r2net_request_fail(struct r2net_request *req, int err);
/* Whether an item was not claimed yet. */
bool r2net_request_undone(const struct r2net_request *req);
void r2net_request_put(struct r2net_request *req);
/* Fails all of a list, and puts them: they are not outstanding. */
void r2net_requests_fail(struct list_head *requests, int err);
/* Puts the requests that were claimed as a whole before they were sent: they are not outstanding. */
void r2net_peer_drop_unsent(struct r2net_peer *peer);
/* An answer came: the peer lives. @read_us: how long a READ took, 0 for other requests. */
void r2net_peer_heard(struct r2net_peer *peer, u64 read_us);
/* The requests of a connection that is no more, its threads gone: READs go to another one, WRITEs wait for the FENCE. */
void r2net_peer_conn_gone(struct r2net_peer *peer, struct list_head *requests);
/* A connection was added, and may take requests. Under peer->lock. Returns whether the peer is UP by that. */
bool r2net_peer_conn_added(struct r2net_peer *peer, struct r2net_conn *conn);

#endif
