// SPDX-License-Identifier: GPL-2.0
/*
 * lease.c - the leases of all peers: how they come, are wanted back, go and die.
 */
#include <linux/err.h>
#include <linux/error-injection.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "extent_table.h"
#include "lease.h"
#include "move.h"
#include "once.h"
#include "r2net.h"
#include "slot.h"

LIST_HEAD(extent_leases);
static u32 serials;

void lease_space_init(struct lease_space *space)
{
	memset(space, 0, sizeof(*space));
	space->keep = UINT_MAX;
}

void lease_space_read(struct lease_space *space, struct lease_space *copy)
{
	spin_lock(&extents_lock);
	*copy = *space;
	spin_unlock(&extents_lock);
}

bool lease_is_free(const struct lease *lease)
{
	return !lease->extent && !lease->pins && !lease->leaving && !lease->dead;
}

bool lease_may_try(const struct lease *lease)
{
	return !lease->dead && READ_ONCE(lease->peer->state) == RAMSTER_PEER_UP &&
	       (!lease->retry || time_after_eq(jiffies, lease->retry));
}

static void lease_free(struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	list_del(&lease->link);
	SUB_ONCE(extent_totals.table_bytes, sizeof(*lease));
	r2net_peer_put(lease->peer);
	kfree(lease);
}

void lease_put(struct lease *lease)
{
	if (lease->extent || lease->pins)
		return;
	if (lease->dead)
		lease_free(lease);
	else
		move_wake(); /* it can be used or returned now */
}

/* Takes a lease out of its peer's account. */
static void lease_leave_space(struct lease *lease)
{
	struct lease_space *space = &lease->peer->space;

	lockdep_assert_held(&extents_lock);
	space->nr--;
	space->bytes -= lease->size;
	SUB_ONCE(extent_totals.space, lease->size);
	if (lease->leaving)
		space->leaving--;
}

/* ---- Coming ---- */

/* The lender may give an id anew while requests still name its former lease. */
static bool lease_known(struct r2net_peer *peer, const struct ramster_nl_lease *new)
{
	struct lease *lease;
	bool known = false;

	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		known |= lease->peer == peer && lease->id == new->extent && lease->generation == new->generation;
	spin_unlock(&extents_lock);
	return known;
}

static bool lease_is_twice(const struct ramster_nl_lease *new, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (new[i].extent == new[nr].extent)
			return true;
	return false;
}

static struct lease *lease_new(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new)
{
	struct lease *lease = kzalloc(sizeof(*lease), GFP_KERNEL);

	if (!lease)
		return NULL;
	lease->peer = r2net_peer_get(peer);
	lease->id = new->extent;
	lease->generation = new->generation;
	lease->size = size;
	return lease;
}

static int leases_new(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr,
		      struct list_head *made)
{
	struct lease *lease;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (lease_known(peer, &new[i]) || lease_is_twice(new, i))
			return -EEXIST;
		lease = lease_new(peer, size, &new[i]);
		if (!lease)
			return -ENOMEM;
		list_add_tail(&lease->link, made);
	}
	return 0;
}

static void lease_link(struct lease *lease)
{
	struct lease_space *space = &lease->peer->space;

	spin_lock(&extents_lock);
	lease->serial = ++serials;
	list_add_tail(&lease->link, &extent_leases);
	space->nr++;
	space->bytes += lease->size;
	ADD_ONCE(extent_totals.space, lease->size);
	ADD_ONCE(extent_totals.table_bytes, sizeof(*lease));
	spin_unlock(&extents_lock);
}

int lease_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr)
{
	struct lease *lease, *next;
	LIST_HEAD(made);
	int err;

	if (size < R2NET_EXTENT_MIN || size > R2NET_EXTENT_MAX || size % R2NET_EXTENT_MIN)
		return -EINVAL;
	mutex_lock(&extents_mutex);
	err = leases_new(peer, size, new, nr, &made);
	if (!err)
		err = extent_table_reserve(nr);
	list_for_each_entry_safe(lease, next, &made, link) {
		list_del(&lease->link);
		if (!err) {
			lease_link(lease);
			continue;
		}
		r2net_peer_put(lease->peer);
		kfree(lease);
	}
	mutex_unlock(&extents_mutex);
	if (!err) {
		move_leases_came();
		extent_compose();
		slot_refill(GFP_KERNEL);
	}
	return err;
}
ALLOW_ERROR_INJECTION(lease_add, ERRNO);

/* ---- Going ---- */

/* How willingly a lease is given back: 0 = not at all. */
static unsigned int lease_willing(const struct lease *lease)
{
	if (lease->pins || lease->dead)
		return 0;
	if (!lease->extent)
		return lease->leaving ? 3 : 2;
	return lease->extent->used_blocks || lease->extent->held ? 0 : 1;
}

static struct lease *lease_to_return(const struct r2net_peer *peer)
{
	struct lease *lease, *best = NULL;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->peer == peer && lease_willing(lease) > (best ? lease_willing(best) : 0))
			best = lease;
	return best;
}

unsigned int lease_return(struct r2net_peer *peer, struct ramster_nl_lease *gone, unsigned int max)
{
	struct extent *extent;
	struct lease *lease;
	unsigned int nr = 0;

	mutex_lock(&extents_mutex);
	while (nr < max) {
		spin_lock(&extents_lock);
		lease = lease_to_return(peer);
		if (lease) {
			extent = lease->extent;
			if (extent) {
				extent_detach(extent, lease);
				extent_settle(extent);
			}
			gone[nr++] = (struct ramster_nl_lease){ lease->id, lease->generation };
			lease_leave_space(lease);
			lease_free(lease);
		}
		spin_unlock(&extents_lock);
		if (!lease)
			break;
	}
	mutex_unlock(&extents_mutex);
	return nr;
}

unsigned int lease_list(struct r2net_peer *peer, u32 *from, u32 *size, struct ramster_nl_lease *list, unsigned int max)
{
	const struct lease *lease;
	unsigned int nr = 0;

	*size = 0;
	spin_lock(&extents_lock);
	/* The list is in the order of the serials, which stay while leases come and go between one call and the next. */
	list_for_each_entry(lease, &extent_leases, link) {
		if (lease->peer != peer || lease->dead || lease->serial < *from)
			continue;
		if (nr == max || (*size && *size != lease->size))
			break;
		*size = lease->size;
		list[nr++] = (struct ramster_nl_lease){ lease->id, lease->generation };
		*from = lease->serial + 1;
	}
	spin_unlock(&extents_lock);
	return nr;
}

void lease_keep(struct r2net_peer *peer, unsigned int keep)
{
	spin_lock(&extents_lock);
	peer->space.keep = keep;
	spin_unlock(&extents_lock);
}

static unsigned int lease_pages(const struct lease *lease)
{
	return lease->extent ? lease->extent->pages : 0;
}

static void lease_set_leaving(struct lease *lease, bool leaving)
{
	lockdep_assert_held(&extents_lock);
	lease->leaving = leaving;
	lease->stuck = false;
	lease->since = jiffies;
	lease->emptied = jiffies;
	lease->peer->space.leaving += leaving ? 1 : -1;
	if (!lease->extent)
		return;
	if (leaving)
		ADD_ONCE(extent_totals.moving, lease->size);
	else
		SUB_ONCE(extent_totals.moving, lease->size);
	extent_settle(lease->extent);
}

/* One more lease that shall leave: the emptiest. Or, if too many do, one that shall stay: the fullest. */
static struct lease *lease_to_mark(void)
{
	struct lease *lease, *empty = NULL, *full = NULL;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link) {
		const struct lease_space *space = &lease->peer->space;
		unsigned int stay = space->nr - space->leaving;

		if (lease->dead)
			continue;
		if (!lease->leaving && stay > space->keep && (!empty || lease_pages(lease) < lease_pages(empty)))
			empty = lease;
		if (lease->leaving && stay < space->keep && (!full || lease_pages(lease) > lease_pages(full)) &&
		    !(lease->extent && lease->extent->held))
			full = lease;
	}
	return empty ?: full;
}

bool lease_mark(void)
{
	struct lease *lease;
	bool marked = false;

	do {
		spin_lock(&extents_lock);
		lease = lease_to_mark();
		if (lease)
			lease_set_leaving(lease, !lease->leaving);
		spin_unlock(&extents_lock);
		marked |= !!lease;
	} while (lease);
	return marked;
}

/* ---- Dying ---- */

/* The lender does not have it any more. Returns how many pages are lost by that. */
static u64 lease_die(struct lease *lease)
{
	struct extent *extent = lease->extent;
	u64 lost = 0;

	lockdep_assert_held(&extents_lock);
	if (lease->dead)
		return 0;
	lease_leave_space(lease);
	lease->dead = true;
	if (!extent) {
		lease_put(lease);
		return 0;
	}
	if (extent->nr_legs == 1)
		lost = extent->pages - extent->written;
	extent_detach(extent, lease);
	extent_settle(extent);
	return lost;
}

u64 lease_peer_dead(struct r2net_peer *peer)
{
	struct lease *lease, *next;
	u64 lost = 0;

	mutex_lock(&extents_mutex);
	spin_lock(&extents_lock);
	peer->space.dead = true;
	list_for_each_entry_safe(lease, next, &extent_leases, link)
		if (lease->peer == peer)
			lost += lease_die(lease);
	spin_unlock(&extents_lock);
	mutex_unlock(&extents_mutex);
	return lost;
}

u64 lease_lost(struct lease *lease)
{
	u64 lost;

	spin_lock(&extents_lock);
	lost = lease_die(lease);
	spin_unlock(&extents_lock);
	return lost;
}
