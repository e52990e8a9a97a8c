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
#include "once.h"
#include "r2net.h"
#include "reserve.h"
#include "slot.h"

#define BLOCK_MAX_SLOTS BIT(ENTRY_SLOT_BITS)
#define BLOCK_MIN_SLOTS (EXTENT_BLOCK_SIZE / R2NET_MAX_ITEM_LEN)
/* Each class has about a seventh more slots than the one before, so a zpage wastes a fourteenth of its slot on average. */
#define CLASS_STEP 7
#define AGE_LOOKS 1024 /* at blocks, for one that can be read */

struct slot_class {
	u16 slots; /* of a block */
	u16 size; /* bytes of a slot */
	struct kmem_cache *tables;
	struct block *spare; /* kept for when memory is short, so that a new block never waits for a page of tables */
	char name[24];
};

static struct slot_class classes[EXTENT_MAX_CLASSES];
static unsigned int nr_classes;
static LIST_HEAD(ages); /* blocks in use, the one that was given a page longest ago first; under extents_lock */

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

static bool block_is_full(const struct block *block)
{
	return block->used == classes[block->class].slots;
}

bool slot_block_has_room(const struct block *block)
{
	return !block_is_full(block);
}

/* What was kept for the class; @block is, instead. */
static struct block *spare_swap(struct slot_class *class, struct block *block)
{
	struct block *spare = class->spare;

	lockdep_assert_held(&extents_lock);
	WRITE_ONCE(class->spare, block);
	return spare;
}

static struct block *block_new(struct extent_group *group, unsigned int class)
{
	struct extent *extent;
	struct block *block;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	if (!group->free_blocks)
		return NULL;
	list_for_each_entry(extent, &group->extents, link)
		if (extent->used_blocks < extent_nr_blocks(extent))
			break;
	block = kmem_cache_zalloc(classes[class].tables, reserve_table_gfp());
	if (!block)
		block = spare_swap(&classes[class], NULL);
	if (!block)
		return NULL;
	for (i = 0; extent->blocks[i]; i++)
		;
	block->extent = extent;
	block->number = i;
	block->class = class;
	block->marks = (u32 *)(block->slots + BITS_TO_LONGS(classes[class].slots));
	block->owners = (struct block_owner *)(block->marks + classes[class].slots);
	extent->blocks[i] = block;
	extent->used_blocks++;
	if (extent->used_blocks == extent_nr_blocks(extent))
		list_move_tail(&extent->link, &group->extents); /* the full ones behind those with room */
	group->free_blocks--;
	SUB_ONCE(extent_totals.free_blocks, 1);
	ADD_ONCE(extent_totals.table_bytes, kmem_cache_size(classes[class].tables));
	list_add(&block->link, &group->partial[class]);
	list_add_tail(&block->age, &ages);
	return block;
}

/* With no block left without a class, a larger slot is better than none. */
static struct block *block_of_larger(struct extent_group *group, unsigned int class)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = class; i > 0; i--)
		if (!list_empty(&group->partial[i - 1]))
			return list_first_entry(&group->partial[i - 1], struct block, link);
	return NULL;
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
	WRITE_ONCE(class->spare, block);
}

/* The extent may be gone with its last block. */
static void block_release(struct block *block)
{
	struct extent *extent = block->extent;

	lockdep_assert_held(&extents_lock);
	list_del(&block->link);
	list_del(&block->age);
	extent->blocks[block->number] = NULL;
	extent->used_blocks--;
	SUB_ONCE(extent_totals.table_bytes, kmem_cache_size(classes[block->class].tables));
	block_free(block);
	if (extent->open) {
		extent->group->free_blocks++;
		ADD_ONCE(extent_totals.free_blocks, 1);
		list_move(&extent->link, &extent->group->extents);
	} else {
		extent_settle(extent);
	}
}

static struct block *entry_block(const struct remote_location *loc)
{
	lockdep_assert_held(&extents_lock);
	return extent_table[loc->extent]->blocks[loc->block];
}

static void slot_describe(const struct block *block, const struct remote_location *loc, struct extent_slot *slot)
{
	const struct block_owner *owner = &block->owners[loc->slot];

	slot->nr_legs = 0;
	slot->offset = block->number * EXTENT_BLOCK_SIZE + loc->slot * classes[block->class].size;
	slot->length = seal_length(loc->length);
	slot->nr_copies = block->extent->nr_legs;
	slot->bond = (struct seal_bond){
		.serial = block->extent->serial,
		.mark = block->marks[loc->slot],
		.index = block_owner_index(owner),
		.length = loc->length,
		.pool = owner->pool,
		.compressor = loc->compressor,
	};
}

static void slot_pin_leg(struct block *block, struct lease *lease, struct extent_slot *slot)
{
	lockdep_assert_held(&extents_lock);
	block->pins++;
	lease->pins++;
	slot->legs[slot->nr_legs++] = (struct slot_leg){
		.lease = lease, .peer = lease->peer, .extent = lease->id, .generation = lease->generation
	};
}

/* The leg to read from: one whose peer answers, if there is one, and soon rather than late. */
static struct lease *slot_leg(const struct extent *extent, const struct r2net_peer *with, u32 avoid)
{
	struct lease *lease, *best = NULL;
	unsigned int i, rank, best_rank = 0;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++) {
		lease = extent->legs[i];
		if ((with && lease->peer != with) || lease->serial == avoid)
			continue;
		rank = r2net_peer_rank(lease->peer);
		if (best && rank < best_rank)
			continue;
		best = lease;
		best_rank = rank;
	}
	return best;
}

void *slot_alloc(struct extent_group *group, struct extent_owner owner, size_t length, u8 compressor, u32 checksum,
		 struct extent_slot *slot)
{
	unsigned int class = class_of(seal_length(length)), i;
	struct remote_location loc = { .length = length, .compressor = compressor };
	struct block *block;

	spin_lock(&extents_lock);
	block = list_first_entry_or_null(&group->partial[class], struct block, link);
	if (!block)
		block = block_new(group, class);
	if (!block)
		block = block_of_larger(group, class);
	if (!block) {
		spin_unlock(&extents_lock);
		return NULL;
	}
	class = block->class;
	i = find_first_zero_bit(block->slots, classes[class].slots);
	__set_bit(i, block->slots);
	block->used++;
	block->marks[i] = seal_is_on() ? extent_next_mark(block->extent) : checksum;
	block_owner_set(&block->owners[i], owner);
	if (block_is_full(block))
		list_del_init(&block->link);
	list_move_tail(&block->age, &ages);
	extent_account(block->extent, 0, classes[class].size);
	loc.extent = block->extent->number;
	loc.block = block->number;
	loc.slot = i;
	slot_describe(block, &loc, slot);
	/* In the order of the group's peers: what is sent together goes to each of them. */
	for (i = 0; i < group->nr_peers; i++)
		slot_pin_leg(block, slot_leg(block->extent, group->peers[i], 0), slot);
	spin_unlock(&extents_lock);
	return entry_remote(&loc);
}

/* Gives @nr slots of a block, already cleared in its bitmap, back to it. The block may be gone then. */
static void block_slots_freed(struct block *block, unsigned int nr)
{
	lockdep_assert_held(&extents_lock);
	if (block_is_full(block) && block->extent->open)
		list_add_tail(&block->link, &block->extent->group->partial[block->class]);
	block->used -= nr;
	if (!block->used && !block->pins)
		block_release(block);
}

bool slot_commit(void *entry, unsigned int legs)
{
	struct remote_location loc = entry_location(entry);
	struct block *block;
	bool whole;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	whole = block->extent->nr_legs == legs;
	if (whole) {
		block->pages++;
		block->extent->written += entry_is_written(entry);
		extent_account(block->extent, 1, 0);
	}
	spin_unlock(&extents_lock);
	return whole;
}

static void slot_release(struct block *block, unsigned int slot)
{
	lockdep_assert_held(&extents_lock);
	block->owners[slot].pool = 0;
	if (block->pins) {
		block->freed++;
		return;
	}
	__clear_bit(slot, block->slots);
	block_slots_freed(block, 1);
}

void slot_abandon(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	extent_account(block->extent, 0, -(int)classes[block->class].size);
	slot_release(block, loc.slot);
	spin_unlock(&extents_lock);
}

void slot_free(void *entry)
{
	struct remote_location loc = entry_location(entry);
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	block->pages--;
	block->extent->written -= entry_is_written(entry);
	extent_account(block->extent, -1, -(int)classes[block->class].size);
	slot_release(block, loc.slot);
	spin_unlock(&extents_lock);
}

int slot_pin(void *entry, struct extent_owner owner, const struct r2net_peer *with, u32 avoid, struct extent_slot *slot)
{
	struct remote_location loc = entry_location(entry);
	const struct block_owner *have;
	struct lease *lease = NULL;
	struct block *block;
	int err = -EIO;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	have = &block->owners[loc.slot];
	if (have->pool == owner.pool && block_owner_index(have) == owner.index) {
		lease = slot_leg(block->extent, with, avoid);
		err = with && block->extent->nr_legs ? -EXDEV : -EIO;
	}
	if (lease) {
		slot_describe(block, &loc, slot);
		slot_pin_leg(block, lease, slot);
		err = 0;
	}
	spin_unlock(&extents_lock);
	return err;
}

int slot_pin_other(void *entry, const struct lease *lease, const struct r2net_peer *with, struct extent_slot *slot)
{
	struct remote_location loc = entry_location(entry);
	struct lease *other = NULL;
	struct block *block;

	spin_lock(&extents_lock);
	block = entry_block(&loc);
	/* A slot whose page is gone is not copied when its extent moves. */
	if (block->owners[loc.slot].pool)
		other = slot_leg(block->extent, with, lease->serial);
	if (other && !r2net_peer_rank(other->peer))
		other = NULL;
	if (other) {
		slot_describe(block, &loc, slot);
		slot_pin_leg(block, other, slot);
	}
	spin_unlock(&extents_lock);
	return other ? 0 : -EIO;
}

/* The last pin is gone: the slots that were freed meanwhile can be used again. The block may be gone then. */
static void block_sweep(struct block *block)
{
	unsigned int i, nr = block->freed;

	lockdep_assert_held(&extents_lock);
	for_each_set_bit(i, block->slots, classes[block->class].slots)
		if (!block->owners[i].pool)
			__clear_bit(i, block->slots);
	block->freed = 0;
	block_slots_freed(block, nr);
}

static void block_unpin(struct block *block, struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	if (!--block->pins && (block->freed || !block->used))
		block_sweep(block);
	lease->pins--;
	lease_put(lease);
}

void slot_unpin(void *entry, struct lease *lease)
{
	struct remote_location loc = entry_location(entry);

	spin_lock(&extents_lock);
	block_unpin(entry_block(&loc), lease);
	spin_unlock(&extents_lock);
}

u32 slot_lease_serial(const struct lease *lease)
{
	return lease->serial;
}

bool slot_is_dead(void *entry)
{
	struct remote_location loc = entry_location(entry);
	bool dead;

	spin_lock(&extents_lock);
	dead = !extent_table[loc.extent]->nr_legs;
	spin_unlock(&extents_lock);
	return dead;
}

/* ---- Whole blocks, for relocate.c ---- */

/* Bit by piece: which hold bytes of a page. */
static u32 block_pieces(const struct block *block)
{
	unsigned int i, size = classes[block->class].size, first, last;
	u32 pieces = 0;

	for_each_set_bit(i, block->slots, classes[block->class].slots) {
		if (!block->owners[i].pool)
			continue;
		first = i * size / BLOCK_PIECE;
		last = ((i + 1) * size - 1) / BLOCK_PIECE;
		pieces |= GENMASK(last, first);
	}
	return pieces;
}

int slot_block_pin(struct extent *extent, unsigned int number, struct lease *from, struct lease *to, u32 *pieces)
{
	struct block *block;
	int err = 0;

	*pieces = 0;
	spin_lock(&extents_lock);
	block = extent->blocks[number];
	if (block && block->used - block->freed != block->pages)
		err = -EAGAIN;
	else if (block)
		*pieces = block_pieces(block);
	if (*pieces) {
		block->pins += 2;
		from->pins++;
		to->pins++;
	}
	spin_unlock(&extents_lock);
	return err;
}

void slot_block_unpin(struct extent *extent, unsigned int number, struct lease *lease)
{
	spin_lock(&extents_lock);
	block_unpin(extent->blocks[number], lease);
	spin_unlock(&extents_lock);
}

/* ---- The pages of a block, for those who bring them here ---- */

static bool extent_can_be_read(const struct extent *extent)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++)
		if (READ_ONCE(extent->legs[i]->peer->state) == RAMSTER_PEER_UP)
			return true;
	return false;
}

/* A block with pages of an extent that is to leave a lender. */
static struct block *leaving_block(void)
{
	struct extent *extent;
	struct lease *lease;
	unsigned int i;

	if (!extent_totals.moving)
		return NULL;
	list_for_each_entry(lease, &extent_leases, link) {
		extent = lease->extent;
		if (!lease->leaving || !extent || !extent->pages || !extent_can_be_read(extent))
			continue;
		for (i = 0; i < extent_nr_blocks(extent); i++)
			if (extent->blocks[i] && extent->blocks[i]->pages)
				return extent->blocks[i];
	}
	return NULL;
}

static struct block *oldest_block(void)
{
	struct block *block;
	unsigned int looks = 0;

	list_for_each_entry(block, &ages, age)
		if (block->pages && extent_can_be_read(block->extent))
			return block;
		else if (++looks == AGE_LOOKS)
			break;
	return NULL;
}

bool slot_coldest_block(struct slot_cursor *cursor)
{
	static const struct block *last; /* only compared: it may be gone */
	static u16 last_pages;
	struct block *block;

	spin_lock(&extents_lock);
	block = leaving_block();
	/* The same as before, with all that it had then: its pages cannot come now. */
	if (block && block == last && block->pages == last_pages)
		block = NULL;
	last = block;
	last_pages = block ? block->pages : 0;
	if (!block)
		block = oldest_block();
	if (block) {
		*cursor = (struct slot_cursor){ .extent = block->extent->number, .block = block->number };
		list_move_tail(&block->age, &ages);
	}
	spin_unlock(&extents_lock);
	return block;
}

unsigned int slot_owners(struct slot_cursor *cursor, struct extent_owner *owners, unsigned int max)
{
	const struct extent *extent;
	const struct block *block;
	unsigned int nr = 0, i;

	spin_lock(&extents_lock);
	extent = cursor->extent < extent_table_size ? extent_table[cursor->extent] : NULL;
	block = extent && cursor->block < extent_nr_blocks(extent) ? extent->blocks[cursor->block] : NULL;
	for (; block && cursor->slot < classes[block->class].slots && nr < max; cursor->slot++) {
		i = cursor->slot;
		if (test_bit(i, block->slots) && block->owners[i].pool)
			owners[nr++] = (struct extent_owner){ .pool = block->owners[i].pool,
							      .index = block_owner_index(&block->owners[i]) };
	}
	spin_unlock(&extents_lock);
	return nr;
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
		block = spare_swap(&classes[i], block);
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
