// SPDX-License-Identifier: GPL-2.0
/*
 * writeback.c - takes the coldest pages, writes them to the backing device, and makes the index forget them.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sort.h>
#include <linux/wait.h>

#include "backing.h"
#include "counters.h"
#include "extent.h"
#include "fetch.h"
#include "r2net.h"
#include "remotify.h"
#include "slot.h"
#include "tmem.h"
#include "writeback.h"
#include "zcache.h"

#define FETCH_WAIT HZ /* for pages of a peer that does not answer */
#define RETRY_AFTER (2 * HZ) /* after the device has failed */
#define COMPACT_EVERY 16 /* batches */
#define THROUGH_AHEAD 1024 /* pages that are written through before peers get them */

static struct tmem_pool *pool; /* while the thread runs */
static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(wake);
static bool kicked;
static DEFINE_MUTEX(settings); /* of whoever starts, stops or sets through */
static bool through;
static unsigned long failed; /* jiffies when the device failed last; 0: it did not */
static struct page *pages[BACKING_BATCH]; /* kept for when there is no memory */
static struct zpage *zpages[BACKING_BATCH];
static struct backing_batch batch;

static bool failed_lately(void)
{
	unsigned long when = READ_ONCE(failed);

	return when && time_before(jiffies, when + RETRY_AFTER);
}

static int by_index(const void *a, const void *b)
{
	const struct zpage *const *x = a, *const *y = b;

	return (*x)->index < (*y)->index ? -1 : (*x)->index > (*y)->index;
}

static unsigned int take(enum disk_purpose purpose)
{
	unsigned int nr = 0;

	while (nr < BACKING_BATCH) {
		zpages[nr] = zcache_take_for_disk(purpose);
		if (!zpages[nr])
			break;
		nr++;
	}
	sort(zpages, nr, sizeof(zpages[0]), by_index, NULL);
	return nr;
}

/* Writes zpages to the disk, and waits. Returns how many are there without that. */
static unsigned int write_batch(unsigned int nr)
{
	unsigned int i, dropped = 0;

	mutex_lock(&pool->backing->writes);
	batch.nr = 0;
	for (i = 0; i < nr; i++) {
		if (zpages[i]->written && tmem_written_back(zpages[i])) {
			zpage_put(zpages[i]);
			dropped++;
			continue;
		}
		if (READ_ONCE(zpages[i]->state) != ZPAGE_SENDING || zpage_decompress(zpages[i], pages[batch.nr])) {
			zcache_return_warm(zpages[i]);
			continue;
		}
		batch.indices[batch.nr] = zpages[i]->index;
		batch.pages[batch.nr] = pages[batch.nr];
		zpages[batch.nr++] = zpages[i];
	}
	backing_batch_begin(pool->backing, &batch);
	mutex_unlock(&pool->backing->writes);
	backing_batch_end(pool->backing, &batch);
	return dropped;
}

/* The disk has a page now. Returns whether the zpage was still that page. */
static bool page_written(struct zpage *zpage, enum disk_purpose purpose)
{
	if (purpose == DISK_THROUGH) {
		if (tmem_written_through(zpage))
			return true;
	} else if (tmem_written_back(zpage)) {
		zpage_put(zpage);
		return true;
	}
	zcache_return(zpage);
	return false;
}

/* Writes up to a batch of zpages. Returns how many went; the device's failure is left in failed. */
static unsigned int write_some(enum disk_purpose purpose)
{
	unsigned int nr = take(purpose), went = 0, i;

	if (!nr)
		return 0;
	went = write_batch(nr);
	for (i = 0; i < batch.nr; i++) {
		if (batch.failed & BIT_ULL(i))
			zcache_return_warm(zpages[i]); /* others first */
		else
			went += page_written(zpages[i], purpose);
	}
	if (batch.failed)
		pr_err_ratelimited("ramster0: the backing device cannot be written to; pages stay where they are\n");
	if (batch.failed && hweight64(batch.failed) == batch.nr)
		WRITE_ONCE(failed, jiffies ?: 1);
	if (purpose == DISK_THROUGH)
		count_add(writethrough_pages, went);
	else
		count_add(writeback_pages, went);
	return went;
}

static unsigned int write_local(void)
{
	unsigned int written = write_some(DISK_ROOM);

	if (written)
		remotify_made_room();
	return written;
}

/* Whether stores find no room, nor will by what leaves peers: these want its place back. */
static bool room_is_here_alone(void)
{
	return zcache_full() && extent_moving_bytes() && !extent_usable_bytes();
}

/* Asks for those of a block's pages that are the pool's. Returns how many the disk had already. */
static unsigned int fetch_owners(const struct extent_owner *owners, unsigned int nr)
{
	unsigned int i, ours = 0, dropped = 0;
	u32 indices[R2NET_MAX_ITEMS];

	for (i = 0; i < nr; i++) {
		if (owners[i].pool != pool->id)
			continue;
		if (tmem_drop_remote(pool, owners[i].index))
			dropped++;
		else
			indices[ours++] = owners[i].index;
	}
	if (ours)
		fetch_home(pool, indices, ours, FETCH_DISK);
	count_add(writeback_pages, dropped);
	return dropped;
}

/* The coldest block's pages go from peers to the disk. Returns how many. */
static unsigned int write_remote(void)
{
	struct extent_owner owners[R2NET_MAX_ITEMS];
	struct slot_cursor cursor;
	unsigned int nr, written = 0;

	if (!slot_coldest_block(&cursor))
		return 0;
	while ((nr = slot_owners(&cursor, owners, R2NET_MAX_ITEMS)) && !failed_lately() && !kthread_should_stop()) {
		written += fetch_owners(owners, nr);
		fetch_home_wait(FETCH_DISK, 0, FETCH_WAIT);
		while (!failed_lately() && (nr = write_some(DISK_FETCHED)))
			written += nr;
		if (room_is_here_alone())
			write_local();
	}
	count_add(writeback_remote, written);
	return written;
}

bool writeback_through_due(void)
{
	return READ_ONCE(through) && !zcache_far_below_high() && zcache_written_waiting() < THROUGH_AHEAD;
}

void writeback_set_through(bool set)
{
	mutex_lock(&settings);
	WRITE_ONCE(through, set);
	if (pool)
		WRITE_ONCE(pool->through, set);
	mutex_unlock(&settings);
	writeback_wake();
}

/* Only if the coldest here can go to peers does it help that theirs go to the disk. */
static bool must_write(void)
{
	return zcache_nearly_full() && zcache_has_stored() && (!extent_usable_bytes() || !remotify_may_make_room()) &&
	       !failed_lately() && !kthread_should_stop();
}

static void writeback_work(void)
{
	static unsigned int since_compaction;

	while (!failed_lately() && write_some(DISK_FETCHED))
		;
	while (writeback_through_due() && !failed_lately() && !kthread_should_stop() && write_some(DISK_THROUGH))
		remotify_wake();
	while (must_write()) {
		if (!write_remote() && !write_local())
			break;
		if (++since_compaction >= COMPACT_EVERY) {
			since_compaction = 0;
			zcache_compact();
		}
		if (!room_is_here_alone())
			remotify_made_room();
	}
}

static int writeback_thread(void *unused)
{
	unsigned int noio = memalloc_noio_save();

	while (!kthread_should_stop()) {
		wait_event_idle(wake, kthread_should_stop() || READ_ONCE(kicked));
		WRITE_ONCE(kicked, false);
		writeback_work();
	}
	memalloc_noio_restore(noio);
	return 0;
}

void writeback_wake(void)
{
	WRITE_ONCE(kicked, true);
	if (wq_has_sleeper(&wake))
		wake_up(&wake);
}

bool writeback_may_make_room(void)
{
	return READ_ONCE(pool) && zcache_has_stored() && !failed_lately();
}

static void free_pages_kept(void)
{
	unsigned int i;

	for (i = 0; i < BACKING_BATCH; i++) {
		if (pages[i])
			__free_page(pages[i]);
		pages[i] = NULL;
	}
}

static int start(struct tmem_pool *of)
{
	unsigned int i;

	if (pool)
		return -EBUSY;
	for (i = 0; i < BACKING_BATCH; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			goto err;
	}
	WRITE_ONCE(failed, 0);
	WRITE_ONCE(of->through, through);
	WRITE_ONCE(pool, of);
	thread = kthread_run(writeback_thread, NULL, "ramster_writeback");
	if (!IS_ERR(thread))
		return 0;
	WRITE_ONCE(pool, NULL);
err:
	free_pages_kept();
	return -ENOMEM;
}

int writeback_start(struct tmem_pool *of)
{
	int err;

	mutex_lock(&settings);
	err = start(of);
	mutex_unlock(&settings);
	return err;
}

void writeback_stop(void)
{
	mutex_lock(&settings);
	if (pool) {
		kthread_stop(thread);
		WRITE_ONCE(pool, NULL);
		free_pages_kept();
	}
	mutex_unlock(&settings);
}
