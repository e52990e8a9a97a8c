/* SPDX-License-Identifier: GPL-2.0 */
/*
 * swapdev.h - /dev/ramster0, the front end that every kernel has: a swap disk that keeps its pages with RAMster.
 */
#ifndef _RAMSTER_SWAPDEV_H
#define _RAMSTER_SWAPDEV_H

#include <linux/bio.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "backing.h"

struct gendisk;
struct tmem_pool;

/* Bios, advanced to the first page that could not be served without sleeping. */
struct swapdev_deferred {
	spinlock_t lock;
	struct bio_list bios;
	struct work_struct work;
};

struct swapdev {
	struct gendisk *disk;
	struct mutex lock; /* of whoever changes the configuration; capacity 0 keeps I/O out meanwhile */
	struct tmem_pool *pool; /* while it has a size */
	struct backing backing;
	struct swapdev_deferred reads; /* for want of memory */
	spinlock_t disk_lock;
	struct list_head disk_loads; /* struct tmem_load: to be read from the backing device; under disk_lock */
	struct work_struct disk_work;
	struct llist_head used_again; /* struct swapdev_load: read from there for the second time */
	struct work_struct up_work;
	struct swapdev_deferred writes; /* to the backing device, or until there is room */
	bool through; /* peers shall only have pages that the backing device has, too; under lock */
	unsigned long gave_up; /* jiffies when a write waited for room in vain; 0: none did since a store */
};

/* swapdev_io.c: what happens to bios. */

/* Serves a bio, now or later. Never sleeps for I/O. */
void swapdev_submit(struct swapdev *dev, struct bio *bio);
/* A page is freed. Under spinlocks. */
void swapdev_free_page(struct swapdev *dev, unsigned long index);
/* May sleep. */
int swapdev_io_init(struct swapdev *dev);
void swapdev_io_exit(struct swapdev *dev);

/* swapdev.c: the disk. */

/* The disk's device number. Any context, from swapdev_init() on. */
dev_t swapdev_devt(void);

/* Sets writethrough. Returns 0, or -EINVAL if the disk has a size and no backing device. May sleep; also before swapdev_init(). */
int swapdev_set_through(bool through);

/* May sleep. */
int swapdev_init(void);
void swapdev_exit(void);

#endif
