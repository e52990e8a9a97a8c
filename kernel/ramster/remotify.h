/* SPDX-License-Identifier: GPL-2.0 */
/*
 * remotify.h - from local to remote: the thread that sends the coldest zpages to peers, many in a WRITE.
 *
 * It works from when zcache is above its high mark until it is below its low one. Everything that it needs while memory is
 * short is allocated at start.
 */
#ifndef _RAMSTER_REMOTIFY_H
#define _RAMSTER_REMOTIFY_H

#include <linux/types.h>

/* Something changed that may let the thread go on: zcache grew, space or a connection came. Any context. */
void remotify_wake(void);

/* How many copies that were fetched ahead are too old to be of much use. */
u64 remotify_old_copies(void);

/* Makes room for @nr more pages, as a shrinker asks. Never sleeps. Returns how many copies it dropped at once. */
unsigned long remotify_shrink(unsigned long nr);

/* Whether pages are on their way to a peer, or could be. Never sleeps. */
bool remotify_may_make_room(void);

/* Somebody else has made room. Any context. */
void remotify_made_room(void);

/* Sleeps until pages have left zcache, for @timeout jiffies at most. Returns whether some have. */
bool remotify_wait_for_room(unsigned long timeout);

/* Bytes of remote space wanted beyond what is leased. Any context. */
u64 remotify_need(void);

/* Bytes of free remote space to be kept at hand. */
void remotify_set_low_water(u64 bytes);

/* May sleep. remotify_stop() ends the thread; remotify_exit() wants every WRITE to be released. */
int remotify_init(void);
void remotify_stop(void);
void remotify_exit(void);

#endif
