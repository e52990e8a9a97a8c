// SPDX-License-Identifier: GPL-2.0
/*
 * peer.c - the lenders that this node borrows from: how they come, change their state and die.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "counters.h"
#include "deadline.h"
#include "hedge.h"
#include "move.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"

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

bool r2net_peer_set_state(struct r2net_peer *peer, enum ramster_nl_peer_state state)
{
	struct r2net_conn *conn;

	lockdep_assert_held(&peer->lock);
	if (peer->state == state || peer->state == RAMSTER_PEER_DEAD)
		return false;
	pr_info_ratelimited("node %u: %s, was %s\n", peer->node, state_names[state], state_names[peer->state]);
	peer->away = false;
	if (state == RAMSTER_PEER_LATE) {
		peer->late_since = jiffies;
		count(late_peers);
	}
	if (state == RAMSTER_PEER_UP) {
		list_for_each_entry(conn, &peer->conns, link)
			conn->progress = jiffies;
		peer->up_since = ktime_get();
		WRITE_ONCE(peer->silent_since, 0);
	} else if (peer->state == RAMSTER_PEER_UP) {
		WRITE_ONCE(peer->silent_since, jiffies | 1);
	}
	WRITE_ONCE(peer->state, state);
	return true;
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
	struct r2net_peer *peer, *dead = NULL;

	lockdep_assert_held(&peers_mutex);
	list_for_each_entry(peer, &r2net_peers, link) {
		if (peer->node != node || peer->lender_instance != lender_instance)
			continue;
		if (READ_ONCE(peer->state) != RAMSTER_PEER_DEAD)
			return peer;
		dead = peer;
	}
	return dead;
}

static void peer_free(struct work_struct *work)
{
	struct r2net_peer *peer = container_of(work, struct r2net_peer, free_work);

	deadline_exit(peer);
	hedge_exit(peer);
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
	lease_space_init(&peer->space);
	spin_lock_init(&peer->lock);
	INIT_LIST_HEAD(&peer->conns);
	INIT_LIST_HEAD(&peer->waiting);
	INIT_LIST_HEAD(&peer->fencing);
	peer->wrong_until = jiffies;
	INIT_WORK(&peer->free_work, peer_free);
	deadline_init(peer);
	hedge_init(peer);
	return peer;
}

int r2net_peer_set(struct nodemanager_node *config, u64 lender_instance, u32 deadline_ms, u32 slow_deadline_ms)
{
	struct r2net_peer *peer = r2net_peer_find(nodemanager_number(config), lender_instance);
	bool known = peer && READ_ONCE(peer->state) != RAMSTER_PEER_DEAD;

	if (!known) {
		peer = peer_new(config, lender_instance);
		if (!peer)
			return -ENOMEM;
		list_add_tail(&peer->link, &r2net_peers);
	}
	spin_lock(&peer->lock);
	peer->deadline = msecs_to_jiffies(deadline_ms);
	WRITE_ONCE(peer->slow_deadline, msecs_to_jiffies(slow_deadline_ms));
	spin_unlock(&peer->lock);
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
	changed = r2net_peer_set_state(peer, RAMSTER_PEER_DEAD);
	list_for_each_entry_safe(conn, next, &peer->conns, link)
		r2net_conn_abort_locked(conn);
	list_splice_tail_init(&peer->waiting, &requests);
	list_splice_tail_init(&peer->fencing, &requests);
	spin_unlock(&peer->lock);
	r2net_requests_fail(&requests, -EIO);
	lost = lease_peer_dead(peer);
	if (!changed)
		return;
	netlink_event_peer(peer->node, RAMSTER_PEER_DEAD);
	move_wake();
	if (lost) {
		count_add(pages_lost, lost);
		pr_err_ratelimited("node %u: its lender is gone, and %llu pages with it\n", peer->node, lost);
		netlink_event_lost(peer->node, lost);
	}
}

void r2net_peer_stale(struct r2net_peer *peer, struct lease *lease)
{
	u64 lost = lease_lost(lease);

	count(stale_slots);
	move_wake();
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
	struct lease_space space;

	lockdep_assert_held(&peers_mutex);
	list_for_each_entry_safe(peer, next, &r2net_peers, link) {
		lease_space_read(&peer->space, &space);
		if (READ_ONCE(peer->state) != RAMSTER_PEER_DEAD || space.nr)
			continue;
		list_del(&peer->link);
		r2net_peer_put(peer);
	}
}

int r2net_init(void)
{
	r2net_wq = alloc_workqueue("ramster_r2net", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return r2net_wq ? 0 : -ENOMEM;
}

/* No front end is left, so no page, and nobody who waits for a request. */
void r2net_stop(void)
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
}

void r2net_exit(void)
{
	/* The ends of connections release requests and extents, and with those the peers. */
	wait_event(no_peers, !atomic_read(&nr_peers));
	destroy_workqueue(r2net_wq);
}
