// SPDX-License-Identifier: GPL-2.0
/*
 * tmem.c - stores, loads and frees pages by pool and index, and keeps the index true while pages move.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "backing.h"
#include "counters.h"
#include "entry.h"
#include "fetch.h"
#include "reserve.h"
#include "tmem.h"
#include "trace.h"
#include "writeback.h"
#include "zcache.h"

#define LOAD_TRIES 3 /* one for each copy, and one for a page that moves meanwhile */

static atomic_long_t nr_same;
static atomic_long_t nr_written; /* of pools with a backing device */

struct extent_owner tmem_owner(const struct tmem_pool *pool, unsigned long index)
{
	return (struct extent_owner){ .pool = pool->id, .index = index };
}

/* Whether a disk has the page, too. Under the index's lock, or when it has let go of the entry. */
static bool is_written(const void *entry)
{
	const struct zpage *zpage = entry;

	if (entry_is_remote(entry))
		return entry_is_written(entry);
	return entry_is_zpage(entry) && (zpage->remote ? entry_is_written(zpage->remote) : zpage->written);
}

/* What an entry stood for is freed. The index has let go of it. */
static void entry_release(struct tmem_pool *pool, void *entry)
{
	struct zpage *zpage;
	void *remote;

	if (pool->backing && is_written(entry))
		atomic_long_dec(&nr_written);
	if (entry_is_same(entry)) {
		atomic_long_dec(&nr_same);
	} else if (entry_is_remote(entry)) {
		slot_free(entry);
	} else if (entry) {
		zpage = entry;
		remote = zpage->remote;
		zcache_forget(zpage);
		if (remote)
			slot_free(remote);
	}
}

/* A copy of a page: the index's entry for it, with a reference to @zpage for the caller if it is one. */
static int entry_new(struct tmem_pool *pool, unsigned long index, struct page *page, bool keep_local, gfp_t gfp,
		     void **entry)
{
	struct zpage *zpage;
	int err;

	if (index > TMEM_MAX_INDEX)
		return -ENOSPC;
	err = zcache_store(page, keep_local, gfp, entry);
	if (err)
		return err;
	if (!entry_is_zpage(*entry)) {
		atomic_long_inc(&nr_same);
		return 0;
	}
	zpage = *entry;
	zpage->pool = tmem_pool_get(pool);
	zpage->index = index;
	zpage->written = READ_ONCE(pool->written);
	zpage_get(zpage);
	return 0;
}

/*
 * Puts an entry into the index; what was there is left in @old. @from_disk: only if the page is where that was
 * read, and nowhere else. Returns 0, -ENOMEM, or -ESTALE: it is not.
 */
static int entry_put(struct tmem_pool *pool, unsigned long index, void *entry, const struct backing_read *from_disk,
		     gfp_t gfp, void **old)
{
	int err = 0;

	xa_lock(&pool->pages);
	if (from_disk && (!backing_is_same(pool->backing, from_disk) || xa_load(&pool->pages, index))) {
		err = -ESTALE;
	} else {
		*old = __xa_store(&pool->pages, index, entry, gfp);
		err = xa_err(*old);
	}
	/* Under the lock: what stands there later is what was written back since. */
	if (!err && pool->backing)
		backing_forget(pool->backing, index);
	xa_unlock(&pool->pages);
	return err;
}

static int store(struct tmem_pool *pool, unsigned long index, struct page *page, bool keep_local,
		 const struct backing_read *from_disk)
{
	gfp_t gfp = reserve_store_gfp();
	void *entry = NULL, *old = NULL;
	struct zpage *zpage;
	int err;

	err = entry_new(pool, index, page, keep_local, gfp, &entry);
	if (err)
		return err;
	zpage = entry_is_zpage(entry) ? entry : NULL;
	err = entry_put(pool, index, entry, from_disk, gfp, &old);
	entry_release(pool, err ? entry : old);
	if (!zpage)
		return err;
	if (!err)
		zcache_stored(zpage);
	trace_ramster_store(pool->id, index, zpage->length, err);
	zpage_put(zpage);
	return err;
}

int tmem_store(struct tmem_pool *pool, unsigned long index, struct page *page, bool keep_local)
{
	int err = store(pool, index, page, keep_local, NULL);

	if (err) {
		count(stores_refused);
		return err;
	}
	count(stores);
	if (READ_ONCE(pool->through) && writeback_through_due())
		writeback_wake();
	return 0;
}

void tmem_bring_up(struct tmem_pool *pool, const struct backing_read *read)
{
	if (!zcache_nearly_full() && !store(pool, read->index, read->page, false, read))
		count(loads_brought_up);
}

void tmem_load_done(struct tmem_load *load, int err)
{
	if (err && load->elsewhere && load->elsewhere(load, err))
		return;
	latency_count(LATENCY_LOAD, load->start);
	if (err && err != -ENOENT)
		count(loads_failed);
	trace_ramster_load(load->pool->id, load->index, err);
	load->done(load, err);
}

/* What to read ahead now that a remote page, or a copy of one, is loaded. */
static struct prefetch_plan load_plan(struct tmem_pool *pool, unsigned long index)
{
	struct prefetch_plan plan;

	spin_lock(&pool->prefetch_lock);
	plan = prefetch_load(&pool->prefetch, index);
	spin_unlock(&pool->prefetch_lock);
	return plan;
}

static void load_ahead(struct tmem_pool *pool, unsigned long index)
{
	struct prefetch_plan plan = load_plan(pool, index);

	fetch_ahead(pool, &plan);
}

static void load_same(struct tmem_load *load, void *entry)
{
	u64 *mem = kmap_local_page(load->page);

	memset64(mem, entry_word(entry), PAGE_SIZE / sizeof(*mem));
	kunmap_local(mem);
	count(loads_same);
	tmem_load_done(load, 0);
}

static void load_local(struct tmem_load *load, struct zpage *zpage)
{
	struct tmem_pool *pool = load->pool;
	unsigned long index = load->index;
	int err = zpage_decompress(zpage, load->page);

	if (!READ_ONCE(zpage->remote) || err) {
		count(loads_local);
		tmem_load_done(load, err);
		zpage_put(zpage);
		return;
	}
	/* A copy that was fetched ahead has served: the page is in use now, and its slot still has the bytes. */
	count(loads_prefetched);
	tmem_load_done(load, 0);
	tmem_drop_clean(zpage);
	load_ahead(pool, index);
}

static void load_remote(struct tmem_load *load, void *entry, const struct extent_slot *slot)
{
	struct prefetch_plan plan = { .nr = 0 };

	if (!load->planned)
		plan = load_plan(load->pool, load->index);
	load->planned = true;
	fetch_load(load, entry, slot, &plan);
}

static void load_begin(struct tmem_pool *pool, struct tmem_load *load)
{
	unsigned long index = load->index;
	struct zpage *zpage = NULL;
	struct extent_slot slot;
	void *entry;
	int err = 0;

	xa_lock(&pool->pages);
	entry = xa_load(&pool->pages, index);
	if (entry_is_remote(entry)) {
		err = slot_pin(entry, tmem_owner(pool, index), NULL, load->avoid, &slot);
	} else if (entry_is_zpage(entry)) {
		zpage = entry;
		/* That state begins and ends under this lock. */
		if (READ_ONCE(zpage->state) == ZPAGE_FETCHING) {
			list_add_tail(&load->link, &zpage->waiters);
			if (zpage->purpose == FETCH_DISK)
				WRITE_ONCE(zpage->purpose, FETCH_HOME);
			xa_unlock(&pool->pages);
			load_ahead(pool, index);
			return;
		}
		zpage_get(zpage);
	}
	xa_unlock(&pool->pages);

	if (!entry)
		tmem_load_done(load, -ENOENT);
	else if (zpage)
		load_local(load, zpage);
	else if (entry_is_same(entry))
		load_same(load, entry);
	else if (err)
		tmem_load_done(load, err);
	else
		load_remote(load, entry, &slot);
}

void tmem_load(struct tmem_load *load)
{
	/* Once the load is done its front end may let go of the pool, while pages are still to be read ahead. */
	struct tmem_pool *pool = tmem_pool_get(load->pool);

	load_begin(pool, load);
	tmem_pool_put(pool);
}

bool tmem_load_again(struct tmem_load *load, u32 lease)
{
	if (++load->tries >= LOAD_TRIES)
		return false;
	load->avoid = lease;
	tmem_load(load);
	return true;
}

struct waited_load {
	struct tmem_load load;
	struct completion completion;
	int err;
};

static void waited_load_done(struct tmem_load *load, int err)
{
	struct waited_load *waited = container_of(load, struct waited_load, load);

	waited->err = err;
	complete(&waited->completion);
}

static bool waited_load_elsewhere(struct tmem_load *load, int err)
{
	if (err != -EIO || !tmem_is_written(load->pool, load->index))
		return false;
	waited_load_done(load, -ENODATA);
	return true;
}

int tmem_load_wait(struct tmem_pool *pool, unsigned long index, struct page *page, bool patient)
{
	struct waited_load waited = {
		.load = { .pool = pool,
			  .index = index,
			  .page = page,
			  .patient = patient,
			  .done = waited_load_done,
			  .elsewhere = waited_load_elsewhere,
			  .start = ktime_get() },
		.completion = COMPLETION_INITIALIZER_ONSTACK(waited.completion),
	};

	tmem_load(&waited.load);
	wait_for_completion(&waited.completion);
	return waited.err;
}

enum tmem_place tmem_place(struct tmem_pool *pool, unsigned long index)
{
	enum tmem_place place = TMEM_NOWHERE;

	xa_lock(&pool->pages);
	if (pool->backing && backing_has(pool->backing, index))
		place = TMEM_DISK;
	else if (xa_load(&pool->pages, index))
		place = TMEM_RAM;
	xa_unlock(&pool->pages);
	return place;
}

bool tmem_invalidate(struct tmem_pool *pool, unsigned long index)
{
	void *entry;

	xa_lock(&pool->pages);
	entry = __xa_erase(&pool->pages, index);
	if (pool->backing)
		backing_forget(pool->backing, index);
	xa_unlock(&pool->pages);
	if (!entry)
		return false;
	entry_release(pool, entry);
	count(invalidates);
	return true;
}

unsigned long tmem_invalidate_range(struct tmem_pool *pool, unsigned long index, unsigned long nr)
{
	unsigned long i, freed = 0;
	void *entry;

	if (!nr)
		return 0;
	xa_for_each_range(&pool->pages, i, entry, index, index + nr - 1) {
		freed += tmem_invalidate(pool, i);
		cond_resched();
	}
	return freed;
}

bool tmem_remotified(struct zpage *zpage, void *entry, unsigned int legs)
{
	struct xarray *pages = &zpage->pool->pages;
	bool same;

	xa_lock(pages);
	if (zpage->written)
		entry = entry_written(entry);
	same = xa_load(pages, zpage->index) == zpage && slot_commit(entry, legs);
	if (same)
		__xa_store(pages, zpage->index, entry, 0); /* replacing never allocates */
	xa_unlock(pages);
	if (same)
		zcache_forget(zpage);
	return same;
}

bool tmem_written_through(struct zpage *zpage)
{
	struct xarray *pages = &zpage->pool->pages;
	bool same;

	xa_lock(pages);
	same = xa_load(pages, zpage->index) == zpage;
	if (same) {
		backing_keep(zpage->pool->backing, zpage->index);
		zpage->written = true;
		atomic_long_inc(&nr_written);
	}
	xa_unlock(pages);
	if (same)
		zcache_return_warm(zpage);
	return same;
}

bool tmem_drop_remote(struct tmem_pool *pool, unsigned long index)
{
	void *entry;
	bool drop;

	xa_lock(&pool->pages);
	entry = xa_load(&pool->pages, index);
	drop = pool->backing && entry_is_remote(entry) && entry_is_written(entry);
	if (drop)
		__xa_erase(&pool->pages, index);
	xa_unlock(&pool->pages);
	if (drop)
		entry_release(pool, entry);
	return drop;
}

bool tmem_is_written(struct tmem_pool *pool, unsigned long index)
{
	bool written;

	xa_lock(&pool->pages);
	written = is_written(xa_load(&pool->pages, index));
	xa_unlock(&pool->pages);
	return written;
}

bool tmem_written_back(struct zpage *zpage)
{
	struct xarray *pages = &zpage->pool->pages;
	bool same;

	xa_lock(pages);
	same = xa_load(pages, zpage->index) == zpage;
	if (same) {
		/* First: whoever finds no entry looks there. */
		backing_keep(zpage->pool->backing, zpage->index);
		__xa_erase(pages, zpage->index);
	}
	xa_unlock(pages);
	if (same)
		entry_release(zpage->pool, zpage);
	return same;
}

void tmem_drop_clean(struct zpage *zpage)
{
	struct xarray *pages = &zpage->pool->pages;
	void *remote = NULL;
	bool only = false;

	xa_lock(pages);
	/* Whoever else came to drop it may have made it the page. */
	if (xa_load(pages, zpage->index) == zpage)
		remote = zpage->remote;
	if (remote && slot_is_dead(remote)) {
		only = true;
		zcache_keep_clean(zpage);
	} else if (remote) {
		__xa_store(pages, zpage->index, remote, 0);
	}
	xa_unlock(pages);
	if (only)
		slot_free(remote); /* the copy is the page now */
	else if (remote)
		zcache_forget(zpage);
	zpage_put(zpage);
}

/* The page shall be at home, and its bytes are here or on their way already. Under the index's lock. */
static void *fetch_home_near(struct zpage *zpage)
{
	void *remote = zpage->remote;

	if (!remote)
		return NULL;
	if (READ_ONCE(zpage->state) == ZPAGE_FETCHING) {
		WRITE_ONCE(zpage->purpose, FETCH_HOME);
		return NULL;
	}
	zcache_keep_clean(zpage);
	return remote;
}

struct zpage *tmem_fetch_ahead(struct tmem_pool *pool, unsigned long index, enum fetch_purpose purpose,
			       const struct r2net_peer *peer, struct extent_slot *slot)
{
	struct zpage *zpage = NULL;
	void *entry, *freed = NULL;
	int err;

	xa_lock(&pool->pages);
	entry = xa_load(&pool->pages, index);
	if (purpose == FETCH_HOME && entry_is_zpage(entry))
		freed = fetch_home_near(entry);
	if (!entry_is_remote(entry))
		goto out;
	err = slot_pin(entry, tmem_owner(pool, index), peer, 0, slot);
	if (err) {
		zpage = err == -EXDEV ? ERR_PTR(err) : NULL;
		goto out;
	}
	zpage = zcache_fetching(entry, purpose);
	if (!zpage) {
		slot_unpin(entry, slot->legs[0].lease);
		goto out;
	}
	zpage->pool = tmem_pool_get(pool);
	zpage->index = index;
	zpage_get(zpage);
	__xa_store(&pool->pages, index, zpage, 0);
out:
	xa_unlock(&pool->pages);
	if (freed) {
		count(pages_home);
		slot_free(freed);
	}
	return zpage;
}

/* A load has waited for what was being fetched ahead. */
static void load_fetched(struct tmem_load *load, int err)
{
	if (!err)
		count(loads_prefetched);
	latency_count(LATENCY_REMOTE, load->start);
	tmem_load_done(load, err);
}

/* What becomes of a zpage in the index, under its lock, now that its READ has ended. Returns whether it stays there. */
static bool fetched_stays(struct zpage *zpage, bool filled)
{
	if (filled && zpage->purpose == FETCH_COPY)
		zcache_fetched(zpage);
	else if (filled)
		zcache_keep_fetched(zpage);
	else
		__xa_store(&zpage->pool->pages, zpage->index, zpage->remote, 0);
	return filled;
}

/* A page has come home, or past it. */
static void fetched_home(enum fetch_purpose purpose)
{
	if (purpose == FETCH_DISK) {
		writeback_wake();
		return;
	}
	count(pages_home);
	zcache_press();
}

void tmem_fetched(struct zpage *zpage, const void *bytes, size_t len, int err, u32 lease)
{
	struct xarray *pages = &zpage->pool->pages;
	void *remote = zpage->remote, *freed = NULL;
	u8 compressor = entry_location(remote).compressor;
	struct tmem_load *load, *next;
	bool same, filled = false, stays = false;
	LIST_HEAD(waiters);

	/* With a load waiting for it a copy is used up at once. */
	if (!err && (READ_ONCE(zpage->purpose) != FETCH_COPY || list_empty_careful(&zpage->waiters)))
		filled = !zcache_fill(zpage, bytes, len);
	xa_lock(pages);
	list_splice_init(&zpage->waiters, &waiters);
	same = xa_load(pages, zpage->index) == zpage;
	if (same)
		stays = fetched_stays(zpage, filled);
	if (stays && zpage->purpose != FETCH_COPY)
		freed = remote;
	xa_unlock(pages);
	if (freed) {
		fetched_home(zpage->purpose);
		slot_free(freed);
	}
	if (same && !stays)
		zcache_forget(zpage);

	list_for_each_entry_safe(load, next, &waiters, link) {
		if (!err)
			load_fetched(load, zcache_decompress(compressor, bytes, len, load->page));
		else if (load->patient)
			tmem_load(load); /* by itself, and with more patience */
		else if (!tmem_load_again(load, lease))
			load_fetched(load, err);
	}
}

u64 tmem_written_pages(void)
{
	return atomic_long_read(&nr_written);
}

u64 tmem_same_pages(void)
{
	return atomic_long_read(&nr_same);
}
