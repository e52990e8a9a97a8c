/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reserve - the memory that the kernel keeps free on a node that borrows.
 */
#ifndef _RAMSTER_RESERVE_H
#define _RAMSTER_RESERVE_H

/*
 * Raises vm.min_free_kbytes to a thirty-second of RAM, 64 MiB at most, unless it is that high already: swapping to a peer
 * takes memory for packets just when there is none left. Never lowers it. Logs what it does, or why it cannot.
 */
void reserve_raise(void);

#endif
