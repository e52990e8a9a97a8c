// SPDX-License-Identifier: GPL-2.0
/*
 * extent.c - the table of extents: how they are made of leases, open, close and end.
 */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "extent.h"
#include "extent_table.h"
#include "once.h"
#include "r2net.h"
#include "seal.h"
#include "slot.h"

#define MAX_EXTENTS BIT(ENTRY_EXTENT_BITS)
#define TABLE_STEP 64 /* extents by which the table grows */

DEFINE_SPINLOCK(extents_lock);
DEFINE_MUTEX(extents_mutex);
struct extent **extent_table;
struct extent_totals extent_totals;
unsigned int extent_table_size;

static unsigned int copies = 1;

/* ---- Open and closed ---- */

static bool extent_may_open(const struct extent *extent)
{
	unsigned int i;

	if (extent->held || extent->retired || !extent->nr_legs || extent->nr_legs < copies ||
	    extent->nr_legs != extent->group->nr_peers)
		return false;
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i]->leaving)
			return false;
	return true;
}

static void extent_open(struct extent *extent)
{
	struct extent_group *group = extent->group;
	unsigned int i, free = extent_nr_blocks(extent) - extent->used_blocks;
	struct block *block;

	extent->open = true;
	if (free)
		list_add(&extent->link, &group->extents);
	else
		list_add_tail(&extent->link, &group->extents);
	group->free_blocks += free;
	ADD_ONCE(extent_totals.free_blocks, free);
	for (i = 0; i < extent_nr_blocks(extent); i++) {
		block = extent->blocks[i];
		if (block && slot_block_has_room(block))
			list_add_tail(&block->link, &group->partial[block->class]);
	}
}

static void extent_close(struct extent *extent)
{
	unsigned int i, free = extent_nr_blocks(extent) - extent->used_blocks;

	extent->open = false;
	list_del_init(&extent->link);
	extent->group->free_blocks -= free;
	SUB_ONCE(extent_totals.free_blocks, free);
	for (i = 0; i < extent_nr_blocks(extent); i++)
		if (extent->blocks[i])
			list_del_init(&extent->blocks[i]->link);
}

static size_t extent_bytes(const struct extent *extent)
{
	return struct_size(extent, blocks, extent_nr_blocks(extent));
}

static void extent_end(struct extent *extent)
{
	while (extent->nr_legs)
		extent_detach(extent, extent->legs[0]);
	WRITE_ONCE(extent_table[extent->number], NULL);
	SUB_ONCE(extent_totals.table_bytes, extent_bytes(extent));
	extent_group_put_locked(extent->group);
	kfree(extent);
}

void extent_settle(struct extent *extent)
{
	bool open = extent_may_open(extent);

	lockdep_assert_held(&extents_lock);
	if (open && !extent->open)
		extent_open(extent);
	else if (!open && extent->open)
		extent_close(extent);
	if (!open && !extent->held && !extent->used_blocks)
		extent_end(extent);
}

void extent_dissolve(struct extent *extent)
{
	lockdep_assert_held(&extents_lock);
	if (extent->open)
		extent_close(extent);
	extent_end(extent);
}

/* ---- Legs ---- */

static u64 extent_missing(const struct extent *extent)
{
	return extent->nr_legs && extent->nr_legs < copies ? extent->pages : 0;
}

void extent_account(struct extent *extent, int pages, int used)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	SUB_ONCE(extent_totals.missing, extent_missing(extent));
	ADD_ONCE(extent->pages, pages);
	extent->used += used;
	ADD_ONCE(extent_totals.missing, extent_missing(extent));
	ADD_ONCE(extent_totals.pages, pages);
	ADD_ONCE(extent_totals.used, used);
	for (i = 0; i < extent->nr_legs; i++) {
		extent->legs[i]->peer->space.pages += pages;
		extent->legs[i]->peer->space.used += used;
	}
}

void extent_detach(struct extent *extent, struct lease *lease)
{
	struct lease_space *space = &lease->peer->space;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	SUB_ONCE(extent_totals.missing, extent_missing(extent));
	for (i = 0; extent->legs[i] != lease; i++)
		;
	extent->legs[i] = extent->legs[--extent->nr_legs];
	ADD_ONCE(extent_totals.missing, extent_missing(extent));
	space->pages -= extent->pages;
	space->used -= extent->used;
	if (lease->leaving)
		SUB_ONCE(extent_totals.moving, lease->size);
	space->backing--;
	lease->extent = NULL;
	lease_put(lease);
}

void extent_attach(struct extent *extent, struct lease *lease)
{
	struct lease_space *space = &lease->peer->space;

	lockdep_assert_held(&extents_lock);
	SUB_ONCE(extent_totals.missing, extent_missing(extent));
	extent->legs[extent->nr_legs++] = lease;
	ADD_ONCE(extent_totals.missing, extent_missing(extent));
	space->pages += extent->pages;
	space->used += extent->used;
	space->backing++;
	if (lease->leaving)
		ADD_ONCE(extent_totals.moving, lease->size);
	lease->extent = extent;
}

void extent_hold(struct extent *extent)
{
	lockdep_assert_held(&extents_lock);
	extent->held = true;
	extent_settle(extent);
}

void extent_let_go(struct extent *extent)
{
	lockdep_assert_held(&extents_lock);
	extent->held = false;
	extent_settle(extent);
}

/* The peers that the extent will be with. Returns how many; 0 if the change is not possible any more. */
static unsigned int peers_after(const struct extent *extent, const struct lease *from, const struct lease *to,
				struct r2net_peer *peers[EXTENT_MAX_COPIES])
{
	unsigned int i, nr = 0;

	lockdep_assert_held(&extents_lock);
	if (!extent->nr_legs || (from && from->extent != extent) || (to && to->dead) ||
	    extent->nr_legs - !!from + !!to > EXTENT_MAX_COPIES)
		return 0;
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != from)
			peers[nr++] = extent->legs[i]->peer;
	if (to)
		peers[nr++] = to->peer;
	return nr;
}

bool extent_replace(struct extent *extent, struct lease *from, struct lease *to)
{
	struct r2net_peer *peers[EXTENT_MAX_COPIES];
	struct extent_group *group = NULL;
	unsigned int nr;
	bool possible;

	lockdep_assert_held(&extents_mutex);
	spin_lock(&extents_lock);
	nr = peers_after(extent, from, to, peers);
	spin_unlock(&extents_lock);
	/* A lease may be lost without the mutex, but no peer dies. */
	if (nr)
		group = extent_group_of(peers, nr);
	if (!group)
		return false;
	spin_lock(&extents_lock);
	possible = peers_after(extent, from, to, peers) == nr;
	if (possible) {
		swap(group, extent->group);
		if (from)
			extent_detach(extent, from);
		if (to)
			extent_attach(extent, to);
		extent_let_go(extent);
	}
	extent_group_put_locked(group);
	spin_unlock(&extents_lock);
	return possible;
}

/* ---- The table ---- */

static int table_grow(void)
{
	unsigned int size = extent_table_size + TABLE_STEP;
	struct extent **bigger, **old;

	lockdep_assert_held(&extents_mutex);
	if (size > MAX_EXTENTS)
		return -ENOSPC;
	bigger = kvcalloc(size, sizeof(*bigger), GFP_KERNEL);
	if (!bigger)
		return -ENOMEM;
	spin_lock(&extents_lock);
	if (extent_table_size)
		memcpy(bigger, extent_table, extent_table_size * sizeof(*extent_table));
	old = extent_table;
	extent_table = bigger;
	WRITE_ONCE(extent_table_size, size);
	spin_unlock(&extents_lock);
	kvfree(old);
	return 0;
}

int extent_table_reserve(unsigned int nr)
{
	unsigned int i, room = 0;
	int err;

	for (i = 0; i < extent_table_size; i++)
		room += !READ_ONCE(extent_table[i]);
	for (; room < nr; room += TABLE_STEP) {
		err = table_grow();
		if (err)
			return err;
	}
	return 0;
}

/* ---- Extents from leases ---- */

static unsigned int peer_spare(const struct r2net_peer *peer)
{
	return peer->space.nr - peer->space.backing;
}

/* A free lease of the peer, of those that are up, that has most of them, but not of @avoid; NULL if there is none. @size: 0 = any */
static struct lease *spare_lease(const struct r2net_peer *avoid, u32 size)
{
	struct lease *lease, *best = NULL;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link) {
		if (!lease_is_free(lease) || lease->peer == avoid || READ_ONCE(lease->peer->state) != RAMSTER_PEER_UP ||
		    (size && lease->size != size))
			continue;
		if (!best || peer_spare(lease->peer) > peer_spare(best->peer))
			best = lease;
	}
	return best;
}

/* Fills in the legs for a new extent. Returns false if there are not enough. */
static bool spare_legs(struct lease *legs[], unsigned int nr)
{
	legs[0] = spare_lease(NULL, 0);
	if (legs[0] && nr > 1)
		legs[1] = spare_lease(legs[0]->peer, legs[0]->size);
	return legs[nr - 1] && legs[0];
}

/* Returns false if that is not possible now. */
static bool extent_new(struct lease *const legs[], unsigned int nr)
{
	struct r2net_peer *peers[EXTENT_MAX_COPIES] = { legs[0]->peer, nr > 1 ? legs[1]->peer : NULL };
	struct extent_group *group = extent_group_of(peers, nr);
	u32 size = legs[0]->size;
	struct extent *extent = kzalloc(struct_size(extent, blocks, size / EXTENT_BLOCK_SIZE), GFP_NOIO);
	unsigned int i, number;
	bool free = group && extent, made = false;

	spin_lock(&extents_lock);
	free &= nr == copies; /* else it would end at once */
	for (i = 0; i < nr; i++)
		free &= lease_is_free(legs[i]); /* none was lost meanwhile */
	for (number = 0; number < extent_table_size && extent_table[number]; number++)
		;
	if (free && number < extent_table_size) {
		INIT_LIST_HEAD(&extent->link);
		extent->size = size;
		extent->group = group;
		extent->number = number;
		extent->serial = seal_serial();
		WRITE_ONCE(extent_table[number], extent);
		ADD_ONCE(extent_totals.table_bytes, extent_bytes(extent));
		for (i = 0; i < nr; i++)
			extent_attach(extent, legs[i]);
		extent_settle(extent);
		made = true;
	}
	if (group && !made)
		extent_group_put_locked(group);
	spin_unlock(&extents_lock);
	if (!made)
		kfree(extent);
	return made;
}

bool extent_compose(void)
{
	struct lease *legs[EXTENT_MAX_COPIES] = { NULL };
	bool made = false, found;
	unsigned int nr;

	mutex_lock(&extents_mutex);
	for (;;) {
		spin_lock(&extents_lock);
		nr = copies;
		found = spare_legs(legs, nr);
		spin_unlock(&extents_lock);
		/* Leases are freed under the mutex, as long as they are not lost. */
		if (!found || extent_table_reserve(1) || !extent_new(legs, nr))
			break;
		made = true;
	}
	mutex_unlock(&extents_mutex);
	return made;
}

void extent_set_copies(unsigned int nr)
{
	unsigned int i;

	spin_lock(&extents_lock);
	WRITE_ONCE(copies, nr);
	WRITE_ONCE(extent_totals.missing, 0);
	for (i = 0; i < extent_table_size; i++) {
		if (!extent_table[i])
			continue;
		ADD_ONCE(extent_totals.missing, extent_missing(extent_table[i]));
		extent_settle(extent_table[i]);
	}
	spin_unlock(&extents_lock);
}

unsigned int extent_copies(void)
{
	return READ_ONCE(copies);
}

bool extent_set_while_none(bool *setting, bool value)
{
	bool none = true;
	unsigned int i;

	spin_lock(&extents_lock);
	for (i = 0; i < extent_table_size; i++)
		none &= !extent_table[i];
	if (none)
		WRITE_ONCE(*setting, value);
	spin_unlock(&extents_lock);
	return none;
}

u32 extent_next_mark(struct extent *extent)
{
	lockdep_assert_held(&extents_lock);
	if (++extent->marks == U32_MAX) {
		extent->retired = true;
		extent_settle(extent);
	}
	return extent->marks;
}

void extent_retire_all(void)
{
	unsigned int i;

	spin_lock(&extents_lock);
	for (i = 0; i < extent_table_size; i++) {
		if (!extent_table[i])
			continue;
		extent_table[i]->retired = true;
		extent_settle(extent_table[i]);
	}
	spin_unlock(&extents_lock);
}

/* ---- Gauges ---- */

u64 extent_pages(void)
{
	return READ_ONCE(extent_totals.pages);
}

/* The first leg whose peer is not up; NULL: none. */
static const struct lease *extent_leg_away(const struct extent *extent)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++)
		if (READ_ONCE(extent->legs[i]->peer->state) != RAMSTER_PEER_UP)
			return extent->legs[i];
	return NULL;
}

u64 extent_pages_missing(void)
{
	const struct lease *lease;
	u64 pages;

	spin_lock(&extents_lock);
	pages = extent_totals.missing;
	if (copies > 1)
		list_for_each_entry(lease, &extent_leases, link)
			if (lease->extent && lease->extent->nr_legs >= copies &&
			    extent_leg_away(lease->extent) == lease)
				pages += lease->extent->pages;
	spin_unlock(&extents_lock);
	return pages;
}

u64 extent_used_bytes(void)
{
	return READ_ONCE(extent_totals.used);
}

u64 extent_space_bytes(void)
{
	return READ_ONCE(extent_totals.space);
}

u64 extent_free_bytes(void)
{
	return READ_ONCE(extent_totals.free_blocks) * EXTENT_BLOCK_SIZE;
}

u64 extent_moving_bytes(void)
{
	return READ_ONCE(extent_totals.moving);
}

u64 extent_table_bytes(void)
{
	return READ_ONCE(extent_totals.table_bytes) + READ_ONCE(extent_table_size) * sizeof(*extent_table);
}

int extent_init(void)
{
	return slot_init();
}

void extent_exit(void)
{
	slot_exit();
	kvfree(extent_table);
	extent_table = NULL;
	extent_table_size = 0;
}
