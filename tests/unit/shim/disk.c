// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/string.h>

#include "disk.h"
#include "once.h"
#include "writeback.h"

static struct disk *the_disk;

bool backing_has(const struct backing *backing, unsigned long index)
{
	return index < backing->nr && test_bit(index, backing->pages);
}

void backing_keep(struct backing *backing, unsigned long index)
{
	shim_assert(index < backing->nr);
	atomic_inc(&backing->came[index % BACKING_CAME]);
	if (!test_and_set_bit(index, backing->pages))
		atomic_long_inc(&backing->used);
}

void backing_forget(struct backing *backing, unsigned long index)
{
	unsigned long bit = BIT(index % BITS_PER_LONG), *word = &backing->pages[index / BITS_PER_LONG];

	if (__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit)
		atomic_long_dec(&backing->used);
}

u64 backing_pages(void)
{
	return the_disk ? atomic_long_read(&the_disk->backing.used) : 0;
}

bool backing_is_same(const struct backing *backing, const struct backing_read *read)
{
	return backing_has(backing, read->index) &&
	       atomic_read(&backing->came[read->index % BACKING_CAME]) == read->came;
}

void backing_batch_begin(struct backing *backing, struct backing_batch *batch)
{
	struct disk *disk = container_of(backing, struct disk, backing);
	void (*writing)(unsigned long index);
	unsigned int i;

	might_sleep();
	shim_assert(batch->nr <= BACKING_BATCH);
	batch->failed = 0;
	for (i = 0; i < batch->nr; i++) {
		shim_assert(!i || batch->indices[i - 1] < batch->indices[i]);
		writing = READ_ONCE(disk->writing);
		if (writing)
			writing(batch->indices[i]);
		if (READ_ONCE(disk->fail))
			batch->failed |= BIT_ULL(i);
		else
			disk->pages[batch->indices[i]] = *batch->pages[i];
	}
	ADD_ONCE(disk->batches, 1);
}

void backing_batch_end(struct backing *backing, struct backing_batch *batch)
{
	might_sleep();
}

void disk_up(struct disk *disk, struct tmem_pool *pool, unsigned long nr)
{
	*disk = (struct disk){ .pool = pool };
	disk->backing.nr = nr;
	disk->backing.pages = calloc(BITS_TO_LONGS(nr), sizeof(long));
	disk->pages = aligned_alloc(PAGE_SIZE, nr * sizeof(struct page));
	the_disk = disk;
	pool->backing = &disk->backing;
	shim_assert(!writeback_start(pool));
}

void disk_stop(struct disk *disk)
{
	writeback_stop();
}

void disk_down(struct disk *disk)
{
	the_disk = NULL;
	free(disk->backing.pages);
	free(disk->pages);
}

int disk_store(struct disk *disk, unsigned long index, struct page *page)
{
	return tmem_store(disk->pool, index, page, false);
}

void disk_free(struct disk *disk, unsigned long index)
{
	tmem_invalidate(disk->pool, index);
}

struct disk_load {
	struct tmem_load load;
	struct disk *disk;
	struct backing_read read;
	struct completion completion;
	int err;
};

static void load_done(struct tmem_load *tload, int err)
{
	struct disk_load *load = container_of(tload, struct disk_load, load);

	load->err = err;
	complete(&load->completion);
}

static bool load_elsewhere(struct tmem_load *tload, int err)
{
	struct disk_load *load = container_of(tload, struct disk_load, load);

	switch (tmem_place(tload->pool, tload->index)) {
	case TMEM_DISK:
		break;
	case TMEM_RAM:
		if (err != -ENOENT)
			return false;
		if (!tmem_load_again(tload, 0))
			tmem_load_done(tload, -EIO);
		return true;
	default:
		return false;
	}
	load->read = (struct backing_read){
		.index = tload->index,
		.page = tload->page,
		.came = atomic_read(&load->disk->backing.came[tload->index % BACKING_CAME]),
	};
	/* A program that writes a page while another reads it may see a part of each; the test wants one of them. */
	mutex_lock(&load->disk->backing.writes);
	*tload->page = load->disk->pages[tload->index];
	mutex_unlock(&load->disk->backing.writes);
	if (load->disk->loaded)
		load->disk->loaded(tload->index);
	if (load->disk->bring_up)
		tmem_bring_up(tload->pool, &load->read);
	load_done(tload, 0);
	return true;
}

int disk_load(struct disk *disk, unsigned long index, struct page *page, bool patient)
{
	struct disk_load load = {
		.load = { .pool = disk->pool,
			  .index = index,
			  .page = page,
			  .patient = patient,
			  .start = ktime_get(),
			  .done = load_done,
			  .elsewhere = load_elsewhere },
		.disk = disk,
		.completion = COMPLETION_INITIALIZER_ONSTACK(load.completion),
	};

	tmem_load(&load.load);
	wait_for_completion(&load.completion);
	return load.err;
}
