/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slot.h - who stands where in the extents.
 *
 * A block in use has slots of one size class, and a table in local RAM: for each slot the owner page (5 bytes) and the
 * mark by which its bytes are tested (4 bytes).
 *
 * The slot rule: a slot is reused only when no request that names it is outstanding. A request pins its slots' blocks
 * from before it is sent until it is known that the peer will not act on it any more; slots freed in a pinned block wait
 * for the last pin.
 *
 * All under extents_lock. No function here sleeps unless it says so.
 */
#ifndef _RAMSTER_SLOT_H
#define _RAMSTER_SLOT_H

#include <linux/types.h>

#include "entry.h"
#include "extent.h"
#include "seal.h"

/* Where a slot is with one lender, for a WRITE or READ item. */
struct slot_leg {
	struct lease *lease; /* pinned */
	struct r2net_peer *peer; /* whose lease it is; the pin keeps it */
	u32 extent; /* the lender's id */
	u32 generation;
};

/* Where a slot is, and what must come back from there. */
struct extent_slot {
	struct slot_leg legs[EXTENT_MAX_COPIES];
	unsigned int nr_legs;
	u32 offset;
	u32 length; /* bytes on the wire: seal_length() of the page's */
	struct seal_bond bond;
	unsigned int nr_copies; /* how many lenders have it; nr_legs of them are here */
};

/* Which page a slot belongs to. */
struct extent_owner {
	u8 pool;
	u32 index;
};

/* A place in a block. */
struct slot_cursor {
	u32 extent;
	u16 block;
	u16 slot;
};

/* Makes sure that for each class a new block can be begun without memory. Sleeps only if @gfp allows it. */
void slot_refill(gfp_t gfp);

/**
 * slot_alloc - a slot for a zpage
 * @group: where
 * @owner: the page
 * @length: bytes, 1 ... PAGE_SIZE
 * @compressor: of the zpage
 * @checksum: seal_checksum() of the bytes; not used with the seal on
 * @slot: where its place is left, with each of the group's peers; pinned once for each; and what to seal the bytes with
 *
 * The caller ends each pin with slot_unpin(), and either commits the slot or abandons it. Returns the index's entry, or
 * NULL when there is no space, or no memory for a block's table.
 */
void *slot_alloc(struct extent_group *group, struct extent_owner owner, size_t length, u8 compressor, u32 checksum,
		 struct extent_slot *slot);

/*
 * The page stands at @entry from now on, perhaps marked with entry_written(): its bytes have arrived at @legs lenders. Under the index's xa_lock, which the entry
 * is put into then. Returns false if one of them has lost them meanwhile.
 */
bool slot_commit(void *entry, unsigned int legs);

/* The page does not come to stand at @entry. */
void slot_abandon(void *entry);

/* The page that was committed to @entry, marked or not as then, is gone. */
void slot_free(void *entry);

/**
 * slot_pin - keep a slot from being reused, to read it
 * @entry: from the index, whose xa_lock is held
 * @owner: the page that the slot must belong to
 * @with: the peer to read it from; or NULL, and the best is chosen
 * @avoid: the serial of a lease from which it is not to be read; 0: none
 * @slot: where its place is left, with one leg
 *
 * Returns 0; -EIO if no lender has it or the slot is another page's; -EXDEV if @with does not have it.
 */
int slot_pin(void *entry, struct extent_owner owner, const struct r2net_peer *with, u32 avoid,
	     struct extent_slot *slot);

/**
 * slot_pin_other - the same, to read a slot from another lender, too
 * @entry: the caller has pinned it
 * @lease: pinned with it: not from there
 * @with: the peer to read it from; or NULL
 *
 * No lock is needed. Returns 0; -EIO if no such peer is UP, or the page is gone.
 */
int slot_pin_other(void *entry, const struct lease *lease, const struct r2net_peer *with, struct extent_slot *slot);

/* Ends one pin of slot_alloc(), slot_pin() or slot_pin_other(). */
void slot_unpin(void *entry, struct lease *lease);

/* The serial of a pinned lease, for slot_pin(). */
u32 slot_lease_serial(const struct lease *lease);

/* Whether what stands there, by an entry of the index whose xa_lock is held, is lost with its lenders. */
bool slot_is_dead(void *entry);

/**
 * slot_coldest_block - where the pages are that should leave peers first
 * @cursor: left at the block's beginning
 *
 * A block of an extent that a lender wants back, or else the one that was given a page longest ago; never one that cannot be
 * read now. Each time another one. Returns false if there is none.
 */
bool slot_coldest_block(struct slot_cursor *cursor);

/* The pages whose slots are in the cursor's block, from there on; it is left behind the last. Returns how many, up to @max. */
unsigned int slot_owners(struct slot_cursor *cursor, struct extent_owner *owners, unsigned int max);

/* For extent.c. May sleep. */
int slot_init(void);
void slot_exit(void);

#endif
