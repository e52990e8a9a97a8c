// SPDX-License-Identifier: GPL-2.0
/*
 * reserve.c - the kernel's reserve, shared between stores and the network.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/vmstat.h>
#include <net/sock.h>

#include "reserve.h"

/* Of the reserve, in eighths: atomic allocations, such as the network's, may go down to about three eighths themselves. */
#define STORE_FLOOR_EIGHTHS 5
#define TABLE_FLOOR_EIGHTHS 4
#define SEND_SHARE 4

static const bool reserves = !IS_ENABLED(CONFIG_RAMSTER_WITHOUT_RESERVES);

/*
 * What the kernel keeps free, in pages: vm.min_free_kbytes, and @boosted by what it keeps more for a while after memory
 * was fragmented, which may be several times as much.
 */
static unsigned long reserve_pages(bool boosted)
{
	unsigned long pages = 0;
	struct zone *zone;
	int node, i;

	for_each_online_node(node) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			zone = &NODE_DATA(node)->node_zones[i];
			pages += READ_ONCE(zone->_watermark[WMARK_MIN]);
			if (boosted)
				pages += READ_ONCE(zone->watermark_boost);
		}
	}
	return pages;
}

static gfp_t gfp_down_to(unsigned long floor)
{
	if (reserves && global_zone_page_state(NR_FREE_PAGES) > floor)
		return GFP_NOWAIT | __GFP_MEMALLOC | __GFP_NOWARN;
	return GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN;
}

gfp_t reserve_store_gfp(void)
{
	return gfp_down_to(reserve_pages(true) * STORE_FLOOR_EIGHTHS / 8);
}

gfp_t reserve_table_gfp(void)
{
	/* What stores have taken before the boost must not be missed here after it. */
	return gfp_down_to(reserve_pages(false) * TABLE_FLOOR_EIGHTHS / 8);
}

unsigned long reserve_send_bytes(void)
{
	return (reserve_pages(true) << PAGE_SHIFT) / SEND_SHARE;
}

unsigned int reserve_task_enter(void)
{
	unsigned int noio = memalloc_noio_save();

	return noio | (reserves ? memalloc_noreclaim_save() : 0);
}

void reserve_task_leave(unsigned int flags)
{
	if (reserves)
		memalloc_noreclaim_restore(flags & PF_MEMALLOC);
	memalloc_noio_restore(flags & PF_MEMALLOC_NOIO);
}

void reserve_socket_enter(struct sock *sk)
{
	if (reserves)
		sk_set_memalloc(sk);
}

void reserve_socket_leave(struct sock *sk)
{
	if (reserves)
		sk_clear_memalloc(sk);
}
