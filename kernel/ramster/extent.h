/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extent.h - the remote memory that pages are put into.
 *
 * An extent is backed by a lease, or by several with the same bytes (its legs: one for each copy that is kept). It is cut
 * into blocks of EXTENT_BLOCK_SIZE bytes, and these into slots (slot.h). Slots are given out while it is open: none of its
 * leases is wanted back or lost, and it has as many as there shall be copies.
 *
 * One plain spinlock, extents_lock, inside any pool's xa_lock guards leases, extents and slots: frees come from under spinlocks.
 * No function here sleeps unless it says so.
 */
#ifndef _RAMSTER_EXTENT_H
#define _RAMSTER_EXTENT_H

#include <linux/list.h>
#include <linux/types.h>

struct extent_group;
struct r2net_peer;

#define EXTENT_BLOCK_SIZE (128U << 10)
#define EXTENT_MAX_CLASSES 40
#define EXTENT_MAX_COPIES 2
#define EXTENT_MAX_WRITES 6 /* batches under way to all groups together */

/**
 * extent_group_next - where to send pages next
 *
 * Goes round the groups that have room and whose peers are all up, so that load spreads over them, and passes those that
 * have their share of EXTENT_MAX_WRITES: one that has stopped to answer must not hold them all. Those of which no block is free,
 * so that only some pages fit, come when no other can be had. Returns it with a reference, or NULL.
 */
struct extent_group *extent_group_next(void);
void extent_group_put(struct extent_group *group);

/* A batch to the group is under way (@nr 1), or is no more (-1). */
void extent_group_write(struct extent_group *group, int nr);

/* It refused a batch: it is passed for a moment, so that a lender that refuses all is not asked without end. */
void extent_group_rest(struct extent_group *group);

/* Makes extents of spare leases. May sleep. Returns whether it made one. */
bool extent_compose(void);

/* How many lenders shall have each page: 1 ... EXTENT_MAX_COPIES. */
void extent_set_copies(unsigned int copies);
unsigned int extent_copies(void);

/* Sets something that must stay as it is while there are extents. Returns false, and does not, if there are. */
bool extent_set_while_none(bool *setting, bool value);

/* Nothing new is put into the extents that there are. */
void extent_retire_all(void);

/* Gauges. */
u64 extent_pages(void);
u64 extent_pages_missing(void); /* of these, that have fewer copies than they shall, with peers that are up */
u64 extent_used_bytes(void);
u64 extent_space_bytes(void);
u64 extent_free_bytes(void); /* in blocks without a class, of open extents */
u64 extent_usable_bytes(void); /* of these, with peers that are up */
u64 extent_moving_bytes(void); /* of extents that lenders want back */
u64 extent_table_bytes(void);

/* Slots included. May sleep. When it ends no extent is left. */
int extent_init(void);
void extent_exit(void);

#endif
