/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent.h - the remote memory that this node leases.
 *
 * An extent is a range of a donor's RAM, cut into blocks of EXTENT_BLOCK_SIZE bytes, and these into slots (slot.h).
 *
 * One plain spinlock, extents_lock, inside any pool's xa_lock guards extents and slots: frees come from under spinlocks. No function
 * here sleeps unless it says so.
 */
#ifndef _RAMSTER_EXTENT_H
#define _RAMSTER_EXTENT_H

#include <linux/list.h>
#include <linux/types.h>

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
	u64 lost; /* of these, pages in extents that the lender does not know */
	bool dead;
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

/**
 * extent_return - forget empty extents of a peer, so that their leases can end
 * @leases: room for @max
 *
 * May sleep. Returns how many it forgot.
 */
unsigned int extent_return(struct r2net_peer *peer, struct ramster_nl_lease *leases, unsigned int max);

/**
 * extent_list - the leases of a peer
 * @from: where in the table to begin, at first 0; left where the next call is to begin
 * @size: where the size of the extents is left; a list stops where the size changes
 *
 * Returns how many were written to @leases.
 */
unsigned int extent_list(struct r2net_peer *peer, unsigned int *from, u32 *size, struct ramster_nl_lease *leases,
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

/* Whether a zpage of any size would find space with that peer. */
bool extent_has_space(const struct extent_space *space);

/* Gauges. */
u64 extent_pages(void);
u64 extent_used_bytes(void);
u64 extent_space_bytes(void);
u64 extent_free_bytes(void); /* in blocks without a class, of living peers */
u64 extent_table_bytes(void);
void extent_space_read(struct extent_space *space, struct extent_space *copy); /* the numbers only */

/* Slots included. May sleep. When it ends no extent is left. */
int extent_init(void);
void extent_exit(void);

#endif
