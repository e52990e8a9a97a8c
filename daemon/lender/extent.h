/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * extent - the memory that is lent, and the table that says to whom.
 *
 * The memory is lent.h's. Leases are also written down in a table that outlives the process, if there is one (keep.h):
 * before anybody is told of them, and out of it before their memory is given back. Connections look extents up without a lock: extent_pin() takes a reference that can fail, and while it is held neither the memory
 * nor the fields of the extent change. A lease ends in three steps, each by whoever got true from the first:
 * extent_close() (no new pins), extent_wait_idle() (the old ones are gone), extent_free().
 *
 * All functions may be called by any thread. Those that take the table's lock never hold it while mapping, unmapping
 * or touching lent memory.
 */
#ifndef _RAMSTER_LENDER_EXTENT_H
#define _RAMSTER_LENDER_EXTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/lender.h"

/* Ids run from 1 to this less one: with the smallest extents that is 2 TiB. */
#define EXTENT_IDS (1U << 20)

struct extent {
	_Alignas(64) _Atomic uint64_t state; /* generation << 32 | open << 31 | pins */
	uint8_t *memory;
	uint32_t size; /* bytes */
	uint32_t owner; /* node number */
	uint64_t instance; /* of the owner */
	uint32_t next_free; /* id, under the table's lock */
};

struct table;

/**
 * extent_init - make the empty table; call it once, before any thread is started
 * @kept: where leases are written down, too; NULL: nowhere
 *
 * Returns 0 or -errno.
 */
int extent_init(struct table *kept);

/**
 * extent_restore - take the leases of the table that was given to extent_init() into force; before any thread is started
 *
 * Ends those whose memory cannot be mapped, reported.
 */
void extent_restore(void);

/**
 * extent_set_limit - say how much may be lent from now on
 * @bytes: leases above it stay
 */
void extent_set_limit(uint64_t bytes);

/**
 * extent_usage - fill in limit, lent and extents of a status
 */
void extent_usage(struct lender_status *status);

/**
 * extent_lease - lend one extent of zeroed memory
 * @owner: node number, below R2NET_MAX_NODES
 * @instance: of the owner, not 0
 * @size: bytes, a multiple of R2NET_EXTENT_MIN up to R2NET_EXTENT_MAX
 * @quota: most bytes that the owner may have then, in any instance; 0: no quota
 * @lease: filled in
 *
 * Faults all of its memory in: it may take milliseconds. Returns 0, -ENOSPC at the limit, -EDQUOT at the quota, or
 * -ENOMEM.
 */
int extent_lease(uint32_t owner, uint64_t instance, uint32_t size, uint64_t quota, struct lender_lease *lease);

/* Bytes leased to a node, in any instance. @owner: below R2NET_MAX_NODES */
uint64_t extent_held(uint32_t owner);

/**
 * extent_list - the leases in force
 * @cursor: the first id to look at; becomes the id to go on with, or 0 when there are no more
 * @leases: filled in
 * @count: room in @leases
 *
 * Returns how many were filled in.
 */
unsigned int extent_list(uint32_t *cursor, struct lender_lease *leases, unsigned int count);

/**
 * extent_pin - look an extent up and keep it
 *
 * Takes no lock and never waits. Returns NULL unless the extent is leased to this owner, instance and generation.
 */
struct extent *extent_pin(uint32_t id, uint32_t generation, uint32_t owner, uint64_t instance);

/**
 * extent_unpin - give a pin back; the extent must not be touched afterwards
 */
void extent_unpin(struct extent *extent);

/**
 * extent_close - let nobody pin this lease any more
 * @lease: size is not looked at
 *
 * Returns false if there is no such lease. After true the caller owns the end of it.
 */
bool extent_close(const struct lender_lease *lease);

/**
 * extent_wait_idle - wait until a closed extent has no pins
 * @deadline_ms: of CLOCK_MONOTONIC; UINT64_MAX waits for ever
 *
 * Returns false if it still has some.
 */
bool extent_wait_idle(uint32_t id, uint64_t deadline_ms);

/**
 * extent_free - give the memory of a closed and idle extent back to the system
 */
void extent_free(uint32_t id);

/**
 * monotonic_ms - CLOCK_MONOTONIC in milliseconds
 */
uint64_t monotonic_ms(void);

#endif
