/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent_table.h - what lease.c, extent.c, slot.c, and those that move extents share: leases, the extents that they
 * back, and the blocks that these are cut into. All under extents_lock, where it does not say otherwise.
 */
#ifndef _RAMSTER_EXTENT_TABLE_H
#define _RAMSTER_EXTENT_TABLE_H

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "extent.h"
#include "lease.h"
#include "peer.h"
#include "r2net.h"
#include "slot.h"

struct block_owner {
	u8 pool;
	u8 index[4]; /* little endian; unaligned to make the table 9 bytes a slot */
} __packed;

struct block {
	struct list_head link; /* in extent_group.partial while a slot is free and the extent is open */
	struct list_head age; /* in slot.c's list of all, by when a slot was given out last */
	struct extent *extent;
	u16 number; /* in its extent */
	u16 class;
	u16 used; /* slots, freed ones that wait for the last pin included */
	u16 freed; /* slots that wait */
	u16 pages; /* slots whose bytes the index counts on */
	u32 pins;
	u32 *marks; /* struct seal_bond's */
	struct block_owner *owners; /* pool 0: none, of a used slot: freed and waiting */
	unsigned long slots[]; /* bitmap of used slots; behind it the marks, then the owners */
};

/* A range of a lender's memory. It is freed when it is dead or given back, backs nothing and has no pins. */
struct lease {
	struct list_head link; /* in extent_leases */
	struct r2net_peer *peer; /* a reference */
	struct extent *extent; /* whose bytes are there; NULL: it is spare */
	u32 id;
	u32 generation;
	u32 size;
	u32 serial; /* of no other lease */
	u32 pins; /* requests that name it */
	u8 failures; /* moves from it or to it that failed, since one did not */
	bool stuck; /* it should be emptied and there is nowhere to go, not even home, but another leg has all */
	unsigned long retry; /* jiffies before which it is not tried again to empty or to restore it; 0: none */
	unsigned long since; /* jiffies when it began to leave */
	unsigned long emptied; /* jiffies when pages came home from it last, or when it began to leave */
	bool leaving; /* the lender wants it back */
	bool dead; /* the lender does not have it any more */
};

/* Slots whose bytes are with one lender, or with each of several. */
struct extent {
	struct list_head link; /* in its group's extents while it is open */
	struct extent_group *group; /* a reference */
	struct lease *legs[EXTENT_MAX_COPIES]; /* the first nr_legs: each has all the bytes */
	unsigned int nr_legs; /* 0: it is dead */
	u32 size;
	u32 number; /* in the table */
	u32 used; /* bytes of slots */
	u32 pages;
	u32 written; /* of these, that a disk has, too */
	u64 serial; /* seal.h: of no other extent */
	u32 marks; /* slots given out so far, if they are sealed */
	u16 used_blocks;
	bool retired; /* no slot may be sealed with its serial any more */
	bool open; /* slots may be given out */
	bool held; /* somebody works on it: it stays as it is */
	struct block *blocks[];
};

/* The open extents that are with the same lenders: what is sent to one of them goes to all of its peers. */
struct extent_group {
	struct list_head link; /* in the list of groups */
	unsigned int refs; /* extents, and who sends to it */
	unsigned int nr_peers;
	struct r2net_peer *peers[EXTENT_MAX_COPIES]; /* by their addresses; a reference each */
	struct list_head extents; /* those with room before the full ones */
	struct list_head partial[EXTENT_MAX_CLASSES]; /* struct block with a free slot, by class */
	u64 free_blocks; /* without a class */
	u64 turn; /* when it was chosen last */
	atomic_t writes; /* batches under way; changed without the lock */
	unsigned long rest_until; /* jiffies; 0: now. it refused what was sent last; changed without the lock */
};

#define LEASE_RETRY HZ /* after a failure */

extern spinlock_t extents_lock;
extern struct mutex extents_mutex; /* of those who add, compose, move or give back; outside extents_lock */
extern struct list_head extent_leases;
extern struct extent **extent_table; /* by extent.number; grows under both locks */
extern unsigned int extent_table_size;
extern struct extent_totals {
	u64 pages;
	u64 used; /* bytes of slots */
	u64 space; /* bytes leased */
	u64 free_blocks; /* of open extents */
	u64 moving; /* bytes of extents that are to leave a lender */
	u64 missing; /* pages of living extents with fewer legs than wanted */
	u64 table_bytes; /* of blocks, extents and leases */
} extent_totals;

static inline unsigned int extent_nr_blocks(const struct extent *extent)
{
	return extent->size / EXTENT_BLOCK_SIZE;
}

/*
 * Whatever changes an extent or its leases calls this at its end: opens it, closes it, or frees it when it is empty and may not
 * be open. The extent may be gone afterwards.
 */
void extent_settle(struct extent *extent);

/* It stays as it is, closed, until extent_replace() has succeeded or extent_let_go() is called. */
void extent_hold(struct extent *extent);
/* The extent may be gone afterwards. */
void extent_let_go(struct extent *extent);

/**
 * extent_replace - take a leg away, add another, or both
 * @extent: held; it is let go if that succeeds, and may be gone then
 * @from: pinned; NULL: none goes
 * @to: pinned, and all of the extent's bytes are there; NULL: none comes
 *
 * Under extents_mutex alone. May sleep. Returns false if a lease was lost meanwhile, it would have no leg or too many, or memory
 * is short: then it is as it was.
 */
bool extent_replace(struct extent *extent, struct lease *from, struct lease *to);

/* Ends an extent in which no block is used; its leases are spare then. */
void extent_dissolve(struct extent *extent);

/* A mark for seal.h that the extent has not had before. The last one there is closes it. */
u32 extent_next_mark(struct extent *extent);

/* Pages and bytes of slots come (or, negative, go). */
void extent_account(struct extent *extent, int pages, int used);

/* Takes a leg away, and the lease backs nothing any more; extent_settle() is still due. */
void extent_detach(struct extent *extent, struct lease *lease);
/* The lease, which is spare, has all the bytes, too; extent_settle() is still due. */
void extent_attach(struct extent *extent, struct lease *lease);

/* A reference to the group of these peers, which it sorts, or NULL. Under extents_mutex alone. May sleep. */
struct extent_group *extent_group_of(struct r2net_peer *peers[], unsigned int nr);

/* extent_group_put() under extents_lock. */
void extent_group_put_locked(struct extent_group *group);

/* Makes room in the table for @nr more extents. Under extents_mutex alone. May sleep. Returns 0, -ENOSPC or -ENOMEM. */
int extent_table_reserve(unsigned int nr);

/* Whether a slot of the block can be given out. */
bool slot_block_has_room(const struct block *block);

/* slot.c for relocate.c: blocks of a held extent, without extents_lock. */

#define BLOCK_PIECE 4096U /* bytes in which a block is copied */
#define BLOCK_PIECES (EXTENT_BLOCK_SIZE / BLOCK_PIECE)

static_assert(BLOCK_PIECES <= 32 && BLOCK_PIECES <= R2NET_MAX_ITEMS && BLOCK_PIECE <= R2NET_MAX_ITEM_LEN);

/**
 * slot_block_pin - keep a block as it is, to copy it
 * @pieces: bit by piece of BLOCK_PIECE bytes: which hold bytes of a page. 0: none, and nothing is pinned; else the block is, twice,
 *	    and each of the leases
 *
 * Returns 0, or -EAGAIN while WRITEs to it are under way.
 */
int slot_block_pin(struct extent *extent, unsigned int number, struct lease *from, struct lease *to, u32 *pieces);
/* Ends one of the two pins, and that of the lease. */
void slot_block_unpin(struct extent *extent, unsigned int number, struct lease *lease);

/* The lease ends here if nothing holds it. */
void lease_put(struct lease *lease);

/* Whether its lender answers, and no failure with it was just now. */
bool lease_may_try(const struct lease *lease);

/* Whether a lease can back an extent from now on. */
bool lease_is_free(const struct lease *lease);

#endif
