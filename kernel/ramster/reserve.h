/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reserve.h - the memory that the kernel keeps for those who free memory: who may take of it, and how much.
 *
 * A store frees a page for the part of one that it takes, and mostly runs just because no other memory is left: without
 * the reserve it would fail when it is needed most. Pages that leave need tables of the blocks that they go to: 1 KiB
 * for 128 KiB of the usual ones. And receiving a peer's acknowledgement needs the reserve, too. So stores may take it
 * down to a floor, tables a little further, lest stores leave nothing to make room with, and the rest is the network's.
 *
 * Built with CONFIG_RAMSTER_WITHOUT_RESERVES nobody gets any. That shows what the reserve is for, and is of no other use.
 */
#ifndef _RAMSTER_RESERVE_H
#define _RAMSTER_RESERVE_H

#include <linux/types.h>

struct sock;

/* What a store allocates with now. Never sleeps. Any context. */
gfp_t reserve_store_gfp(void);

/* What a block's table is allocated with now. Never sleeps. Any context. */
gfp_t reserve_table_gfp(void);

/* Bytes that all send buffers together may take. Any context. */
unsigned long reserve_send_bytes(void);

/*
 * From here to reserve_task_leave() the calling thread, one of the module's own, may use the reserve, and waits for no
 * input or output when it allocates. Returns what reserve_task_leave() takes.
 */
unsigned int reserve_task_enter(void);
void reserve_task_leave(unsigned int flags);

/* What the socket sends and receives may use the reserve. The caller owns the socket. May sleep. */
void reserve_socket_enter(struct sock *sk);
void reserve_socket_leave(struct sock *sk);

#endif
