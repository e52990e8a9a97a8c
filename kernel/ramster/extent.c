// SPDX-License-Identifier: GPL-2.0
/*
 * extent.c - the table of the extents that are leased: how they come, go and die.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "extent.h"
#include "extent_table.h"
#include "r2net.h"
#include "slot.h"

#define MAX_EXTENTS BIT(ENTRY_EXTENT_BITS)
#define TABLE_STEP 64 /* extents by which the table grows */

DEFINE_SPINLOCK(extents_lock);
struct extent **extent_table;
struct extent_totals extent_totals;
static unsigned int extent_table_size;
static DEFINE_MUTEX(table_lock); /* of those who add or forget extents; outside extents_lock */

void extent_space_init(struct extent_space *space)
{
	unsigned int i;

	memset(space, 0, sizeof(*space));
	INIT_LIST_HEAD(&space->extents);
	for (i = 0; i < EXTENT_MAX_CLASSES; i++)
		INIT_LIST_HEAD(&space->partial[i]);
}

bool extent_has_space(const struct extent_space *space)
{
	return READ_ONCE(space->free_blocks) && !READ_ONCE(space->dead);
}

void extent_unlink(struct extent *extent)
{
	struct extent_space *space = extent_space(extent);

	lockdep_assert_held(&extents_lock);
	list_del(&extent->link);
	extent_table[extent->number] = NULL;
	space->nr--;
	space->bytes -= extent->size;
	extent_totals.space -= extent->size;
	extent_totals.table_bytes -= struct_size(extent, blocks, extent_nr_blocks(extent));
	if (!extent->dead) {
		space->free_blocks -= extent_nr_blocks(extent);
		extent_totals.free_blocks -= extent_nr_blocks(extent);
	}
}

void extent_release(struct extent *extent)
{
	r2net_peer_put(extent->peer);
	kfree(extent);
}

static int table_grow(void)
{
	unsigned int size = extent_table_size + TABLE_STEP;
	struct extent **bigger, **old;

	lockdep_assert_held(&table_lock);
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
	extent_table_size = size;
	spin_unlock(&extents_lock);
	kvfree(old);
	return 0;
}

/* Room in the table for @nr more extents. */
static int table_reserve(unsigned int nr)
{
	unsigned int i, room = 0;
	int err;

	for (i = 0; i < extent_table_size; i++)
		room += !extent_table[i];
	for (; room < nr; room += TABLE_STEP) {
		err = table_grow();
		if (err)
			return err;
	}
	return 0;
}

/* The lender may give an id anew while the pages of its former lease are still here. */
static bool extent_known(struct r2net_peer *peer, const struct ramster_nl_lease *lease)
{
	struct extent *extent;
	bool known = false;

	spin_lock(&extents_lock);
	list_for_each_entry(extent, &peer->space.extents, link)
		known |= extent->id == lease->extent && extent->generation == lease->generation;
	spin_unlock(&extents_lock);
	return known;
}

static bool lease_is_twice(const struct ramster_nl_lease *leases, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (leases[i].extent == leases[nr].extent)
			return true;
	return false;
}

static struct extent *extent_new(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *lease)
{
	struct extent *extent = kzalloc(struct_size(extent, blocks, size / EXTENT_BLOCK_SIZE), GFP_KERNEL);

	if (!extent)
		return NULL;
	extent->id = lease->extent;
	extent->generation = lease->generation;
	extent->size = size;
	extent->peer = r2net_peer_get(peer);
	return extent;
}

/* Makes an extent of each lease, none of which may be known. */
static int extents_new(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *leases, unsigned int nr,
		       struct list_head *extents)
{
	struct extent *extent;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (extent_known(peer, &leases[i]) || lease_is_twice(leases, i))
			return -EEXIST;
		extent = extent_new(peer, size, &leases[i]);
		if (!extent)
			return -ENOMEM;
		list_add_tail(&extent->link, extents);
	}
	return 0;
}

static void extent_link(struct extent *extent)
{
	struct extent_space *space = extent_space(extent);
	unsigned int number;

	lockdep_assert_held(&table_lock);
	for (number = 0; extent_table[number]; number++)
		;
	spin_lock(&extents_lock);
	extent->number = number;
	extent_table[number] = extent;
	list_add(&extent->link, &space->extents); /* before the full ones */
	space->nr++;
	space->bytes += extent->size;
	space->free_blocks += extent_nr_blocks(extent);
	extent_totals.space += extent->size;
	extent_totals.free_blocks += extent_nr_blocks(extent);
	extent_totals.table_bytes += struct_size(extent, blocks, extent_nr_blocks(extent));
	spin_unlock(&extents_lock);
}

int extent_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *leases, unsigned int nr)
{
	struct extent *extent, *next;
	LIST_HEAD(extents);
	int err;

	if (size < R2NET_EXTENT_MIN || size > R2NET_EXTENT_MAX || size % R2NET_EXTENT_MIN)
		return -EINVAL;
	mutex_lock(&table_lock);
	err = extents_new(peer, size, leases, nr, &extents);
	if (!err)
		err = table_reserve(nr);
	list_for_each_entry_safe(extent, next, &extents, link) {
		list_del(&extent->link);
		if (err)
			extent_release(extent);
		else
			extent_link(extent);
	}
	mutex_unlock(&table_lock);
	if (!err)
		slot_refill(GFP_KERNEL);
	return err;
}

unsigned int extent_return(struct r2net_peer *peer, struct ramster_nl_lease *leases, unsigned int max)
{
	struct extent *extent, *next;
	unsigned int nr = 0;
	LIST_HEAD(gone);

	mutex_lock(&table_lock);
	spin_lock(&extents_lock);
	list_for_each_entry_safe(extent, next, &peer->space.extents, link) {
		if (nr == max)
			break;
		if (extent->used_blocks)
			continue;
		extent_unlink(extent);
		list_add(&extent->link, &gone);
		leases[nr].extent = extent->id;
		leases[nr++].generation = extent->generation;
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&table_lock);
	list_for_each_entry_safe(extent, next, &gone, link)
		extent_release(extent);
	return nr;
}

unsigned int extent_list(struct r2net_peer *peer, unsigned int *from, u32 *size, struct ramster_nl_lease *leases,
			 unsigned int max)
{
	const struct extent *extent;
	unsigned int nr = 0, number;

	*size = 0;
	spin_lock(&extents_lock);
	/* By their numbers, which stay while extents come and go between one call and the next. */
	for (number = *from; number < extent_table_size; number++) {
		extent = extent_table[number];
		if (!extent || extent->peer != peer)
			continue;
		if (nr == max || (*size && *size != extent->size))
			break;
		*size = extent->size;
		leases[nr].extent = extent->id;
		leases[nr++].generation = extent->generation;
	}
	*from = number;
	spin_unlock(&extents_lock);
	return nr;
}

u64 extent_dead(struct r2net_peer *peer)
{
	struct extent_space *space = &peer->space;
	struct extent *extent, *next;
	LIST_HEAD(gone);
	u64 lost = 0;

	mutex_lock(&table_lock);
	spin_lock(&extents_lock);
	if (!space->dead) {
		lost = space->pages - space->lost;
		space->dead = true;
		extent_totals.free_blocks -= space->free_blocks;
		space->free_blocks = 0;
	}
	list_for_each_entry_safe(extent, next, &space->extents, link) {
		extent->dead = true;
		if (extent->used_blocks)
			continue;
		extent_unlink(extent);
		list_add(&extent->link, &gone);
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&table_lock);
	list_for_each_entry_safe(extent, next, &gone, link)
		extent_release(extent);
	return lost;
}

u64 extent_lost(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct extent_space *space;
	struct extent *extent;
	unsigned int i, nr;
	u64 lost = 0;

	spin_lock(&extents_lock);
	extent = extent_table[loc.extent];
	nr = extent_nr_blocks(extent);
	space = extent_space(extent);
	if (!extent->dead && !space->dead) {
		extent->dead = true;
		space->free_blocks -= nr - extent->used_blocks;
		extent_totals.free_blocks -= nr - extent->used_blocks;
		list_move_tail(&extent->link, &space->extents);
		for (i = 0; i < nr; i++) {
			if (!extent->blocks[i])
				continue;
			list_del_init(&extent->blocks[i]->link);
			lost += extent->blocks[i]->pages;
		}
		space->lost += lost;
	}
	spin_unlock(&extents_lock);
	return lost;
}

u64 extent_pages(void)
{
	return READ_ONCE(extent_totals.pages);
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

u64 extent_table_bytes(void)
{
	return READ_ONCE(extent_totals.table_bytes) + extent_table_size * sizeof(*extent_table);
}

void extent_space_read(struct extent_space *space, struct extent_space *copy)
{
	spin_lock(&extents_lock);
	copy->nr = space->nr;
	copy->bytes = space->bytes;
	copy->free_blocks = space->free_blocks;
	copy->used = space->used;
	copy->pages = space->pages;
	copy->dead = space->dead;
	spin_unlock(&extents_lock);
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
