/* SPDX-License-Identifier: GPL-2.0 */
/*
 * move.h - remote pages that have to be elsewhere: the thread that empties leases which their lenders want back, restores
 * copies that were lost, and brings pages home.
 */
#ifndef _RAMSTER_MOVE_H
#define _RAMSTER_MOVE_H

#include <linux/types.h>

/* Something changed that may give the thread work, or let it go on. Any context. */
void move_wake(void);

/* Brings up to @pages remote pages home, those of the emptiest extents first. Replaces what is left of an earlier call. */
void move_home(unsigned int pages);

/* With copies = 2: the silence of a lender after which what is there is copied from its other lender to a third. */
void move_set_restore_after(unsigned int seconds);

/* Bytes of leases that are wanted for copies that lack and have nowhere to go. Any context. */
u64 move_wanted_bytes(void);

/* Leases were added: what is wanted is counted anew. Any context. */
void move_leases_came(void);

/* May sleep. move_stop() ends the thread; move_exit() wants every request to be released. */
int move_init(void);
void move_stop(void);
void move_exit(void);

#endif
