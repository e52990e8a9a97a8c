// SPDX-License-Identifier: GPL-2.0
/*
 * peer.c - routes requests to a lender's connections, and holds them to the peer's deadline.
 *
 * The deadline belongs to the outage, not to the request: it starts when the first request is late, and whatever is asked
 * later gets only what is left of it. Then the peer is LATE and requests fail at once, until it answers PING. While it
 * answers PING, requests are waited for up to the slow deadline.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "counters.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"

#define MONITOR_INTERVAL (HZ / 10)
#define PING_AFTER (HZ / 2) /* of silence while an answer is due */

static DEFINE_MUTEX(peers_mutex);
static unsigned int peers_noio; /* of the mutex's holder */
LIST_HEAD(r2net_peers);
struct workqueue_struct *r2net_wq;

static atomic_t nr_peers; /* allocated */
static DECLARE_WAIT_QUEUE_HEAD(no_peers);

static const char *const state_names[] = {
	[RAMSTER_PEER_DOWN] = "down",
	[RAMSTER_PEER_UP] = "up",
	[RAMSTER_PEER_LATE] = "late",
	[RAMSTER_PEER_DEAD] = "dead",
};

/* The one place where a peer's state changes. Returns whether it did; the caller then sends the event, unlocked. */
static bool peer_set_state(struct r2net_peer *peer, enum ramster_nl_peer_state state)
{
	struct r2net_conn *conn;

	lockdep_assert_held(&peer->lock);
	if (peer->state == state || peer->state == RAMSTER_PEER_DEAD)
		return false;
	pr_info_ratelimited("node %u: %s, was %s\n", peer->node, state_names[state], state_names[peer->state]);
	if (state == RAMSTER_PEER_LATE) {
		peer->late_since = jiffies;
		count(late_peers);
	}
	if (state == RAMSTER_PEER_UP)
		list_for_each_entry(conn, &peer->conns, link)
			conn->progress = jiffies;
	peer->state = state;
	return true;
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

static void peer_watch(struct r2net_peer *peer)
{
	queue_delayed_work(r2net_wq, &peer->monitor, MONITOR_INTERVAL);
}

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

/* Puts a request where it will be sent from. Returns 0 or an error, as r2net_submit(). */
static int peer_route(struct r2net_peer *peer, struct r2net_request *req)
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

/* Whether a request goes on waiting for a late peer: the patient do, to the slow deadline of the peer's outage. */
static bool peer_waits_for(const struct r2net_peer *peer, const struct r2net_request *req)
{
	return req->patient && time_before(jiffies, peer->late_since + peer->slow_deadline - peer->deadline);
}

int r2net_submit(struct r2net_peer *peer, struct r2net_request *req)
{
	int err = 0;

	req->claimed = 0;
	req->submitted = jiffies;
	refcount_set(&req->ref, 1);
	INIT_LIST_HEAD(&req->link);

	spin_lock(&peer->lock);
	if (peer->state == RAMSTER_PEER_DEAD)
		err = -EIO;
	else if (peer->state == RAMSTER_PEER_LATE && req != &peer->ping && !peer_waits_for(peer, req))
		err = -ETIMEDOUT;
	else
		err = peer_route(peer, req);
	if (!err)
		peer_watch(peer);
	else if (req->type == R2NET_READ)
		count(requests_refused);
	/* From here on the request may have been released, and the peer with it. */
	spin_unlock(&peer->lock);
	return err;
}

void r2net_peer_heard(struct r2net_peer *peer, u64 read_us)
{
	bool changed = false;

	spin_lock(&peer->lock);
	peer->heard = jiffies;
	if (read_us)
		peer->rtt_us = peer->rtt_us ? (peer->rtt_us * 7 + read_us) / 8 : read_us;
	/* Without a connection for data an answer to PING helps nobody. */
	if (peer->state == RAMSTER_PEER_LATE && peer_conn(peer, R2NET_ROLE_DATA))
		changed = peer_set_state(peer, RAMSTER_PEER_UP);
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
		changed = peer_set_state(peer, RAMSTER_PEER_UP);
		list_for_each_entry_safe(req, next, &peer->waiting, link) {
			list_del_init(&req->link);
			peer_route(peer, req);
		}
	}
	peer_watch(peer);
	return changed;
}

/* Nobody waits for a request longer than this, however often it was sent. */
static bool peer_overdue(const struct r2net_peer *peer, const struct r2net_request *req)
{
	return time_after(jiffies, req->submitted + peer->slow_deadline);
}

/* A request whose connection is gone: sends it again if that is safe and useful. Returns false if it is to end. */
static bool peer_retry(struct r2net_peer *peer, struct r2net_request *req)
{
	bool again = false;

	spin_lock(&peer->lock);
	if (req->type == R2NET_READ && r2net_request_undone(req) && !peer_overdue(peer, req) &&
	    peer->state != RAMSTER_PEER_DEAD && (peer->state != RAMSTER_PEER_LATE || peer_waits_for(peer, req)))
		again = !peer_route(peer, req);
	spin_unlock(&peer->lock);
	if (again)
		count(requests_retried);
	return again;
}

/* The lender may still be acting on this WRITE: it stays outstanding until the FENCE of its connection is answered. */
static bool peer_must_fence(struct r2net_peer *peer, struct r2net_request *req)
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

static void peer_requests_failed(struct list_head *requests, int err)
{
	struct r2net_request *req, *next;

	list_for_each_entry_safe(req, next, requests, link) {
		list_del_init(&req->link);
		r2net_request_fail(req, err);
		r2net_request_put(req);
	}
}

void r2net_peer_conn_gone(struct r2net_peer *peer, struct list_head *requests)
{
	struct r2net_request *req, *next;
	bool changed = false;

	list_for_each_entry_safe(req, next, requests, link) {
		list_del_init(&req->link);
		if (peer_retry(peer, req))
			continue;
		r2net_request_fail(req, -EIO);
		if (!peer_must_fence(peer, req))
			r2net_request_put(req);
	}
	spin_lock(&peer->lock);
	if (!peer_conn(peer, R2NET_ROLE_DATA) && peer->state == RAMSTER_PEER_UP)
		changed = peer_set_state(peer, RAMSTER_PEER_DOWN);
	spin_unlock(&peer->lock);
	if (changed)
		netlink_event_peer(peer->node, RAMSTER_PEER_DOWN);
	peer_watch(peer);
}

/* A request that the monitor fails: holds a reference while it is in the list. */
struct expired {
	struct r2net_request *req[32];
	unsigned int nr;
};

/* @late: what it was queued for is late, so that only the patient go on waiting. */
static void expire(struct r2net_peer *peer, struct r2net_request *req, bool late, struct expired *expired)
{
	if (!r2net_request_undone(req) || expired->nr == ARRAY_SIZE(expired->req))
		return;
	if ((!late || peer_waits_for(peer, req)) && !peer_overdue(peer, req))
		return;
	refcount_inc(&req->ref);
	expired->req[expired->nr++] = req;
}

static void expire_conn(struct r2net_peer *peer, struct r2net_conn *conn, bool late, struct expired *expired)
{
	struct r2net_request *req;
	unsigned int i;

	lockdep_assert_held(&peer->lock);
	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		if (conn->inflight[i])
			expire(peer, conn->inflight[i], late, expired);
	list_for_each_entry(req, &conn->urgent, link)
		expire(peer, req, late, expired);
	list_for_each_entry(req, &conn->bulk, link)
		expire(peer, req, late, expired);
}

static void collect_done(struct list_head *queue, struct list_head *done)
{
	struct r2net_request *req, *next;

	list_for_each_entry_safe(req, next, queue, link)
		if (!r2net_request_undone(req))
			list_move_tail(&req->link, done);
}

/* Requests that failed before they were sent are not outstanding. */
static void peer_drop_unsent(struct r2net_peer *peer)
{
	struct r2net_request *req, *next;
	struct r2net_conn *conn;
	LIST_HEAD(done);

	spin_lock(&peer->lock);
	collect_done(&peer->waiting, &done);
	list_for_each_entry(conn, &peer->conns, link) {
		collect_done(&conn->urgent, &done);
		collect_done(&conn->bulk, &done);
		conn->nr_queued = list_count_nodes(&conn->urgent) + list_count_nodes(&conn->bulk);
	}
	spin_unlock(&peer->lock);
	list_for_each_entry_safe(req, next, &done, link) {
		list_del_init(&req->link);
		r2net_request_put(req);
	}
}

/*
 * Looks for lateness. Leaves in @expired what is to fail now. Returns for how long an answer has been due, in jiffies; 0 if
 * none is.
 */
static unsigned long peer_check(struct r2net_peer *peer, struct expired *expired, bool *late)
{
	unsigned long now = jiffies, due = 0, waited;
	bool alive = time_before(now, peer->heard + peer->deadline);
	unsigned long limit = alive ? peer->slow_deadline : peer->deadline;
	struct r2net_conn *conn, *next;
	struct r2net_request *req;

	lockdep_assert_held(&peer->lock);
	if (!list_empty(&peer->waiting)) {
		due = max(1UL, now - peer->waiting_since);
		if (due > peer->deadline)
			*late |= peer_set_state(peer, RAMSTER_PEER_LATE);
	}
	list_for_each_entry_safe(conn, next, &peer->conns, link) {
		if (conn->role != R2NET_ROLE_DATA || !r2net_conn_due(conn))
			continue;
		waited = max(1UL, now - conn->progress);
		due = max(due, waited);
		if (waited <= limit)
			continue;
		if (alive)
			r2net_conn_abort_locked(conn); /* what is not overdue is sent again on another one */
		else
			*late |= peer_set_state(peer, RAMSTER_PEER_LATE);
	}
	/* Also on connections that go on answering: one answer may be missing. */
	list_for_each_entry(conn, &peer->conns, link)
		if (conn->role == R2NET_ROLE_DATA)
			expire_conn(peer, conn, peer->state == RAMSTER_PEER_LATE, expired);
	list_for_each_entry(req, &peer->waiting, link)
		expire(peer, req, peer->state == RAMSTER_PEER_LATE, expired);
	return due;
}

static void peer_ping(struct r2net_peer *peer)
{
	spin_lock(&peer->lock);
	if (peer->pinging) {
		spin_unlock(&peer->lock);
		return;
	}
	peer->pinging = true;
	spin_unlock(&peer->lock);
	if (r2net_submit(peer, &peer->ping))
		peer->pinging = false;
}

static void ping_item(struct r2net_request *req, unsigned int i, int err, const void *bytes)
{
}

static void ping_release(struct r2net_request *req)
{
	struct r2net_peer *peer = container_of(req, struct r2net_peer, ping);

	WRITE_ONCE(peer->pinging, false);
}

static const struct r2net_request_ops ping_ops = { .item = ping_item, .release = ping_release };

/* Asks the lender to let go of one failed connection that WRITEs still wait for. */
static void peer_fence(struct r2net_peer *peer)
{
	u32 number = 0;

	spin_lock(&peer->lock);
	if (!peer->fence_conn && !list_empty(&peer->fencing)) {
		number = list_first_entry(&peer->fencing, struct r2net_request, link)->conn;
		peer->fence_conn = number;
	}
	spin_unlock(&peer->lock);
	if (!number)
		return;
	peer->fence_payload.conn = cpu_to_le32(number);
	if (r2net_submit(peer, &peer->fence))
		WRITE_ONCE(peer->fence_conn, 0);
}

static void fence_item(struct r2net_request *req, unsigned int i, int err, const void *bytes)
{
	struct r2net_peer *peer = container_of(req, struct r2net_peer, fence);
	struct r2net_request *write, *next;
	LIST_HEAD(fenced);

	if (err)
		return;
	spin_lock(&peer->lock);
	list_for_each_entry_safe(write, next, &peer->fencing, link)
		if (write->conn == peer->fence_conn)
			list_move_tail(&write->link, &fenced);
	spin_unlock(&peer->lock);
	peer_requests_failed(&fenced, -EIO);
}

static void fence_release(struct r2net_request *req)
{
	struct r2net_peer *peer = container_of(req, struct r2net_peer, fence);

	WRITE_ONCE(peer->fence_conn, 0);
}

static const struct r2net_request_ops fence_ops = { .item = fence_item, .release = fence_release };

static void peer_monitor(struct work_struct *work)
{
	struct r2net_peer *peer = container_of(work, struct r2net_peer, monitor.work);
	struct expired expired = { .nr = 0 };
	bool late = false, fencing;
	unsigned long due;
	unsigned int i;

	spin_lock(&peer->lock);
	due = peer_check(peer, &expired, &late);
	fencing = !list_empty(&peer->fencing);
	spin_unlock(&peer->lock);

	if (late)
		netlink_event_peer(peer->node, RAMSTER_PEER_LATE);
	for (i = 0; i < expired.nr; i++) {
		count(requests_timed_out);
		r2net_request_fail(expired.req[i], -ETIMEDOUT);
		r2net_request_put(expired.req[i]);
	}
	if (expired.nr)
		peer_drop_unsent(peer);
	if (due > PING_AFTER || peer->state == RAMSTER_PEER_LATE)
		peer_ping(peer);
	if (fencing && peer->state != RAMSTER_PEER_LATE)
		peer_fence(peer);
	if (due || fencing || peer->state == RAMSTER_PEER_LATE)
		mod_delayed_work(r2net_wq, &peer->monitor,
				 expired.nr == ARRAY_SIZE(expired.req) ? 0 : MONITOR_INTERVAL);
}

void r2net_peers_lock(void)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&peers_mutex);
	peers_noio = noio;
}

void r2net_peers_unlock(void)
{
	unsigned int noio = peers_noio;

	mutex_unlock(&peers_mutex);
	memalloc_noio_restore(noio);
}

struct r2net_peer *r2net_peer_find(u32 node, u64 lender_instance)
{
	struct r2net_peer *peer;

	lockdep_assert_held(&peers_mutex);
	list_for_each_entry(peer, &r2net_peers, link)
		if (peer->node == node && peer->lender_instance == lender_instance)
			return peer;
	return NULL;
}

static void peer_free(struct work_struct *work)
{
	struct r2net_peer *peer = container_of(work, struct r2net_peer, free_work);

	cancel_delayed_work_sync(&peer->monitor);
	nodemanager_put(peer->config);
	kfree(peer);
	if (atomic_dec_and_test(&nr_peers))
		wake_up(&no_peers);
}

static void peer_kref_release(struct kref *ref)
{
	struct r2net_peer *peer = container_of(ref, struct r2net_peer, ref);

	/* The last reference may be an extent's, which goes under spinlocks. */
	queue_work(r2net_wq, &peer->free_work);
}

struct r2net_peer *r2net_peer_get(struct r2net_peer *peer)
{
	kref_get(&peer->ref);
	return peer;
}

void r2net_peer_put(struct r2net_peer *peer)
{
	kref_put(&peer->ref, peer_kref_release);
}

static struct r2net_peer *peer_new(struct nodemanager_node *config, u64 lender_instance)
{
	struct r2net_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	atomic_inc(&nr_peers);
	kref_init(&peer->ref);
	peer->node = nodemanager_number(config);
	peer->lender_instance = lender_instance;
	peer->config = config;
	extent_space_init(&peer->space);
	spin_lock_init(&peer->lock);
	INIT_LIST_HEAD(&peer->conns);
	INIT_LIST_HEAD(&peer->waiting);
	INIT_LIST_HEAD(&peer->fencing);
	peer->heard = jiffies;
	INIT_DELAYED_WORK(&peer->monitor, peer_monitor);
	INIT_WORK(&peer->free_work, peer_free);
	peer->ping = (struct r2net_request){ .ops = &ping_ops, .type = R2NET_PING, .nr = 1 };
	peer->fence = (struct r2net_request){ .ops = &fence_ops,
					      .type = R2NET_FENCE,
					      .nr = 1,
					      .payload = &peer->fence_payload,
					      .payload_length = sizeof(peer->fence_payload) };
	return peer;
}

int r2net_peer_set(struct nodemanager_node *config, u64 lender_instance, u32 deadline_ms, u32 slow_deadline_ms)
{
	struct r2net_peer *peer = r2net_peer_find(nodemanager_number(config), lender_instance);
	bool known = peer;

	if (!known) {
		peer = peer_new(config, lender_instance);
		if (!peer)
			return -ENOMEM;
		list_add_tail(&peer->link, &r2net_peers);
	}
	peer->deadline = msecs_to_jiffies(deadline_ms);
	peer->slow_deadline = msecs_to_jiffies(slow_deadline_ms);
	return known;
}

void r2net_peer_dead(struct r2net_peer *peer)
{
	struct r2net_conn *conn, *next;
	LIST_HEAD(requests);
	bool changed;
	u64 lost;

	lockdep_assert_held(&peers_mutex);
	spin_lock(&peer->lock);
	changed = peer_set_state(peer, RAMSTER_PEER_DEAD);
	list_for_each_entry_safe(conn, next, &peer->conns, link)
		r2net_conn_abort_locked(conn);
	list_splice_tail_init(&peer->waiting, &requests);
	list_splice_tail_init(&peer->fencing, &requests);
	spin_unlock(&peer->lock);
	peer_requests_failed(&requests, -EIO);
	lost = extent_dead(peer);
	if (!changed)
		return;
	netlink_event_peer(peer->node, RAMSTER_PEER_DEAD);
	if (lost) {
		count_add(pages_lost, lost);
		pr_err_ratelimited("node %u: its lender is gone, and %llu pages with it\n", peer->node, lost);
		netlink_event_lost(peer->node, lost);
	}
}

void r2net_peer_stale(struct r2net_peer *peer, void *entry)
{
	u64 lost = extent_lost(entry);

	count(stale_slots);
	if (!lost)
		return;
	count_add(pages_lost, lost);
	pr_err_ratelimited("node %u: its lender does not know a lease that we hold: %llu pages are lost\n", peer->node,
			   lost);
	netlink_event_lost(peer->node, lost);
}

void r2net_peers_reap(void)
{
	struct r2net_peer *peer, *next;
	struct extent_space space;

	lockdep_assert_held(&peers_mutex);
	list_for_each_entry_safe(peer, next, &r2net_peers, link) {
		extent_space_read(&peer->space, &space);
		if (peer->state != RAMSTER_PEER_DEAD || space.nr)
			continue;
		list_del(&peer->link);
		r2net_peer_put(peer);
	}
}

static bool peer_takes_writes(const struct r2net_peer *peer)
{
	return READ_ONCE(peer->state) == RAMSTER_PEER_UP && extent_has_space(&peer->space);
}

struct r2net_peer *r2net_peer_with_space(void)
{
	struct r2net_peer *peer, *found = NULL;
	unsigned int sharers = 0;
	static u64 turns;

	r2net_peers_lock();
	list_for_each_entry(peer, &r2net_peers, link)
		sharers += peer_takes_writes(peer) || atomic_read(&peer->writes);
	list_for_each_entry(peer, &r2net_peers, link)
		if (peer_takes_writes(peer) && atomic_read(&peer->writes) * sharers < R2NET_MAX_WRITES &&
		    (!found || peer->turn < found->turn))
			found = peer;
	if (found) {
		found->turn = ++turns;
		r2net_peer_get(found);
	}
	r2net_peers_unlock();
	return found;
}

int r2net_init(void)
{
	r2net_wq = alloc_workqueue("ramster_r2net", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return r2net_wq ? 0 : -ENOMEM;
}

/* No front end is left, so no page, and no request but PINGs and FENCEs. */
void r2net_exit(void)
{
	struct r2net_peer *peer, *next;

	r2net_peers_lock();
	list_for_each_entry_safe(peer, next, &r2net_peers, link) {
		r2net_peer_dead(peer);
		/* Also with extents: those in which WRITEs are still under way go when they are released. */
		list_del(&peer->link);
		r2net_peer_put(peer);
	}
	r2net_peers_unlock();
	/* The ends of connections release requests and extents, and with those the peers. */
	wait_event(no_peers, !atomic_read(&nr_peers));
	destroy_workqueue(r2net_wq);
}
