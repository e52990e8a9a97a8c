// SPDX-License-Identifier: GPL-2.0
/*
 * request.c - routes requests to a lender's connections, and again when a connection ends.
 */
#include <linux/bitops.h>
#include <linux/error-injection.h>
#include <linux/jiffies.h>

#include "conn.h"
#include "counters.h"
#include "deadline.h"
#include "hedge.h"
#include "move.h"
#include "netlink.h"
#include "peer.h"
#include "request.h"

static unsigned long request_all_claimed(const struct r2net_request *req)
{
	return GENMASK(req->nr - 1, 0);
}

bool r2net_request_undone(const struct r2net_request *req)
{
	return READ_ONCE(req->claimed) != request_all_claimed(req);
}

bool r2net_request_claim(struct r2net_request *req, unsigned int i)
{
	return !test_and_set_bit(i, &req->claimed);
}

void r2net_request_fail(struct r2net_request *req, int err)
{
	unsigned int i;

	for (i = 0; i < req->nr; i++)
		if (r2net_request_claim(req, i))
			req->ops->item(req, i, err, NULL);
}

void r2net_request_put(struct r2net_request *req)
{
	if (refcount_dec_and_test(&req->ref))
		req->ops->release(req);
}

void r2net_requests_fail(struct list_head *requests, int err)
{
	struct r2net_request *req, *next;

	list_for_each_entry_safe(req, next, requests, link) {
		list_del_init(&req->link);
		r2net_request_fail(req, err);
		r2net_request_put(req);
	}
}

static struct r2net_conn *peer_conn(struct r2net_peer *peer, enum r2net_role role)
{
	struct r2net_conn *conn, *best = NULL;

	lockdep_assert_held(&peer->lock);
	list_for_each_entry(conn, &peer->conns, link)
		if (conn->role == role &&
		    (!best || conn->nr_queued + conn->nr_inflight < best->nr_queued + best->nr_inflight))
			best = conn;
	return best;
}

/* Puts a request where it will be sent from. Returns 0 or an error, as r2net_submit(). Errors may be injected. */
static noinline int request_route(struct r2net_peer *peer, struct r2net_request *req)
{
	bool control = req->type == R2NET_PING || req->type == R2NET_FENCE;
	struct r2net_conn *conn = peer_conn(peer, control ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA);

	lockdep_assert_held(&peer->lock);
	if (conn) {
		r2net_conn_queue(conn, req);
		return 0;
	}
	if (req->type != R2NET_READ)
		return -ENOTCONN;
	if (list_empty(&peer->waiting))
		peer->waiting_since = jiffies;
	list_add_tail(&req->link, &peer->waiting);
	return 0;
}
ALLOW_ERROR_INJECTION(request_route, ERRNO);

int r2net_submit(struct r2net_peer *peer, struct r2net_request *req)
{
	int err = 0;

	req->claimed = 0;
	req->hedged = false;
	req->submitted = jiffies;
	refcount_set(&req->ref, 1);
	INIT_LIST_HEAD(&req->link);

	spin_lock(&peer->lock);
	if (peer->state == RAMSTER_PEER_DEAD)
		err = -EIO;
	else if (peer->state == RAMSTER_PEER_LATE && req != &peer->ping && !deadline_waits_for(peer, req))
		err = -ETIMEDOUT;
	else
		err = request_route(peer, req);
	if (!err && req->hedge)
		hedge_watch(peer);
	if (!err)
		deadline_watch(peer);
	else if (req->type == R2NET_READ)
		count(requests_refused);
	/* From here on the request may have been released, and the peer with it. */
	spin_unlock(&peer->lock);
	return err;
}

static void collect_done(struct list_head *queue, struct list_head *done)
{
	struct r2net_request *req, *next;

	list_for_each_entry_safe(req, next, queue, link)
		if (!r2net_request_undone(req))
			list_move_tail(&req->link, done);
}

void r2net_peer_drop_unsent(struct r2net_peer *peer)
{
	struct r2net_request *req, *next;
	struct r2net_conn *conn;
	LIST_HEAD(done);

	spin_lock(&peer->lock);
	collect_done(&peer->waiting, &done);
	list_for_each_entry(conn, &peer->conns, link) {
		collect_done(&conn->urgent, &done);
		collect_done(&conn->bulk, &done);
		WRITE_ONCE(conn->nr_queued, list_count_nodes(&conn->urgent) + list_count_nodes(&conn->bulk));
	}
	spin_unlock(&peer->lock);
	list_for_each_entry_safe(req, next, &done, link) {
		list_del_init(&req->link);
		r2net_request_put(req);
	}
}

void r2net_peer_heard(struct r2net_peer *peer, u64 read_us)
{
	bool changed = false;

	spin_lock(&peer->lock);
	peer->heard = jiffies;
	if (read_us)
		WRITE_ONCE(peer->rtt_at, jiffies);
	if (read_us)
		WRITE_ONCE(peer->rtt_us, peer->rtt_us ? (peer->rtt_us * 7 + read_us) / 8 : read_us);
	/* Without a connection for data an answer to PING helps nobody. */
	if (peer->state == RAMSTER_PEER_LATE && peer_conn(peer, R2NET_ROLE_DATA))
		changed = r2net_peer_set_state(peer, RAMSTER_PEER_UP);
	spin_unlock(&peer->lock);
	if (changed)
		netlink_event_peer(peer->node, RAMSTER_PEER_UP);
}

bool r2net_peer_conn_added(struct r2net_peer *peer, struct r2net_conn *conn)
{
	struct r2net_request *req, *next;
	bool changed = false;

	lockdep_assert_held(&peer->lock);
	if (conn->role == R2NET_ROLE_DATA) {
		/* HELLO was answered on it just now. */
		peer->heard = jiffies;
		changed = r2net_peer_set_state(peer, RAMSTER_PEER_UP);
		move_wake(); /* its leases can be used */
		list_for_each_entry_safe(req, next, &peer->waiting, link) {
			list_del_init(&req->link);
			r2net_conn_queue(conn, req); /* the only one for data, or they had not waited */
		}
	}
	deadline_watch(peer);
	return changed;
}

/* A request whose connection is gone: sends it again if that is safe and useful. Returns false if it is to end. */
static bool request_retry(struct r2net_peer *peer, struct r2net_request *req)
{
	bool again = false;

	spin_lock(&peer->lock);
	if (req->type == R2NET_READ && r2net_request_undone(req) && !deadline_over(peer, req) &&
	    peer->state != RAMSTER_PEER_DEAD && (peer->state != RAMSTER_PEER_LATE || deadline_waits_for(peer, req)))
		again = !request_route(peer, req);
	if (again && req->hedge)
		hedge_watch(peer); /* it was in no list for a moment, in which nobody saw it */
	spin_unlock(&peer->lock);
	if (again)
		count(requests_retried);
	return again;
}

/* The lender may still be acting on this WRITE: it stays outstanding until the FENCE of its connection is answered. */
static bool request_must_fence(struct r2net_peer *peer, struct r2net_request *req)
{
	bool fence = false;

	spin_lock(&peer->lock);
	if (req->type == R2NET_WRITE && peer->state != RAMSTER_PEER_DEAD) {
		list_add_tail(&req->link, &peer->fencing);
		fence = true;
	}
	spin_unlock(&peer->lock);
	return fence;
}

void r2net_peer_conn_gone(struct r2net_peer *peer, struct list_head *requests)
{
	struct r2net_request *req, *next;
	bool changed = false;

	list_for_each_entry_safe(req, next, requests, link) {
		list_del_init(&req->link);
		if (request_retry(peer, req))
			continue;
		r2net_request_fail(req, -EIO);
		if (req->ops->detached)
			req->ops->detached(req);
		if (!request_must_fence(peer, req))
			r2net_request_put(req);
	}
	spin_lock(&peer->lock);
	if (!peer_conn(peer, R2NET_ROLE_DATA) && peer->state == RAMSTER_PEER_UP)
		changed = r2net_peer_set_state(peer, RAMSTER_PEER_DOWN);
	spin_unlock(&peer->lock);
	if (changed)
		netlink_event_peer(peer->node, RAMSTER_PEER_DOWN);
	deadline_watch(peer);
}
