/* SPDX-License-Identifier: GPL-2.0 */
/*
 * relocate.h - extents on their way from one lease to another, for move.c's thread, which alone calls all of this.
 */
#ifndef _RAMSTER_RELOCATE_H
#define _RAMSTER_RELOCATE_H

#include <linux/types.h>

struct lease;

/* Whether one more may begin now; that stays so until relocate_begin(). May sleep. */
bool relocate_may_begin(void);

/**
 * relocate_begin - begin to copy an extent
 * @from: the leg to read from
 * @to: the lease to write to, which is free
 * @gone: the leg whose place @to takes in the end: @from, another, or NULL and it is one leg more
 *
 * Under extents_lock. Pins the leases and holds the extent until it is over, well or not.
 */
void relocate_begin(struct lease *from, struct lease *to, struct lease *gone);

/* Lets each go on as far as it can without waiting. May sleep. Returns whether something was done. */
bool relocate_step(void);

/* Whether any is under way, or kept by a lender that does not answer. */
bool relocate_busy(void);

/* All lenders are dead: returns when nothing is under way. Sleeps. */
void relocate_stop(void);

/* May sleep. */
int relocate_init(void);
void relocate_exit(void);

#endif
