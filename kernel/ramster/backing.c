// SPDX-License-Identifier: GPL-2.0
/*
 * backing.c - pages on swapdev's backing device.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "counters.h"

#define BACKING_BIOS 64 /* I/Os that can be under way when memory is short */

static atomic_long_t all_pages;

bool backing_has(const struct backing *backing, unsigned long index)
{
	return index < backing->nr && test_bit(index, backing->pages);
}

void backing_keep(struct backing *backing, unsigned long index)
{
	if (!test_and_set_bit(index, backing->pages)) {
		atomic_long_inc(&backing->used);
		atomic_long_inc(&all_pages);
	}
}

void backing_forget(struct backing *backing, unsigned long index)
{
	if (index < backing->nr && test_and_clear_bit(index, backing->pages)) {
		atomic_long_dec(&backing->used);
		atomic_long_dec(&all_pages);
	}
}

static void backing_end_io(struct bio *bio)
{
	struct bio *parent = bio->bi_private;

	if (bio->bi_status) {
		parent->bi_status = bio->bi_status;
		if (!op_is_write(bio_op(bio))) {
			count(loads_failed);
			clear_highpage(bio_first_page_all(bio)); /* it may be mapped even so */
		}
	}
	bio_put(bio);
	bio_endio(parent);
}

void backing_rw(struct backing *backing, struct bio *parent, struct page *page, unsigned long index)
{
	struct bio *bio = bio_alloc_bioset(backing->dev.bdev, 1, parent->bi_opf & (REQ_OP_MASK | REQ_SWAP | REQ_SYNC),
					   GFP_NOIO, &backing->bios);

	if (op_is_write(bio_op(parent))) {
		lockdep_assert_held(&backing->writes);
		backing_keep(backing, index);
	}
	bio->bi_iter.bi_sector = (sector_t)index << (PAGE_SHIFT - SECTOR_SHIFT);
	bio->bi_private = parent;
	bio->bi_end_io = backing_end_io;
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	submit_bio(bio);
}

/* A batch under way, on the stack of whoever waits. */
struct batch_wait {
	struct backing_batch *batch;
	atomic_t left;
	struct completion done;
};

static void batch_end_io(struct bio *bio)
{
	struct batch_wait *wait = bio->bi_private;
	struct backing_batch *batch = wait->batch;
	struct page *page = bio_first_page_all(bio);
	unsigned int i;

	if (bio->bi_status) {
		for (i = 0; batch->pages[i] != page; i++)
			;
		set_bit(i, (unsigned long *)&batch->failed);
	}
	bio_put(bio);
	if (atomic_dec_and_test(&wait->left))
		complete(&wait->done);
}

void backing_write_batch(struct backing *backing, struct backing_batch *batch)
{
	struct batch_wait wait = {
		.batch = batch,
		.left = ATOMIC_INIT(1),
		.done = COMPLETION_INITIALIZER_ONSTACK(wait.done),
	};
	struct blk_plug plug;
	struct bio *bio;
	unsigned int i;

	lockdep_assert_held(&backing->writes);
	batch->failed = 0;
	blk_start_plug(&plug); /* neighbours become one request */
	for (i = 0; i < batch->nr; i++) {
		bio = bio_alloc_bioset(backing->dev.bdev, 1, REQ_OP_WRITE | REQ_SWAP, GFP_NOIO, &backing->bios);
		bio->bi_iter.bi_sector = (sector_t)batch->indices[i] << (PAGE_SHIFT - SECTOR_SHIFT);
		bio->bi_private = &wait;
		bio->bi_end_io = batch_end_io;
		__bio_add_page(bio, batch->pages[i], PAGE_SIZE, 0);
		atomic_inc(&wait.left);
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
	if (!atomic_dec_and_test(&wait.left))
		wait_for_completion_io(&wait.done);
}

int backing_resize(struct backing *backing, unsigned long nr)
{
	if (!backing_is_open(backing))
		return 0;
	if (bdev_nr_bytes(backing->dev.bdev) >> PAGE_SHIFT < nr)
		return -ENOSPC;
	backing->pages = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	if (!backing->pages)
		return -ENOMEM;
	backing->nr = nr;
	return 0;
}

int backing_open(struct backing *backing, const char *path)
{
	int err;

	backing->path = kstrdup(path, GFP_KERNEL);
	if (!backing->path)
		return -ENOMEM;
	err = bioset_init(&backing->bios, BACKING_BIOS, 0, BIOSET_NEED_BVECS);
	if (err)
		goto err_path;
	err = compat_bdev_open(&backing->dev, path, backing);
	if (err)
		goto err_bios;
	return 0;

err_bios:
	bioset_exit(&backing->bios);
err_path:
	kfree(backing->path);
	backing->path = NULL;
	return err;
}

void backing_close(struct backing *backing)
{
	if (!backing_is_open(backing))
		return;
	compat_bdev_close(&backing->dev);
	bioset_exit(&backing->bios);
	kfree(backing->path);
	backing->path = NULL;
	atomic_long_sub(atomic_long_read(&backing->used), &all_pages);
	atomic_long_set(&backing->used, 0);
	kvfree(backing->pages);
	backing->pages = NULL;
	backing->nr = 0;
}

u64 backing_pages(void)
{
	return atomic_long_read(&all_pages);
}
