/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reserve.h - how far stores may go into the memory that the kernel keeps for those who free memory.
 *
 * A store frees a page for the part of one that it takes, and mostly runs just because no other memory is left: without
 * the reserve it would fail when it is needed most. But receiving a peer's acknowledgement needs the reserve, too. So
 * stores may take it down to a floor, and the rest is the network's.
 */
#ifndef _RAMSTER_RESERVE_H
#define _RAMSTER_RESERVE_H

#include <linux/types.h>

/* What a store allocates with now. Never sleeps. Any context. */
gfp_t reserve_store_gfp(void);

/* Bytes that all send buffers together may take. */
unsigned long reserve_send_bytes(void);

#endif
