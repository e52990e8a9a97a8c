// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reserve.c - stands in for kernel/ramster/reserve.c: a process has no reserve to share.
 */
#include <linux/gfp.h>

#include "reserve.h"

gfp_t reserve_store_gfp(void)
{
	return GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN;
}

unsigned long reserve_send_bytes(void)
{
	return 1 << 20;
}
