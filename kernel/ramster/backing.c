// SPDX-License-Identifier: GPL-2.0
/*
 * backing.c - pages on swapdev's backing device.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
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
	atomic_inc(&backing->came[index % BACKING_CAME]);
	clear_bit(index, backing->used_once);
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

static struct bio *page_bio(struct backing *backing, blk_opf_t op, struct page *page, unsigned long index)
{
	struct bio *bio = bio_alloc_bioset(backing->dev.bdev, 1, op, GFP_NOIO, &backing->bios);

	bio->bi_iter.bi_sector = (sector_t)index << (PAGE_SHIFT - SECTOR_SHIFT);
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	return bio;
}

static void read_end_io(struct bio *bio)
{
	struct backing_read *read = bio->bi_private;
	int err = bio->bi_status ? -EIO : 0;

	bio_put(bio);
	if (err) {
		count(loads_failed);
		clear_highpage(read->page); /* it may be mapped even so */
	}
	read->done(read, err);
}

bool backing_is_same(const struct backing *backing, const struct backing_read *read)
{
	return backing_has(backing, read->index) &&
	       atomic_read(&backing->came[read->index % BACKING_CAME]) == read->came;
}

void backing_read(struct backing *backing, struct backing_read *read)
{
	struct bio *bio = page_bio(backing, REQ_OP_READ | REQ_SWAP | REQ_SYNC, read->page, read->index);

	read->came = atomic_read(&backing->came[read->index % BACKING_CAME]);
	read->again = test_and_set_bit(read->index, backing->used_once);
	bio->bi_private = read;
	bio->bi_end_io = read_end_io;
	submit_bio(bio);
}

static void batch_end_io(struct bio *bio)
{
	struct backing *backing = bio->bi_private;
	struct backing_batch *batch = backing->batch;
	struct page *page = bio_first_page_all(bio);
	unsigned int i;

	if (bio->bi_status) {
		for (i = 0; batch->pages[i] != page; i++)
			;
		set_bit(i, (unsigned long *)&batch->failed);
	}
	bio_put(bio);
	if (atomic_dec_and_test(&batch->left))
		wake_up_all(&backing->batch_over);
}

void backing_batch_begin(struct backing *backing, struct backing_batch *batch)
{
	struct blk_plug plug;
	struct bio *bio;
	unsigned int i;

	lockdep_assert_held(&backing->writes);
	batch->failed = 0;
	atomic_set(&batch->left, batch->nr);
	backing->batch = batch;
	blk_start_plug(&plug); /* neighbours become one request */
	for (i = 0; i < batch->nr; i++) {
		bio = page_bio(backing, REQ_OP_WRITE | REQ_SWAP, batch->pages[i], batch->indices[i]);
		bio->bi_private = backing;
		bio->bi_end_io = batch_end_io;
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
}

void backing_batch_end(struct backing *backing, struct backing_batch *batch)
{
	wait_event(backing->batch_over, !atomic_read(&batch->left));
}

/* A batch that is over may be waited for, too: what it says of its pages does not matter then. */
static void wait_for_page(struct backing *backing, unsigned long index)
{
	struct backing_batch *batch = backing->batch;
	unsigned int i;

	lockdep_assert_held(&backing->writes);
	for (i = 0; batch && i < batch->nr; i++)
		if (batch->indices[i] == index)
			backing_batch_end(backing, batch);
}

static void write_end_io(struct bio *bio)
{
	struct bio *parent = bio->bi_private;

	if (bio->bi_status)
		parent->bi_status = bio->bi_status;
	bio_put(bio);
	bio_endio(parent);
}

void backing_write(struct backing *backing, struct bio *parent, struct page *page, unsigned long index)
{
	struct bio *bio;

	wait_for_page(backing, index);
	bio = page_bio(backing, parent->bi_opf & (REQ_OP_MASK | REQ_SWAP | REQ_SYNC), page, index);
	backing_keep(backing, index);
	bio->bi_private = parent;
	bio->bi_end_io = write_end_io;
	submit_bio(bio);
}

static void free_bitmaps(struct backing *backing)
{
	kvfree(backing->pages);
	kvfree(backing->used_once);
	backing->pages = NULL;
	backing->used_once = NULL;
}

int backing_resize(struct backing *backing, unsigned long nr)
{
	free_bitmaps(backing); /* of a size that did not come to be */
	if (!backing_is_open(backing))
		return 0;
	if (bdev_nr_bytes(backing->dev.bdev) >> PAGE_SHIFT < nr)
		return -ENOSPC;
	backing->pages = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	backing->used_once = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	if (!backing->pages || !backing->used_once) {
		free_bitmaps(backing);
		return -ENOMEM;
	}
	backing->nr = nr;
	return 0;
}

void backing_init(struct backing *backing)
{
	mutex_init(&backing->writes);
	init_waitqueue_head(&backing->batch_over);
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
	free_bitmaps(backing);
	backing->nr = 0;
	backing->batch = NULL;
}

u64 backing_pages(void)
{
	return atomic_long_read(&all_pages);
}
