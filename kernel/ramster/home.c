// SPDX-License-Identifier: GPL-2.0
/*
 * home.c - brings remote pages home: asks for the pages of an extent's slots, block by block.
 */
#include <linux/jiffies.h>
#include <linux/kthread.h>

#include "extent_table.h"
#include "fetch.h"
#include "home.h"
#include "netlink.h"
#include "tmem.h"
#include "zcache.h"

#define HOME_READS 4 /* under way while pages come home */
#define HOME_WAIT HZ
#define HOME_PAGES R2NET_MAX_ITEMS

/* Asks for those at the beginning of @owners that are of one pool. Returns how many. */
static unsigned int owners_home(const struct extent_owner *owners, unsigned int nr)
{
	struct tmem_pool *pool = tmem_pool_find(owners[0].pool);
	u32 indices[HOME_PAGES];
	unsigned int i;

	for (i = 0; i < nr && owners[i].pool == owners[0].pool; i++)
		indices[i] = owners[i].index;
	if (pool) {
		fetch_home(pool, indices, i, FETCH_HOME);
		tmem_pool_put(pool);
	}
	return i;
}

/* Asks for up to @max pages of a block. Returns how many, and in @goes_on whether it makes sense to ask for more. */
static unsigned int block_home(struct extent *extent, unsigned int block, unsigned int max, bool *goes_on)
{
	struct slot_cursor cursor = { .extent = extent->number, .block = block };
	struct extent_owner owners[HOME_PAGES];
	unsigned int nr, i, asked = 0;

	while (*goes_on && asked < max) {
		nr = slot_owners(&cursor, owners, min_t(unsigned int, HOME_PAGES, max - asked));
		if (!nr)
			break;
		for (i = 0; i < nr;)
			i += owners_home(&owners[i], nr - i);
		asked += nr;
		*goes_on =
			fetch_home_wait(FETCH_HOME, HOME_READS, HOME_WAIT) && !zcache_full() && !kthread_should_stop();
	}
	return asked;
}

unsigned int home_extent(struct extent *extent, unsigned int max)
{
	bool goes_on = !zcache_full();
	unsigned int block, i, asked = 0;
	u32 before = READ_ONCE(extent->pages);

	for (block = 0; block < extent_nr_blocks(extent) && goes_on; block++)
		asked += block_home(extent, block, max - asked, &goes_on);
	fetch_home_wait(FETCH_HOME, 0, HOME_WAIT);
	spin_lock(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++) {
		extent->legs[i]->retry = extent->pages < before ? 0 : jiffies + LEASE_RETRY;
		if (extent->pages < before)
			extent->legs[i]->emptied = jiffies;
	}
	extent_let_go(extent);
	spin_unlock(&extents_lock);
	netlink_event_vacated();
	return asked;
}

/* The extent with the fewest pages, held; NULL if there are none. */
static struct extent *emptiest_extent(void)
{
	struct extent *best = NULL;
	struct lease *lease;

	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->extent && lease->extent->pages && !lease->extent->held && lease_may_try(lease) &&
		    (!best || lease->extent->pages < best->pages))
			best = lease->extent;
	if (best)
		extent_hold(best);
	spin_unlock(&extents_lock);
	return best;
}

unsigned int home_some(unsigned int pages)
{
	struct extent *extent = zcache_far_below_high() ? emptiest_extent() : NULL;

	return extent ? home_extent(extent, pages) : 0;
}
