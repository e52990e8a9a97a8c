// SPDX-License-Identifier: GPL-2.0
/*
 * deadline.c - holds requests to their peer's deadline, and asks a silent peer whether it lives.
 *
 * The deadline belongs to the outage, not to the request: it starts when the first request is late, and whatever is asked
 * later gets only what is left of it. Then the peer is LATE and requests fail at once, until it answers PING. While it
 * answers PING, requests are waited for up to the slow deadline. A connection that owes an answer for longer is ended.
 *
 * A peer whose node has left the cluster is LATE without that wait.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>

#include "conn.h"
#include "counters.h"
#include "deadline.h"
#include "hedge.h"
#include "netlink.h"
#include "peer.h"
#include "request.h"

#define MONITOR_INTERVAL (HZ / 10)
#define PING_AFTER (HZ / 2) /* of silence while an answer is due */
#define AWAY_GRACE (HZ / 2) /* for a node that only lost its membership to say that its lender lives */

/* A request that the monitor fails: holds a reference while it is in the list. */
struct expired {
	struct r2net_request *req[32];
	unsigned int nr;
};

void deadline_watch(struct r2net_peer *peer)
{
	queue_delayed_work(r2net_wq, &peer->monitor, MONITOR_INTERVAL);
}

void deadline_away(struct r2net_peer *peer)
{
	bool changed;

	spin_lock(&peer->lock);
	changed = r2net_peer_set_state(peer, RAMSTER_PEER_LATE);
	if (changed) {
		peer->away = true;
		peer->away_until = jiffies + AWAY_GRACE;
	}
	spin_unlock(&peer->lock);
	if (!changed)
		return;
	netlink_event_peer(peer->node, RAMSTER_PEER_LATE);
	mod_delayed_work(r2net_wq, &peer->monitor, 0);
}

bool deadline_waits_for(const struct r2net_peer *peer, const struct r2net_request *req)
{
	if (peer->away && time_before(jiffies, peer->away_until))
		return true;
	return req->patient && time_before(jiffies, peer->late_since + peer->slow_deadline - peer->deadline);
}

bool deadline_over(const struct r2net_peer *peer, const struct r2net_request *req)
{
	return time_after(jiffies, req->submitted + peer->slow_deadline);
}

/* @late: what it was queued for is late, so that only the patient go on waiting. */
static void expire(struct r2net_peer *peer, struct r2net_request *req, bool late, struct expired *expired)
{
	if (!r2net_request_undone(req) || expired->nr == ARRAY_SIZE(expired->req))
		return;
	if ((!late || deadline_waits_for(peer, req)) && !deadline_over(peer, req))
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

/*
 * For how long it has had the oldest of its requests while the peer was not silent, in jiffies, also if nobody waits for that one
 * any more; 0: it has none. One that is still being sent is a request that it has, also if it was answered already.
 */
static unsigned long conn_owes(const struct r2net_conn *conn)
{
	ktime_t now = ktime_get(), sending = READ_ONCE(conn->sending_since), oldest = sending ?: now;
	unsigned int i;

	if (!conn->nr_inflight && !sending)
		return 0;
	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		if (conn->inflight[i] && ktime_before(conn->inflight[i]->sent, oldest))
			oldest = conn->inflight[i]->sent;
	if (ktime_before(oldest, conn->peer->up_since))
		oldest = conn->peer->up_since;
	return max(1UL, msecs_to_jiffies(ktime_ms_delta(now, oldest)));
}

/*
 * Looks for lateness. Leaves in @expired what is to fail now. Returns for how long an answer has been due, in jiffies; 0 if
 * none is.
 */
static unsigned long deadline_check(struct r2net_peer *peer, struct expired *expired, bool *late)
{
	unsigned long now = jiffies, due = 0, waited, owes;
	bool alive = time_before(now, peer->heard + peer->deadline);
	unsigned long limit = alive ? peer->slow_deadline : peer->deadline;
	struct r2net_conn *conn, *next;
	struct r2net_request *req;

	lockdep_assert_held(&peer->lock);
	if (!list_empty(&peer->waiting)) {
		due = max(1UL, now - peer->waiting_since);
		if (due > peer->deadline)
			*late |= r2net_peer_set_state(peer, RAMSTER_PEER_LATE);
	}
	list_for_each_entry_safe(conn, next, &peer->conns, link) {
		if (conn->role != R2NET_ROLE_DATA)
			continue;
		owes = conn_owes(conn);
		if (owes > peer->slow_deadline) {
			if (!alive)
				*late |= r2net_peer_set_state(peer, RAMSTER_PEER_LATE);
			r2net_conn_abort_locked(conn); /* whatever else it answers: buffers and READs must come free */
			continue;
		}
		if (owes)
			due = max(due, 1UL);
		if (!r2net_conn_due(conn))
			continue;
		waited = max(1UL, now - conn->progress);
		due = max(due, waited);
		if (waited <= limit)
			continue;
		if (alive)
			r2net_conn_abort_locked(conn); /* what is not overdue is sent again on another one */
		else
			*late |= r2net_peer_set_state(peer, RAMSTER_PEER_LATE);
	}
	/* Also on connections that go on answering: one answer may be missing. */
	list_for_each_entry(conn, &peer->conns, link)
		if (conn->role == R2NET_ROLE_DATA)
			expire_conn(peer, conn, peer->state == RAMSTER_PEER_LATE, expired);
	list_for_each_entry(req, &peer->waiting, link)
		expire(peer, req, peer->state == RAMSTER_PEER_LATE, expired);
	return due;
}

static void ping(struct r2net_peer *peer)
{
	spin_lock(&peer->lock);
	if (READ_ONCE(peer->pinging)) {
		spin_unlock(&peer->lock);
		return;
	}
	WRITE_ONCE(peer->pinging, true);
	spin_unlock(&peer->lock);
	if (r2net_submit(peer, &peer->ping))
		WRITE_ONCE(peer->pinging, false);
}

static void ping_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
}

static void ping_release(struct r2net_request *req)
{
	struct r2net_peer *peer = container_of(req, struct r2net_peer, ping);

	WRITE_ONCE(peer->pinging, false);
}

static const struct r2net_request_ops ping_ops = { .item = ping_item, .release = ping_release };

/* Asks the lender to let go of one failed connection that WRITEs still wait for. */
static void fence(struct r2net_peer *peer)
{
	u32 number = 0;

	spin_lock(&peer->lock);
	if (!READ_ONCE(peer->fence_conn) && !list_empty(&peer->fencing)) {
		number = list_first_entry(&peer->fencing, struct r2net_request, link)->conn;
		WRITE_ONCE(peer->fence_conn, number);
	}
	spin_unlock(&peer->lock);
	if (!number)
		return;
	peer->fence_payload.conn = cpu_to_le32(number);
	if (r2net_submit(peer, &peer->fence))
		WRITE_ONCE(peer->fence_conn, 0);
}

static void fence_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
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
	r2net_requests_fail(&fenced, -EIO);
}

static void fence_release(struct r2net_request *req)
{
	struct r2net_peer *peer = container_of(req, struct r2net_peer, fence);

	WRITE_ONCE(peer->fence_conn, 0);
}

static const struct r2net_request_ops fence_ops = { .item = fence_item, .release = fence_release };

static void deadline_monitor(struct work_struct *work)
{
	struct r2net_peer *peer = container_of(work, struct r2net_peer, monitor.work);
	struct expired expired = { .nr = 0 };
	bool late = false, fencing;
	unsigned long due;
	unsigned int i;

	spin_lock(&peer->lock);
	due = deadline_check(peer, &expired, &late);
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
		r2net_peer_drop_unsent(peer);
	if (due > PING_AFTER)
		hedge_avoid(peer);
	if (due > PING_AFTER || READ_ONCE(peer->state) == RAMSTER_PEER_LATE)
		ping(peer);
	if (fencing && READ_ONCE(peer->state) != RAMSTER_PEER_LATE)
		fence(peer);
	if (due || fencing || READ_ONCE(peer->state) == RAMSTER_PEER_LATE)
		mod_delayed_work(r2net_wq, &peer->monitor,
				 expired.nr == ARRAY_SIZE(expired.req) ? 0 : MONITOR_INTERVAL);
}

void deadline_init(struct r2net_peer *peer)
{
	peer->heard = jiffies;
	INIT_DELAYED_WORK(&peer->monitor, deadline_monitor);
	peer->ping = (struct r2net_request){ .ops = &ping_ops, .type = R2NET_PING, .nr = 1 };
	peer->fence = (struct r2net_request){ .ops = &fence_ops,
					      .type = R2NET_FENCE,
					      .nr = 1,
					      .payload = &peer->fence_payload,
					      .payload_length = sizeof(peer->fence_payload) };
}

void deadline_exit(struct r2net_peer *peer)
{
	cancel_delayed_work_sync(&peer->monitor);
}
