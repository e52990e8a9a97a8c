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

gfp_t reserve_table_gfp(void)
{
	return GFP_NOWAIT | __GFP_MEMALLOC | __GFP_NOWARN;
}

unsigned long reserve_send_bytes(void)
{
	return 1 << 20;
}

void reserve_socket_enter(struct sock *sk)
{
}

void reserve_socket_leave(struct sock *sk)
{
}

unsigned int reserve_task_enter(void)
{
	return 0;
}

void reserve_task_leave(unsigned int flags)
{
}
