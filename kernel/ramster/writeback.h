/* SPDX-License-Identifier: GPL-2.0 */
/*
 * writeback.h - from RAM to the disk: the thread that writes the coldest pages to swapdev's backing device when neither this
 * node nor peers have room for newer ones.
 *
 * With writethrough it also writes the coldest here before peers get them, so that their loss with a peer is none.
 *
 * The order is own RAM, peers, disk. So the coldest pages of peers go first: they are read into local RAM, and written from
 * there; that makes room with the peers for the coldest here. Where there is none with peers, the coldest here go.
 */
#ifndef _RAMSTER_WRITEBACK_H
#define _RAMSTER_WRITEBACK_H

#include <linux/types.h>

struct tmem_pool;

/*
 * Whether peers shall only have pages that the disk has, too (writethrough). Those that they have by then are not written. May
 * sleep.
 */
void writeback_set_through(bool through);

/* Whether there are pages to be written through by now. Any context. */
bool writeback_through_due(void);

/* Begins to work for a pool that has a backing device. May sleep. Returns 0, -EBUSY, or -ENOMEM. */
int writeback_start(struct tmem_pool *pool);
/* Nothing is being written afterwards. May sleep. Nothing if it was not started. */
void writeback_stop(void);

/* Peers have no room, or pages came that were fetched for the disk. Any context. */
void writeback_wake(void);

/* Whether pages are on their way to the disk, or could be. Any context. */
bool writeback_may_make_room(void);

#endif
