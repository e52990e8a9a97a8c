// SPDX-License-Identifier: GPL-2.0
/*
 * move.c - decides which extents move: off leases that their lenders want back, and to where copies lack.
 *
 * An extent moves as a whole (relocate.c). Where no other lender has room for it, its pages come home one by one (home.c).
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/wait.h>

#include "extent_table.h"
#include "home.h"
#include "move.h"
#include "netlink.h"
#include "relocate.h"
#include "remotify.h"

#define TRIES 3 /* to move, before pages come home one by one */
#define HOME_AFTER (2 * HZ) /* in which ramsterd may find another lender */
#define SPARE_AFTER (10 * HZ) /* in which no page could come home either: then a copy is given up */

static DECLARE_WAIT_QUEUE_HEAD(wake);
static bool woken;
static unsigned int home_wanted; /* pages */
static unsigned long restore_after; /* jiffies of a lender's silence */
static bool no_target; /* the last copy that lacked found no lease to go to, and none has come since */
static u64 leases_wanted; /* bytes of leases for such copies */
static struct task_struct *thread;

void move_wake(void)
{
	WRITE_ONCE(woken, true);
	wake_up(&wake);
}

void move_home(unsigned int pages)
{
	WRITE_ONCE(home_wanted, pages);
	if (pages)
		move_wake();
}

void move_set_restore_after(unsigned int seconds)
{
	WRITE_ONCE(restore_after, (unsigned long)seconds * HZ);
	move_wake();
}

/* ---- Which extent goes where ---- */

/* Whether an extent with these legs may have another one with that peer. */
static bool extent_may_have(const struct extent *extent, const struct r2net_peer *peer)
{
	unsigned int i;

	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i]->peer == peer)
			return false;
	return r2net_peer_takes_writes(peer) && peer->space.nr - peer->space.leaving <= peer->space.keep;
}

/* A lease for the bytes of an extent: a spare one, or else one of an empty extent, which ends by that. */
static struct lease *target_for(const struct extent *extent)
{
	struct lease *lease, *best = NULL;
	bool empty;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link) {
		empty = lease->extent && lease->extent->open && !lease->extent->used_blocks && !lease->pins;
		if (!empty && !lease_is_free(lease))
			continue;
		if (lease->size != extent->size || !lease_may_try(lease) || !extent_may_have(extent, lease->peer))
			continue;
		if (!best || lease->peer->space.pages < best->peer->space.pages)
			best = lease;
	}
	if (best && best->extent)
		extent_dissolve(best->extent);
	return best;
}

/*
 * The leg to read an extent from; NULL: none, for now. It is @first, whose place the bytes will take: others' might be wrong, as
 * only a load finds out. Where its lender is silent they are all there is.
 */
static struct lease *source_of(struct lease *first)
{
	const struct extent *extent = first->extent;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	if (READ_ONCE(first->peer->state) == RAMSTER_PEER_UP)
		return lease_may_try(first) ? first : NULL;
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != first && lease_may_try(extent->legs[i]))
			return extent->legs[i];
	return NULL;
}

/* The emptiest lease that is to be emptied and can be. */
static struct lease *lease_to_empty(void)
{
	struct lease *lease, *best = NULL;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->leaving && lease->extent && !lease->extent->held && source_of(lease) &&
		    (!best || lease->extent->pages < best->extent->pages))
			best = lease;
	return best;
}

/* A leg whose lender has been silent for so long that its bytes are to be with another one. */
static struct lease *silent_leg(const struct extent *extent)
{
	unsigned int i;

	for (i = 0; i < extent->nr_legs; i++) {
		const struct r2net_peer *peer = extent->legs[i]->peer;

		if (READ_ONCE(peer->state) != RAMSTER_PEER_UP && READ_ONCE(peer->silent_since) &&
		    time_after(jiffies, READ_ONCE(peer->silent_since) + READ_ONCE(restore_after)))
			return extent->legs[i];
	}
	return NULL;
}

static bool lease_waits_longer(const struct lease *lease, const struct lease *than)
{
	return than->retry && (!lease->retry || time_before(lease->retry, than->retry));
}

/*
 * A lease whose extent lacks a copy; in @gone the one that lacks, if it is there but silent. Of several it is the one that was
 * tried least lately: those that find no place must not hide others that do.
 */
static struct lease *lease_to_copy(struct lease **gone)
{
	struct lease *lease, *silent, *best = NULL;

	lockdep_assert_held(&extents_lock);
	*gone = NULL;
	if (extent_copies() == 1)
		return NULL;
	list_for_each_entry(lease, &extent_leases, link) {
		if (!lease->extent || !lease->extent->pages || lease->extent->held || !lease_may_try(lease))
			continue;
		if (best && !lease_waits_longer(lease, best))
			continue;
		silent = lease->extent->nr_legs < extent_copies() ? NULL : silent_leg(lease->extent);
		if (lease->extent->nr_legs >= extent_copies() && !silent)
			continue;
		best = lease;
		*gone = silent;
	}
	return best;
}

/* Bytes of the extents that lack a copy, those left out for which one is being made. */
static u64 lacking_bytes(void)
{
	struct lease *lease;
	u64 bytes = 0;

	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link) {
		const struct extent *extent = lease->extent;

		if (extent && extent->legs[0] == lease && extent->pages && !extent->held &&
		    (extent->nr_legs < extent_copies() || silent_leg(extent)))
			bytes += extent->size;
	}
	spin_unlock(&extents_lock);
	return bytes;
}

u64 move_wanted_bytes(void)
{
	return READ_ONCE(leases_wanted);
}

void move_leases_came(void)
{
	WRITE_ONCE(no_target, false);
	WRITE_ONCE(leases_wanted, 0); /* until a copy is tried again, or they would be asked for twice */
	move_wake();
}

/*
 * Free space in extents is of no use to a copy, nor is a spare lease of a lender that has the bytes already: so what it needs is
 * wanted beside all else.
 */
static void want_leases(void)
{
	u64 before = READ_ONCE(leases_wanted), bytes = 0;

	if (READ_ONCE(no_target) && extent_copies() > 1)
		bytes = lacking_bytes();
	if (!bytes)
		WRITE_ONCE(no_target, false);
	WRITE_ONCE(leases_wanted, bytes);
	if (bytes > before && remotify_need())
		netlink_event_need(remotify_need());
}

/* Whether an extent would be readable without one of its legs. */
static bool extent_can_spare(const struct extent *extent, const struct lease *lease)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != lease && !extent->legs[i]->leaving &&
		    READ_ONCE(extent->legs[i]->peer->state) == RAMSTER_PEER_UP)
			return true;
	return false;
}

/* Begins to copy the extent of @from, if there is a lease to go to. */
static bool begin_to_copy(struct lease *from, struct lease *gone)
{
	struct lease *to = target_for(from->extent);

	lockdep_assert_held(&extents_lock);
	if (to)
		relocate_begin(from, to, gone);
	return to;
}

/*
 * Begins to empty a lease. Leaves in @homeless its extent, held, if the pages must come home because there is nowhere else to
 * go. Returns whether it has begun.
 */
static bool begin_to_empty(struct lease *lease, struct extent **homeless)
{
	struct lease *from = source_of(lease);

	lockdep_assert_held(&extents_lock);
	if (from && from->failures < TRIES && begin_to_copy(from, lease))
		return true;
	lease->retry = jiffies + LEASE_RETRY / 4; /* meanwhile it is others' turn */
	if (!from || time_before(jiffies, lease->since + HOME_AFTER))
		return false;
	if (extent_can_spare(lease->extent, lease) && time_after(jiffies, lease->emptied + SPARE_AFTER)) {
		lease->stuck = true;
		return false;
	}
	*homeless = lease->extent;
	extent_hold(*homeless);
	return true;
}

/* Begins one thing, if there is something to do. Returns whether there was; for @homeless see above. */
static bool begin_one(struct extent **homeless)
{
	struct lease *lease, *gone;
	bool begun;

	*homeless = NULL;
	if (!relocate_may_begin())
		return false;
	mutex_lock(&extents_mutex);
	spin_lock(&extents_lock);
	lease = lease_to_empty();
	begun = lease && begin_to_empty(lease, homeless);
	if (!begun) {
		lease = lease_to_copy(&gone);
		begun = lease && begin_to_copy(lease, gone);
		if (lease)
			WRITE_ONCE(no_target, !begun);
		if (lease && !begun)
			lease->retry = jiffies + LEASE_RETRY;
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&extents_mutex);
	return begun;
}

/* A leg that the extent is better off without; NULL: none. */
static struct lease *surplus_leg(const struct extent *extent)
{
	struct lease *leg, *best = NULL;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++) {
		leg = extent->legs[i];
		if (!extent_can_spare(extent, leg) ||
		    (extent->nr_legs <= extent_copies() && !(leg->stuck && leg->leaving)))
			continue;
		if (!best || leg->leaving || READ_ONCE(leg->peer->state) != RAMSTER_PEER_UP)
			best = leg;
	}
	return best;
}

/* Whether the extent has a leg too many, or has lost one that it can do without. */
static bool extent_is_odd(const struct extent *extent)
{
	return !extent->held && extent->nr_legs &&
	       (surplus_leg(extent) ||
		(extent->nr_legs == extent_copies() && extent->nr_legs != extent->group->nr_peers));
}

/* Sets one odd extent right. Returns whether it did. */
static bool set_one_right(void)
{
	struct lease *lease, *surplus = NULL;
	struct extent *odd = NULL;
	bool done;

	mutex_lock(&extents_mutex);
	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->extent && extent_is_odd(lease->extent))
			odd = lease->extent;
	if (odd) {
		surplus = surplus_leg(odd);
		extent_hold(odd);
	}
	if (surplus)
		surplus->pins++; /* it may be lost meanwhile */
	spin_unlock(&extents_lock);
	done = odd && extent_replace(odd, surplus, NULL);
	spin_lock(&extents_lock);
	if (odd && !done)
		extent_let_go(odd);
	if (surplus) {
		surplus->pins--;
		lease_put(surplus);
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&extents_mutex);
	return done;
}

/* ---- The thread ---- */

static bool home_step(void)
{
	unsigned int wanted = READ_ONCE(home_wanted), asked = wanted ? home_some(wanted) : 0;

	/* None is left, or they cannot come; or others are wanted by now. */
	cmpxchg(&home_wanted, wanted, asked ? wanted - min(asked, wanted) : 0);
	return asked;
}

/* Does what can be done now. Returns whether something was. */
static bool move_some(void)
{
	struct extent *homeless;
	bool did = false;

	/* Their pages want room elsewhere. */
	if (lease_mark() && remotify_need())
		netlink_event_need(remotify_need());
	did |= extent_compose();
	did |= set_one_right();
	did |= relocate_step();
	did |= begin_one(&homeless);
	want_leases();
	if (homeless)
		home_extent(homeless, UINT_MAX);
	did |= home_step();
	return did;
}

static int move_thread(void *unused)
{
	unsigned int noio = memalloc_noio_save();
	bool waits;

	while (!kthread_should_stop()) {
		if (move_some())
			continue;
		/* What may be to do without anybody waking the thread for it. */
		waits = relocate_busy() || extent_moving_bytes() || extent_copies() > 1;
		wait_event_idle_timeout(wake, kthread_should_stop() || xchg(&woken, false),
					waits ? LEASE_RETRY / 4 : MAX_SCHEDULE_TIMEOUT);
	}
	relocate_stop();
	memalloc_noio_restore(noio);
	return 0;
}

int move_init(void)
{
	int err = relocate_init();

	if (err)
		return err;
	thread = kthread_run(move_thread, NULL, "ramster_move");
	if (!IS_ERR(thread))
		return 0;
	relocate_exit();
	return PTR_ERR(thread);
}

void move_stop(void)
{
	kthread_stop(thread);
}

void move_exit(void)
{
	relocate_exit();
}
