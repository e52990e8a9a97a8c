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
 * What the kernel keeps free, in pages: vm.min_free_kbytes. Without what it keeps more for a while after memory was
 * fragmented, which may be several times as much: whoever wants memory has gone down to the former by then, and if stores had
 * to stay above the latter nobody could free any.
 */
static unsigned long reserve_pages(void)
{
	unsigned long pages = 0;
	int node, i;

	for_each_online_node(node)
		for (i = 0; i < MAX_NR_ZONES; i++)
			pages += READ_ONCE(NODE_DATA(node)->node_zones[i]._watermark[WMARK_MIN]);
	return pages;
}

static gfp_t gfp_down_to(unsigned int eighths)
{
	if (reserves && global_zone_page_state(NR_FREE_PAGES) > reserve_pages() * eighths / 8)
		return GFP_NOWAIT | __GFP_MEMALLOC | __GFP_NOWARN;
	return GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN;
}

gfp_t reserve_store_gfp(void)
{
	return gfp_down_to(STORE_FLOOR_EIGHTHS);
}

gfp_t reserve_table_gfp(void)
{
	return gfp_down_to(TABLE_FLOOR_EIGHTHS);
}

unsigned long reserve_send_bytes(void)
{
	return (reserve_pages() << PAGE_SHIFT) / SEND_SHARE;
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
