/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent_table.h - what extent.c and slot.c share: the table of extents, and the blocks that they are cut into.
 */
#ifndef _RAMSTER_EXTENT_TABLE_H
#define _RAMSTER_EXTENT_TABLE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "extent.h"
#include "peer.h"

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
	u16 pages; /* slots whose bytes the index counts on */
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

/* All under extents_lock. */
extern spinlock_t extents_lock;
extern struct extent **extent_table; /* by extent.number; grows */
extern struct extent_totals {
	u64 pages;
	u64 used; /* bytes of slots */
	u64 space; /* bytes leased */
	u64 free_blocks; /* of living peers */
	u64 table_bytes; /* of blocks and extents */
} extent_totals;

static inline struct extent_space *extent_space(const struct extent *extent)
{
	return &extent->peer->space;
}

static inline unsigned int extent_nr_blocks(const struct extent *extent)
{
	return extent->size / EXTENT_BLOCK_SIZE;
}

/* Takes an extent without blocks out of every list and table. Under extents_lock; then extent_release() without. */
void extent_unlink(struct extent *extent);
/* May run under spinlocks. */
void extent_release(struct extent *extent);

#endif
