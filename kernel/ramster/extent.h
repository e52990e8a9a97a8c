/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent.h - the remote memory that this node leases, and who stands where in it.
 *
 * An extent is a range of a donor's RAM, cut into blocks of EXTENT_BLOCK_SIZE bytes. A block in use has slots of one
 * size class, and a table in local RAM: for each slot the owner page (5 bytes) and the checksum of its bytes (4 bytes).
 *
 * The slot rule: a slot is reused only when no request that names it is outstanding. A request pins its slots' blocks
 * from before it is sent until it is known that the peer will not act on it any more; slots freed in a pinned block wait
 * for the last pin.
 *
 * One plain spinlock inside any pool's xa_lock guards all of it: frees come from under spinlocks. No function here
 * sleeps unless it says so.
 */
#ifndef _RAMSTER_EXTENT_H
#define _RAMSTER_EXTENT_H

#include <linux/list.h>
#include <linux/types.h>

#include "entry.h"
#include "ramster_nl.h"

struct r2net_peer;

#define EXTENT_BLOCK_SIZE (128U << 10)
#define EXTENT_MAX_CLASSES 40

/* One peer's extents, as its peer holds them. */
struct extent_space {
	struct list_head extents; /* struct extent */
	struct list_head partial[EXTENT_MAX_CLASSES]; /* struct block with a free slot, by class */
	unsigned int nr; /* extents */
	u64 bytes; /* leased */
	u64 free_blocks; /* without a class */
	u64 used; /* bytes of slots in use */
	u64 pages;
	bool dead;
};

/* Where a slot is, for a WRITE or READ item, and what must come back from there. */
struct extent_slot {
	u32 extent; /* the lender's id */
	u32 generation;
	u32 offset;
	u32 length;
	u32 checksum; /* crc32c of the bytes */
};

/* Which page a slot belongs to. */
struct extent_owner {
	u8 pool;
	u32 index;
};

void extent_space_init(struct extent_space *space);

/**
 * extent_add - take leases into use
 * @peer: the lender's peer; each extent takes a reference
 * @size: bytes of each
 * @leases: @nr of them
 *
 * May sleep. All or none. Returns 0, -EEXIST for a lease that is known already, -EINVAL for a bad size, -ENOSPC when
 * the table is full, or -ENOMEM.
 */
int extent_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *leases, unsigned int nr);

/* Makes sure that for each class a new block can be begun without memory. Sleeps only if @gfp allows it. */
void extent_refill(gfp_t gfp);

/**
 * extent_return - forget empty extents of a peer, so that their leases can end
 * @leases: room for @max
 *
 * May sleep. Returns how many it forgot.
 */
unsigned int extent_return(struct r2net_peer *peer, struct ramster_nl_lease *leases, unsigned int max);

/**
 * extent_list - the leases of a peer
 * @skip: how many to pass over
 * @size: where the size of the extents is left; a list stops where the size changes
 *
 * Returns how many were written to @leases.
 */
unsigned int extent_list(struct r2net_peer *peer, unsigned int skip, u32 *size, struct ramster_nl_lease *leases,
			 unsigned int max);

/**
 * extent_dead - a peer's memory is gone
 *
 * Pins of its slots fail from now on. Empty extents go at once, the others when their last page is freed.
 * May sleep. Returns how many pages were lost.
 */
u64 extent_dead(struct r2net_peer *peer);

/**
 * extent_lost - the lender does not know the lease of the extent that @entry, pinned, lies in
 *
 * What is there is lost: pins of its slots fail from now on, and no slot there is given out. Returns how many pages that
 * was; 0 if it was known.
 */
u64 extent_lost(void *entry);

/**
 * extent_alloc - a slot for a zpage, in a pinned block
 * @space: the peer's
 * @owner: the page
 * @length: bytes, 1 ... PAGE_SIZE
 * @compressor: of the zpage
 * @checksum: crc32c of the bytes
 * @slot: where its place is left
 *
 * The caller ends the pin with extent_unpin(), and frees the slot with extent_free() if the page does not come to
 * stand there. Returns the index's entry, or NULL when there is no space, or no memory for a block's table.
 */
void *extent_alloc(struct extent_space *space, struct extent_owner owner, size_t length, u8 compressor, u32 checksum,
		   struct extent_slot *slot);

/* The page at @entry is gone. */
void extent_free(void *entry);

/**
 * extent_pin - keep a slot from being reused, to read it
 * @entry: from the index, whose xa_lock is held
 * @owner: the page that the slot must belong to
 * @slot: where its place is left
 *
 * Returns the peer, whose reference the pin holds, ERR_PTR(-EIO) if the extent is dead or the slot is another page's.
 */
struct r2net_peer *extent_pin(void *entry, struct extent_owner owner, struct extent_slot *slot);
void extent_unpin(void *entry);

/* The peer that an entry of the index, whose xa_lock is held, lies with; no reference. */
struct r2net_peer *extent_peer(void *entry);

/* Whether what stands there, by an entry of the index whose xa_lock is held, is lost with a dead peer. */
bool extent_is_dead(void *entry);

/* Whether a zpage of any size would find space with that peer. */
bool extent_has_space(const struct extent_space *space);

/* Gauges. */
u64 extent_pages(void);
u64 extent_used_bytes(void);
u64 extent_space_bytes(void);
u64 extent_free_bytes(void); /* in blocks without a class, of living peers */
u64 extent_table_bytes(void);
void extent_space_read(struct extent_space *space, struct extent_space *copy); /* the numbers only */

/* May sleep. */
int extent_init(void);
void extent_exit(void);

#endif
