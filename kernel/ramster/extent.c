// SPDX-License-Identifier: GPL-2.0
/*
 * extent.c - cuts leased extents into blocks and slots.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "counters.h"
#include "extent.h"
#include "peer.h"
#include "r2net.h"

#define BLOCK_MAX_SLOTS BIT(ENTRY_SLOT_BITS)
#define BLOCK_MIN_SLOTS (EXTENT_BLOCK_SIZE / R2NET_MAX_ITEM_LEN)
/* Each class has about a seventh more slots than the one before, so a zpage wastes a fourteenth of its slot on average. */
#define CLASS_STEP 7
#define MAX_EXTENTS BIT(ENTRY_EXTENT_BITS)
#define TABLE_STEP 64 /* extents by which the table grows */
#define EXTENT_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN) /* the reserve is for those who send and receive */

struct block_owner {
	u8 pool;
	u8 index[4]; /* little endian; unaligned to make the table 9 bytes a slot */
} __packed;

struct block {
	struct list_head link; /* in extent_space.partial while a slot is free */
	struct extent *extent;
	u16 number; /* in its extent */
	u16 class;
	u16 used; /* slots, freed ones that wait for the last pin included */
	u16 freed; /* slots that wait */
	u32 pins;
	u32 *checksums;
	struct block_owner *owners; /* pool 0: none, of a used slot: freed and waiting */
	unsigned long slots[]; /* bitmap of used slots; behind it the checksums, then the owners */
};

struct extent {
	struct list_head link; /* in extent_space.extents */
	struct r2net_peer *peer;
	u32 id;
	u32 generation;
	u32 size;
	u32 number; /* in the table */
	u16 used_blocks;
	bool dead;
	struct block *blocks[];
};

struct slot_class {
	u16 slots; /* of a block */
	u16 size; /* bytes of a slot */
	struct kmem_cache *tables;
	struct block *spare; /* kept for when memory is short, so that a new block never waits for a page of tables */
	char name[24];
};

static DEFINE_SPINLOCK(extents_lock);
static struct extent **table; /* by extent.number; grows */
static unsigned int table_size;
static DEFINE_MUTEX(table_lock); /* of those who add or forget extents; outside extents_lock */

static struct slot_class classes[EXTENT_MAX_CLASSES];
static unsigned int nr_classes;

static u64 total_pages, total_used, total_space, total_free_blocks, total_table_bytes;

static struct extent_space *extent_space(const struct extent *extent)
{
	return &extent->peer->space;
}

static size_t block_table_bytes(unsigned int slots)
{
	return sizeof(struct block) + BITS_TO_LONGS(slots) * sizeof(long) +
	       slots * (sizeof(u32) + sizeof(struct block_owner));
}

static u32 block_owner_index(const struct block_owner *owner)
{
	return owner->index[0] | owner->index[1] << 8 | owner->index[2] << 16 | (u32)owner->index[3] << 24;
}

static void block_owner_set(struct block_owner *to, struct extent_owner owner)
{
	to->pool = owner.pool;
	to->index[0] = owner.index;
	to->index[1] = owner.index >> 8;
	to->index[2] = owner.index >> 16;
	to->index[3] = owner.index >> 24;
}

void extent_space_init(struct extent_space *space)
{
	unsigned int i;

	memset(space, 0, sizeof(*space));
	INIT_LIST_HEAD(&space->extents);
	for (i = 0; i < EXTENT_MAX_CLASSES; i++)
		INIT_LIST_HEAD(&space->partial[i]);
}

/* The class with the smallest slot that takes @length bytes. Classes stand from the largest slot to the smallest. */
static unsigned int class_of(size_t length)
{
	unsigned int low = 0, high = nr_classes - 1;

	while (low < high) {
		unsigned int mid = (low + high + 1) / 2;

		if (classes[mid].size >= length)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static struct block *block_new(struct extent_space *space, unsigned int class)
{
	struct extent *extent;
	struct block *block;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	if (!space->free_blocks || space->dead)
		return NULL;
	list_for_each_entry(extent, &space->extents, link)
		if (extent->used_blocks < extent->size / EXTENT_BLOCK_SIZE)
			break;
	block = kmem_cache_zalloc(classes[class].tables, EXTENT_GFP);
	if (!block)
		swap(block, classes[class].spare);
	if (!block)
		return NULL;
	for (i = 0; extent->blocks[i]; i++)
		;
	block->extent = extent;
	block->number = i;
	block->class = class;
	block->checksums = (u32 *)(block->slots + BITS_TO_LONGS(classes[class].slots));
	block->owners = (struct block_owner *)(block->checksums + classes[class].slots);
	extent->blocks[i] = block;
	extent->used_blocks++;
	if (extent->used_blocks == extent->size / EXTENT_BLOCK_SIZE)
		list_move_tail(&extent->link, &space->extents); /* the full ones behind those with room */
	space->free_blocks--;
	total_free_blocks--;
	total_table_bytes += kmem_cache_size(classes[class].tables);
	list_add(&block->link, &space->partial[class]);
	return block;
}

static void extent_unlink(struct extent *extent)
{
	struct extent_space *space = extent_space(extent);

	lockdep_assert_held(&extents_lock);
	list_del(&extent->link);
	table[extent->number] = NULL;
	space->nr--;
	space->bytes -= extent->size;
	total_space -= extent->size;
	total_table_bytes -= struct_size(extent, blocks, extent->size / EXTENT_BLOCK_SIZE);
	if (!extent->dead) {
		space->free_blocks -= extent->size / EXTENT_BLOCK_SIZE;
		total_free_blocks -= extent->size / EXTENT_BLOCK_SIZE;
	}
}

/* An extent that is out of every list and table. May run under spinlocks. */
static void extent_release(struct extent *extent)
{
	r2net_peer_put(extent->peer);
	kfree(extent);
}

static void block_free(struct block *block)
{
	struct slot_class *class = &classes[block->class];

	lockdep_assert_held(&extents_lock);
	if (class->spare) {
		kmem_cache_free(class->tables, block);
		return;
	}
	memset(block, 0, kmem_cache_size(class->tables));
	class->spare = block;
}

/* Returns the extent if that was the last block of a dead one: the caller releases it without the lock. */
static struct extent *block_release(struct block *block)
{
	struct extent *extent = block->extent;
	struct extent_space *space = extent_space(extent);

	lockdep_assert_held(&extents_lock);
	list_del(&block->link);
	extent->blocks[block->number] = NULL;
	extent->used_blocks--;
	total_table_bytes -= kmem_cache_size(classes[block->class].tables);
	block_free(block);
	if (!extent->dead) {
		space->free_blocks++;
		total_free_blocks++;
		list_move(&extent->link, &space->extents);
		return NULL;
	}
	if (extent->used_blocks)
		return NULL;
	extent_unlink(extent);
	return extent;
}

static struct block *entry_block(const struct remote_location *loc)
{
	lockdep_assert_held(&extents_lock);
	return table[loc->extent]->blocks[loc->block];
}

static void slot_describe(const struct block *block, unsigned int i, size_t length, struct extent_slot *slot)
{
	slot->extent = block->extent->id;
	slot->generation = block->extent->generation;
	slot->offset = block->number * EXTENT_BLOCK_SIZE + i * classes[block->class].size;
	slot->length = length;
	slot->checksum = block->checksums[i];
}

void *extent_alloc(struct extent_space *space, struct extent_owner owner, size_t length, u8 compressor, u32 checksum,
		   struct extent_slot *slot)
{
	unsigned int class = class_of(length), i;
	struct remote_location loc = { .length = length, .compressor = compressor };
	struct block *block;

	spin_lock(&extents_lock);
	block = space->dead ? NULL : list_first_entry_or_null(&space->partial[class], struct block, link);
	if (!block)
		block = block_new(space, class);
	if (!block) {
		spin_unlock(&extents_lock);
		return NULL;
	}
	i = find_first_zero_bit(block->slots, classes[class].slots);
	__set_bit(i, block->slots);
	block->used++;
	block->pins++;
	block->checksums[i] = checksum;
	block_owner_set(&block->owners[i], owner);
	if (block->used == classes[class].slots)
		list_del_init(&block->link);
	space->used += classes[class].size;
	space->pages++;
	total_used += classes[class].size;
	total_pages++;
	loc.extent = block->extent->number;
	loc.block = block->number;
	loc.slot = i;
	slot_describe(block, i, length, slot);
	spin_unlock(&extents_lock);
	return entry_remote(&loc);
}

/* Gives @nr slots of a block, already cleared in its bitmap, back to it. */
static struct extent *block_slots_freed(struct block *block, unsigned int nr)
{
	struct extent_space *space = extent_space(block->extent);

	lockdep_assert_held(&extents_lock);
	if (block->used == classes[block->class].slots && !block->extent->dead)
		list_add_tail(&block->link, &space->partial[block->class]);
	block->used -= nr;
	return block->used || block->pins ? NULL : block_release(block);
}

void extent_free(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct extent *gone = NULL;
	struct extent_space *space;
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	space = extent_space(block->extent);
	space->used -= classes[block->class].size;
	space->pages--;
	total_used -= classes[block->class].size;
	total_pages--;
	block->owners[loc.slot].pool = 0;
	if (block->pins) {
		block->freed++;
	} else {
		__clear_bit(loc.slot, block->slots);
		gone = block_slots_freed(block, 1);
	}
	spin_unlock(&extents_lock);
	if (gone)
		extent_release(gone);
}

struct r2net_peer *extent_pin(void *entry, struct extent_owner owner, struct extent_slot *slot)
{
	struct remote_location loc = entry_location(entry);
	struct r2net_peer *peer = ERR_PTR(-EIO);
	const struct block_owner *have;
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	have = &block->owners[loc.slot];
	if (!block->extent->dead && have->pool == owner.pool && block_owner_index(have) == owner.index) {
		block->pins++;
		slot_describe(block, loc.slot, loc.length, slot);
		peer = block->extent->peer;
	}
	spin_unlock(&extents_lock);
	return peer;
}

/* The last pin is gone: the slots that were freed meanwhile can be used again. */
static struct extent *block_sweep(struct block *block)
{
	unsigned int i, nr = block->freed;

	lockdep_assert_held(&extents_lock);
	for_each_set_bit(i, block->slots, classes[block->class].slots)
		if (!block->owners[i].pool)
			__clear_bit(i, block->slots);
	block->freed = 0;
	return block_slots_freed(block, nr);
}

void extent_unpin(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct extent *gone = NULL;
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	if (!--block->pins && (block->freed || !block->used))
		gone = block_sweep(block);
	spin_unlock(&extents_lock);
	if (gone)
		extent_release(gone);
}

struct r2net_peer *extent_peer(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct r2net_peer *peer;

	spin_lock(&extents_lock);
	peer = table[loc.extent]->peer;
	spin_unlock(&extents_lock);
	return peer;
}

bool extent_is_dead(void *entry)
{
	struct remote_location loc = entry_location(entry);
	bool dead;

	spin_lock(&extents_lock);
	dead = table[loc.extent]->dead;
	spin_unlock(&extents_lock);
	return dead;
}

bool extent_has_space(const struct extent_space *space)
{
	return READ_ONCE(space->free_blocks) && !READ_ONCE(space->dead);
}

static int table_grow(void)
{
	unsigned int size = table_size + TABLE_STEP;
	struct extent **bigger, **old;

	lockdep_assert_held(&table_lock);
	if (size > MAX_EXTENTS)
		return -ENOSPC;
	bigger = kvcalloc(size, sizeof(*bigger), GFP_KERNEL);
	if (!bigger)
		return -ENOMEM;
	spin_lock(&extents_lock);
	if (table_size)
		memcpy(bigger, table, table_size * sizeof(*table));
	old = table;
	table = bigger;
	table_size = size;
	spin_unlock(&extents_lock);
	kvfree(old);
	return 0;
}

/* Room in the table for @nr more extents. */
static int table_reserve(unsigned int nr)
{
	unsigned int i, room = 0;
	int err;

	for (i = 0; i < table_size; i++)
		room += !table[i];
	for (; room < nr; room += TABLE_STEP) {
		err = table_grow();
		if (err)
			return err;
	}
	return 0;
}

static bool extent_in(const struct list_head *extents, u32 id)
{
	struct extent *extent;

	list_for_each_entry(extent, extents, link)
		if (extent->id == id)
			return true;
	return false;
}

static bool extent_known(struct r2net_peer *peer, u32 id)
{
	bool known;

	spin_lock(&extents_lock);
	known = extent_in(&peer->space.extents, id);
	spin_unlock(&extents_lock);
	return known;
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
		if (extent_known(peer, leases[i].extent) || extent_in(extents, leases[i].extent))
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
	for (number = 0; table[number]; number++)
		;
	spin_lock(&extents_lock);
	extent->number = number;
	table[number] = extent;
	list_add(&extent->link, &space->extents); /* before the full ones */
	space->nr++;
	space->bytes += extent->size;
	space->free_blocks += extent->size / EXTENT_BLOCK_SIZE;
	total_space += extent->size;
	total_free_blocks += extent->size / EXTENT_BLOCK_SIZE;
	total_table_bytes += struct_size(extent, blocks, extent->size / EXTENT_BLOCK_SIZE);
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
		extent_refill(GFP_KERNEL);
	return err;
}

void extent_refill(gfp_t gfp)
{
	struct block *block;
	unsigned int i;

	for (i = 0; i < nr_classes; i++) {
		if (READ_ONCE(classes[i].spare))
			continue;
		block = kmem_cache_zalloc(classes[i].tables, gfp);
		if (!block)
			return;
		spin_lock(&extents_lock);
		swap(block, classes[i].spare);
		spin_unlock(&extents_lock);
		if (block)
			kmem_cache_free(classes[i].tables, block);
	}
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

unsigned int extent_list(struct r2net_peer *peer, unsigned int skip, u32 *size, struct ramster_nl_lease *leases,
			 unsigned int max)
{
	const struct extent *extent;
	unsigned int nr = 0, number;

	*size = 0;
	spin_lock(&extents_lock);
	/* Not in the list's order, which changes from one call to the next as blocks come and go. */
	for (number = 0; number < table_size; number++) {
		extent = table[number];
		if (!extent || extent->peer != peer)
			continue;
		if (skip) {
			skip--;
			continue;
		}
		if (nr == max || (*size && *size != extent->size))
			break;
		*size = extent->size;
		leases[nr].extent = extent->id;
		leases[nr++].generation = extent->generation;
	}
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
		lost = space->pages;
		space->dead = true;
		total_free_blocks -= space->free_blocks;
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
	extent = table[loc.extent];
	nr = extent->size / EXTENT_BLOCK_SIZE;
	space = extent_space(extent);
	if (!extent->dead && !space->dead) {
		extent->dead = true;
		space->free_blocks -= nr - extent->used_blocks;
		total_free_blocks -= nr - extent->used_blocks;
		list_move_tail(&extent->link, &space->extents);
		for (i = 0; i < nr; i++) {
			if (!extent->blocks[i])
				continue;
			list_del_init(&extent->blocks[i]->link);
			lost += extent->blocks[i]->used - extent->blocks[i]->freed;
		}
	}
	spin_unlock(&extents_lock);
	return lost;
}

u64 extent_pages(void)
{
	return READ_ONCE(total_pages);
}

u64 extent_used_bytes(void)
{
	return READ_ONCE(total_used);
}

u64 extent_space_bytes(void)
{
	return READ_ONCE(total_space);
}

u64 extent_free_bytes(void)
{
	return READ_ONCE(total_free_blocks) * EXTENT_BLOCK_SIZE;
}

u64 extent_table_bytes(void)
{
	return READ_ONCE(total_table_bytes) + table_size * sizeof(*table);
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
	unsigned int slots = BLOCK_MIN_SLOTS;
	struct slot_class *class;

	do {
		class = &classes[nr_classes];
		class->slots = min_t(unsigned int, slots, BLOCK_MAX_SLOTS);
		class->size = EXTENT_BLOCK_SIZE / class->slots;
		snprintf(class->name, sizeof(class->name), "ramster_block_%u", class->size);
		class->tables = kmem_cache_create(class->name, block_table_bytes(class->slots), 0, 0, NULL);
		if (!class->tables) {
			extent_exit();
			return -ENOMEM;
		}
		nr_classes++;
		slots += slots / CLASS_STEP;
	} while (class->slots < BLOCK_MAX_SLOTS && nr_classes < EXTENT_MAX_CLASSES);
	return 0;
}

void extent_exit(void)
{
	while (nr_classes) {
		struct slot_class *class = &classes[--nr_classes];

		if (class->spare)
			kmem_cache_free(class->tables, class->spare);
		class->spare = NULL;
		kmem_cache_destroy(class->tables);
	}
	kvfree(table);
	table = NULL;
	table_size = 0;
}
