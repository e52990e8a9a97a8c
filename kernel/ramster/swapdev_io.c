// SPDX-License-Identifier: GPL-2.0
/*
 * swapdev_io.c - serves bios page by page.
 *
 * What can be served without sleeping is served in submit_bio: stores, and the beginning of loads, whose ends may come
 * later. When a page cannot, the bio is advanced to it and goes on in a worker: one for reads; one for writes, which may
 * wait there for room, as long as some is made. Loads of what is on the backing device end in a third. A bio ends when all
 * its pages have: each load, and each I/O to the backing device, holds one count of bio_inc_remaining().
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/oom.h>
#include <linux/slab.h>

#include "counters.h"
#include "lent.h"
#include "remotify.h"
#include "swapdev.h"
#include "tmem.h"
#include "writeback.h"
#include "zcache.h"

#define LOADS_RESERVE 64 /* loads that can be under way when memory is short */
#define LOAD_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)
#define ROOM_WAIT (2 * HZ) /* for room; then the fallback or an error */
#define ROOM_POLL (HZ / 50)
#define BIO_PATIENT REQ_DRV /* a read of swapoff, which frees a page that it cannot read for ever */

struct swapdev_load {
	struct tmem_load load;
	struct swapdev *dev;
	struct bio *bio;
	struct backing_read read;
	struct llist_node link; /* in used_again */
};

static struct kmem_cache *load_cache;
static mempool_t *loads;

/* Each has a thread of its own when memory is short: reads wait for loads that disk_wq ends, and must not wait for writes. */
static struct workqueue_struct *read_wq, *write_wq, *disk_wq;

static unsigned long bio_index(const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> (PAGE_SHIFT - SECTOR_SHIFT);
}

static void load_end(struct swapdev_load *load)
{
	struct bio *bio = load->bio;

	flush_dcache_page(load->load.page);
	mempool_free(load, loads);
	bio_endio(bio);
}

static void load_done(struct tmem_load *tload, int err)
{
	struct swapdev_load *load = container_of(tload, struct swapdev_load, load);

	if (err == -ENOENT) {
		count(loads_empty);
		clear_highpage(tload->page);
	} else if (err) {
		clear_highpage(tload->page);
		load->bio->bi_status = BLK_STS_IOERR;
	}
	load_end(load);
}

/* A worker reads it. */
static void load_from_disk(struct swapdev_load *load)
{
	struct swapdev *dev = load->dev;

	spin_lock(&dev->disk_lock);
	list_add_tail(&load->load.link, &dev->disk_loads);
	spin_unlock(&dev->disk_lock);
	queue_work(disk_wq, &dev->disk_work);
}

/* What is not in RAM anywhere may be on the backing device, or may have come from there to RAM just now. */
static bool load_elsewhere(struct tmem_load *tload, int err)
{
	struct swapdev_load *load = container_of(tload, struct swapdev_load, load);

	switch (tmem_place(load->dev->pool, tload->index)) {
	case TMEM_DISK:
		load_from_disk(load);
		return true;
	case TMEM_RAM:
		if (err != -ENOENT)
			return false;
		if (!tmem_load_again(tload, 0))
			tmem_load_done(tload, -EIO); /* it moves faster than it can be read, but it is not nothing */
		return true;
	default:
		return false;
	}
}

/* A page that is used for the second time has come too far down. */
static void up_work(struct work_struct *work)
{
	struct swapdev *dev = container_of(work, struct swapdev, up_work);
	struct swapdev_load *load, *next;

	llist_for_each_entry_safe(load, next, llist_del_all(&dev->used_again), link) {
		/* The kernel has locked what it swaps in; what a program reads into its memory it may change at any time. */
		if (PageLocked(load->load.page) && compat_page_swapbacked(load->load.page) && !load->load.patient &&
		    !lent_page(load->load.page))
			tmem_bring_up(dev->pool, &load->read);
		load_end(load);
	}
}

static void read_done(struct backing_read *read, int err)
{
	struct swapdev_load *load = container_of(read, struct swapdev_load, read);
	struct swapdev *dev = load->dev; /* a worker may have ended the load as soon as it is in the list */

	if (err)
		load->bio->bi_status = BLK_STS_IOERR;
	if (err || !read->again) {
		load_end(load);
		return;
	}
	llist_add(&load->link, &dev->used_again);
	queue_work(disk_wq, &dev->up_work);
}

static void disk_work(struct work_struct *work)
{
	struct swapdev *dev = container_of(work, struct swapdev, disk_work);
	struct tmem_load *tload, *next;
	struct swapdev_load *load;
	struct blk_plug plug;
	LIST_HEAD(tloads);

	spin_lock(&dev->disk_lock);
	list_splice_init(&dev->disk_loads, &tloads);
	spin_unlock(&dev->disk_lock);
	blk_start_plug(&plug);
	list_for_each_entry_safe(tload, next, &tloads, link) {
		load = container_of(tload, struct swapdev_load, load);
		count(loads_backing);
		load->read = (struct backing_read){ .index = tload->index, .page = tload->page, .done = read_done };
		backing_read(&dev->backing, &load->read);
	}
	blk_finish_plug(&plug);
}

/* Returns 0, or -EAGAIN if that takes sleeping and @may_sleep is false. */
static int read_page(struct swapdev *dev, struct bio *bio, struct page *page, bool may_sleep)
{
	unsigned long index = bio_index(bio);
	struct swapdev_load *load;

	load = mempool_alloc(loads, may_sleep ? GFP_NOIO : LOAD_GFP);
	if (!load)
		return -EAGAIN;
	load->dev = dev;
	load->bio = bio;
	load->load = (struct tmem_load){
		.pool = dev->pool,
		.index = index,
		.page = page,
		.patient = bio->bi_opf & BIO_PATIENT,
		.start = ktime_get(),
		.done = load_done,
		.elsewhere = load_elsewhere,
	};
	bio_inc_remaining(bio);
	tmem_load(&load->load);
	return 0;
}

static int store_page(struct swapdev *dev, unsigned long index, struct page *page)
{
	/* Page 0 is the swap header, which is read when no peer may be there yet. */
	bool lent = lent_page(page);
	int err = tmem_store(dev->pool, index, page, index == 0 || lent);

	if (!err && lent)
		count(stores_lent);
	return err;
}

/* Whether there was no room just now, so that waiting again would only hold up whoever needs to know. */
static bool gave_up_lately(const struct swapdev *dev)
{
	unsigned long gave_up = READ_ONCE(dev->gave_up);

	return gave_up && time_before(jiffies, gave_up + ROOM_WAIT);
}

static bool may_make_room(void)
{
	return remotify_may_make_room() || writeback_may_make_room();
}

/*
 * Tries until the store succeeds, as long as there is hope: pages are leaving zcache, or memory is short, which may pass.
 * In the writes' worker. Later writes do not queue up behind it: each of them that succeeds frees a page. Those that come
 * here after it has given up share its wait.
 */
static int store_page_wait(struct swapdev *dev, unsigned long index, struct page *page)
{
	unsigned long end = jiffies + ROOM_WAIT;
	int err;

	if (gave_up_lately(dev))
		end = jiffies;
	while ((err = store_page(dev, index, page))) {
		if (time_after_eq(jiffies, end))
			break;
		if (err == -ENOSPC ? !may_make_room() : backing_is_open(&dev->backing))
			break;
		/* The room that is made may be all others'. Who has a disk need not go on waiting for some of it. */
		if (remotify_wait_for_room(ROOM_POLL) && !backing_is_open(&dev->backing))
			end = jiffies + ROOM_WAIT;
	}
	if (!err)
		WRITE_ONCE(dev->gave_up, 0);
	else if (!gave_up_lately(dev))
		WRITE_ONCE(dev->gave_up, jiffies);
	return err;
}

static void write_failed(struct bio *bio, int err)
{
	bio->bi_status = err == -ENOSPC ? BLK_STS_NOSPC : BLK_STS_RESOURCE;
	pr_err_ratelimited("ramster0: full: no local room, no peer with space and no backing device\n");
}

static int write_page(struct swapdev *dev, struct bio *bio, struct page *page, bool may_sleep)
{
	unsigned long index = bio_index(bio);
	int err;

	if (!may_sleep) {
		err = store_page(dev, index, page);
		if (!err)
			return 0;
		if (backing_is_open(&dev->backing) || !gave_up_lately(dev))
			return -EAGAIN;
		write_failed(bio, err);
		return 0;
	}
	err = store_page_wait(dev, index, page);
	if (!err)
		return 0;
	if (backing_is_open(&dev->backing)) {
		count(stores_backing);
		bio_inc_remaining(bio);
		mutex_lock(&dev->backing.writes);
		tmem_invalidate(dev->pool, index);
		backing_write(&dev->backing, bio, page, index);
		mutex_unlock(&dev->backing.writes);
		return 0;
	}
	write_failed(bio, err);
	return 0;
}

/* Serves the bio's pages from bi_iter on. Returns false if it must go on in a worker. */
static bool serve_pages(struct swapdev *dev, struct bio *bio, bool may_sleep)
{
	while (bio->bi_iter.bi_size) {
		struct bio_vec bv = bio_iter_iovec(bio, bio->bi_iter);
		int err;

		if (bv.bv_len != PAGE_SIZE || bv.bv_offset) {
			bio->bi_status = BLK_STS_IOERR;
			break;
		}
		if (op_is_write(bio_op(bio)))
			err = write_page(dev, bio, bv.bv_page, may_sleep);
		else
			err = read_page(dev, bio, bv.bv_page, may_sleep);
		if (err)
			return false;
		bio_advance(bio, PAGE_SIZE);
	}
	return true;
}

static void defer(struct swapdev_deferred *deferred, struct workqueue_struct *wq, struct bio *bio)
{
	spin_lock(&deferred->lock);
	bio_list_add(&deferred->bios, bio);
	spin_unlock(&deferred->lock);
	queue_work(wq, &deferred->work);
}

static void serve_deferred(struct swapdev *dev, struct swapdev_deferred *deferred)
{
	struct bio *bio;

	for (;;) {
		spin_lock(&deferred->lock);
		bio = bio_list_pop(&deferred->bios);
		spin_unlock(&deferred->lock);
		if (!bio)
			return;
		serve_pages(dev, bio, true);
		bio_endio(bio);
	}
}

static void reads_work(struct work_struct *work)
{
	struct swapdev *dev = container_of(work, struct swapdev, reads.work);

	serve_deferred(dev, &dev->reads);
}

static void writes_work(struct work_struct *work)
{
	struct swapdev *dev = container_of(work, struct swapdev, writes.work);

	serve_deferred(dev, &dev->writes);
}

void swapdev_free_page(struct swapdev *dev, unsigned long index)
{
	tmem_invalidate(dev->pool, index);
}

static void discard(struct swapdev *dev, struct bio *bio)
{
	unsigned long index = bio_index(bio), nr = bio->bi_iter.bi_size >> PAGE_SHIFT, i;

	tmem_invalidate_range(dev->pool, index, nr);
	if (backing_is_open(&dev->backing))
		for (i = 0; i < nr; i++)
			backing_forget(&dev->backing, index + i);
	bio_endio(bio);
}

void swapdev_submit(struct swapdev *dev, struct bio *bio)
{
	/* A kernel that takes no size for any size lets I/O come before there is a pool. */
	if (!get_capacity(dev->disk) || bio->bi_iter.bi_sector & ((PAGE_SIZE >> SECTOR_SHIFT) - 1)) {
		bio_io_error(bio);
		return;
	}
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		if (oom_task_origin(current))
			bio->bi_opf |= BIO_PATIENT;
		if (serve_pages(dev, bio, false))
			bio_endio(bio);
		else
			defer(&dev->reads, read_wq, bio);
		break;
	case REQ_OP_WRITE:
		if (serve_pages(dev, bio, false)) {
			bio_endio(bio);
		} else {
			count(stores_deferred);
			defer(&dev->writes, write_wq, bio);
		}
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		discard(dev, bio);
		break;
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
	}
}

static void deferred_init(struct swapdev_deferred *deferred, work_func_t work)
{
	spin_lock_init(&deferred->lock);
	bio_list_init(&deferred->bios);
	INIT_WORK(&deferred->work, work);
}

int swapdev_io_init(struct swapdev *dev)
{
	spin_lock_init(&dev->disk_lock);
	INIT_LIST_HEAD(&dev->disk_loads);
	INIT_WORK(&dev->disk_work, disk_work);
	init_llist_head(&dev->used_again);
	INIT_WORK(&dev->up_work, up_work);
	deferred_init(&dev->reads, reads_work);
	deferred_init(&dev->writes, writes_work);
	load_cache = KMEM_CACHE(swapdev_load, 0);
	if (!load_cache)
		return -ENOMEM;
	loads = mempool_create_slab_pool(LOADS_RESERVE, load_cache);
	if (!loads)
		goto err_cache;
	read_wq = alloc_workqueue("ramster_read", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!read_wq)
		goto err_loads;
	write_wq = alloc_workqueue("ramster_write", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!write_wq)
		goto err_read;
	disk_wq = alloc_workqueue("ramster_disk", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!disk_wq)
		goto err_write;
	return 0;

err_write:
	destroy_workqueue(write_wq);
err_read:
	destroy_workqueue(read_wq);
err_loads:
	mempool_destroy(loads);
err_cache:
	kmem_cache_destroy(load_cache);
	return -ENOMEM;
}

void swapdev_io_exit(struct swapdev *dev)
{
	destroy_workqueue(disk_wq);
	destroy_workqueue(write_wq);
	destroy_workqueue(read_wq);
	mempool_destroy(loads);
	kmem_cache_destroy(load_cache);
}
