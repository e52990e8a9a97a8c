// SPDX-License-Identifier: GPL-2.0
/*
 * slot.c - cuts extents into blocks, and blocks into slots of one size class.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "extent_table.h"
#include "r2net.h"
#include "slot.h"

#define BLOCK_MAX_SLOTS BIT(ENTRY_SLOT_BITS)
#define BLOCK_MIN_SLOTS (EXTENT_BLOCK_SIZE / R2NET_MAX_ITEM_LEN)
/* Each class has about a seventh more slots than the one before, so a zpage wastes a fourteenth of its slot on average. */
#define CLASS_STEP 7
#define BLOCK_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN) /* the reserve is for those who send and receive */

struct slot_class {
	u16 slots; /* of a block */
	u16 size; /* bytes of a slot */
	struct kmem_cache *tables;
	struct block *spare; /* kept for when memory is short, so that a new block never waits for a page of tables */
	char name[24];
};

static struct slot_class classes[EXTENT_MAX_CLASSES];
static unsigned int nr_classes;

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
		if (extent->used_blocks < extent_nr_blocks(extent))
			break;
	block = kmem_cache_zalloc(classes[class].tables, BLOCK_GFP);
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
	if (extent->used_blocks == extent_nr_blocks(extent))
		list_move_tail(&extent->link, &space->extents); /* the full ones behind those with room */
	space->free_blocks--;
	extent_totals.free_blocks--;
	extent_totals.table_bytes += kmem_cache_size(classes[class].tables);
	list_add(&block->link, &space->partial[class]);
	return block;
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
	extent_totals.table_bytes -= kmem_cache_size(classes[block->class].tables);
	block_free(block);
	if (!extent->dead) {
		space->free_blocks++;
		extent_totals.free_blocks++;
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
	return extent_table[loc->extent]->blocks[loc->block];
}

static void slot_describe(const struct block *block, unsigned int i, size_t length, struct extent_slot *slot)
{
	slot->extent = block->extent->id;
	slot->generation = block->extent->generation;
	slot->offset = block->number * EXTENT_BLOCK_SIZE + i * classes[block->class].size;
	slot->length = length;
	slot->checksum = block->checksums[i];
}

void *slot_alloc(struct extent_space *space, struct extent_owner owner, size_t length, u8 compressor, u32 checksum,
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
	extent_totals.used += classes[class].size;
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

bool slot_commit(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct block *block;
	bool living;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	living = !block->extent->dead;
	if (living) {
		block->pages++;
		extent_space(block->extent)->pages++;
		extent_totals.pages++;
	}
	spin_unlock(&extents_lock);
	return living;
}

/* Gives up a slot. Returns the extent if that was the last of a dead one. */
static struct extent *slot_release(struct block *block, unsigned int slot)
{
	lockdep_assert_held(&extents_lock);
	extent_space(block->extent)->used -= classes[block->class].size;
	extent_totals.used -= classes[block->class].size;
	block->owners[slot].pool = 0;
	if (block->pins) {
		block->freed++;
		return NULL;
	}
	__clear_bit(slot, block->slots);
	return block_slots_freed(block, 1);
}

void slot_abandon(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct extent *gone;

	spin_lock(&extents_lock);
	gone = slot_release(entry_block(&loc), loc.slot);
	spin_unlock(&extents_lock);
	if (gone)
		extent_release(gone);
}

void slot_free(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct extent_space *space;
	struct extent *gone;
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	space = extent_space(block->extent);
	block->pages--;
	space->pages--;
	extent_totals.pages--;
	if (block->extent->dead && !space->dead)
		space->lost--;
	gone = slot_release(block, loc.slot);
	spin_unlock(&extents_lock);
	if (gone)
		extent_release(gone);
}

struct r2net_peer *slot_pin(void *entry, struct extent_owner owner, struct extent_slot *slot)
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

void slot_unpin(void *entry)
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

struct r2net_peer *slot_peer(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct r2net_peer *peer;

	spin_lock(&extents_lock);
	peer = extent_table[loc.extent]->peer;
	spin_unlock(&extents_lock);
	return peer;
}

bool slot_is_dead(void *entry)
{
	struct remote_location loc = entry_location(entry);
	bool dead;

	spin_lock(&extents_lock);
	dead = extent_table[loc.extent]->dead;
	spin_unlock(&extents_lock);
	return dead;
}

void slot_refill(gfp_t gfp)
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

int slot_init(void)
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
			slot_exit();
			return -ENOMEM;
		}
		nr_classes++;
		slots += slots / CLASS_STEP;
	} while (class->slots < BLOCK_MAX_SLOTS && nr_classes < EXTENT_MAX_CLASSES);
	return 0;
}

void slot_exit(void)
{
	while (nr_classes) {
		struct slot_class *class = &classes[--nr_classes];

		if (class->spare)
			kmem_cache_free(class->tables, class->spare);
		class->spare = NULL;
		kmem_cache_destroy(class->tables);
	}
}
