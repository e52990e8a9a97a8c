/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_VMSTAT_H
#define _SHIM_VMSTAT_H

enum zone_stat_item {
	NR_FREE_PAGES,
};

/* Pages of RAM that are said to be free. */
extern unsigned long shim_free_pages;

static inline unsigned long global_zone_page_state(enum zone_stat_item item)
{
	return READ_ONCE(shim_free_pages);
}

#endif
