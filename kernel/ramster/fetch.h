/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fetch.h - remote pages on their way back: READs, the page that is waited for first, then the ones read ahead.
 */
#ifndef _RAMSTER_FETCH_H
#define _RAMSTER_FETCH_H

#include "prefetch.h"
#include "slot.h"
#include "zcache.h"

struct tmem_load;
struct tmem_pool;

/**
 * fetch_load - read a page for a load, and perhaps some behind it
 * @load: ends with load->done()
 * @entry: the index's; its slot is pinned, and this takes the pin over
 * @slot: its place, with one peer
 * @plan: what to read ahead
 *
 * Never sleeps, does not wait. When all READs are in use the load is begun again once one is free, or memory for one.
 */
void fetch_load(struct tmem_load *load, void *entry, const struct extent_slot *slot, const struct prefetch_plan *plan);

/* Reads the remote ones of the planned pages ahead, as far as memory and peers allow. Never sleeps, does not wait. */
void fetch_ahead(struct tmem_pool *pool, const struct prefetch_plan *plan);

/**
 * fetch_home - bring remote pages home: each that comes is local again
 * @indices: @nr of them
 * @purpose: FETCH_HOME, or FETCH_DISK
 *
 * Never sleeps, does not wait. What is not remote, or finds no memory, is left as it is.
 */
void fetch_home(struct tmem_pool *pool, const u32 *indices, unsigned int nr, enum fetch_purpose purpose);

/*
 * Sleeps until all pages of fetch_home() have come or failed but those of at most @max READs, for @timeout jiffies at most.
 * Returns whether that is so.
 */
bool fetch_home_wait(enum fetch_purpose purpose, unsigned int max, unsigned long timeout);

/* May sleep. */
int fetch_init(void);
/* No load is under way or will come, on both. May sleep. fetch_stop() before r2net_exit(), fetch_exit() after it. */
void fetch_stop(void);
void fetch_exit(void);

#endif
