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

	if (op_is_write(bio_op(parent)) && !test_and_set_bit(index, backing->pages)) {
		atomic_long_inc(&backing->used);
		atomic_long_inc(&all_pages);
	}
	bio->bi_iter.bi_sector = (sector_t)index << (PAGE_SHIFT - SECTOR_SHIFT);
	bio->bi_private = parent;
	bio->bi_end_io = backing_end_io;
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	submit_bio(bio);
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
