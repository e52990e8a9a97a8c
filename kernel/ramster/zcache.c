// SPDX-License-Identifier: GPL-2.0
/*
 * zcache.c - compresses pages into local RAM and keeps them in the order of their age.
 */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "allocator.h"
#include "compress.h"
#include "counters.h"
#include "entry.h"
#include "once.h"
#include "reserve.h"
#include "tmem.h"
#include "zcache.h"

/* Copies that are fetched ahead are worth no reserve. */
#define ZCACHE_COPY_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)
/* Work stops this far below where it starts, in percent of the latter. */
#define ZCACHE_LOW_PERCENT 97
/* Looked at for one that suits. */
#define ZCACHE_LOOKS 256

static struct {
	spinlock_t lock;
	struct list_head stored; /* ZPAGE_STORED, coldest first */
	struct list_head written; /* the same, of those that a disk has, too: they go first */
	struct list_head for_disk; /* ZPAGE_STORED, fetched to be written to the disk */
	struct list_head clean; /* ZPAGE_CLEAN, oldest first */

	const struct allocator_ops *allocator;
	void *pool;
	struct kmem_cache *zpages;
	u8 compressor;
	unsigned long high; /* pages: above, remotify works */
	unsigned long limit; /* pages: at this, stores are refused */
	void (*pressure)(void);

	atomic_long_t nr; /* zpages with bytes */
	atomic_long_t nr_clean;
	unsigned long nr_written; /* in that list */
	atomic_long_t bytes;
} zcache;

static unsigned long zcache_ram(void)
{
	return zcache.allocator->pages(zcache.pool);
}

bool zcache_above_high(void)
{
	return zcache_ram() > READ_ONCE(zcache.high);
}

bool zcache_above_low(void)
{
	return zcache_ram() > READ_ONCE(zcache.high) * ZCACHE_LOW_PERCENT / 100;
}

bool zcache_far_below_high(void)
{
	return zcache_ram() < READ_ONCE(zcache.high) / 2;
}

bool zcache_nearly_full(void)
{
	unsigned long high = READ_ONCE(zcache.high), limit = READ_ONCE(zcache.limit);

	/* Between the marks there is room for what is stored while peers are asked for more space. */
	return zcache_ram() >= limit - (limit - min(high, limit)) / 4;
}

bool zcache_full(void)
{
	return zcache_ram() >= READ_ONCE(zcache.limit);
}

static bool page_same(const void *mem, u64 *word)
{
	const u64 *words = mem;
	unsigned int i, last = PAGE_SIZE / sizeof(*words) - 1;

	/* Most pages that are not of one word differ at their end or their start. */
	if (words[0] != words[last])
		return false;
	for (i = 1; i < last; i++)
		if (words[i] != words[0])
			return false;
	*word = words[0];
	return entry_word_fits(*word);
}

static int zpage_write(struct zpage *zpage, const void *bytes, size_t len, gfp_t gfp)
{
	unsigned long handle = zcache.allocator->alloc(zcache.pool, len, gfp);

	if (!handle)
		return -ENOMEM;
	memcpy(zcache.allocator->map(zcache.pool, handle, true), bytes, len);
	zcache.allocator->unmap(zcache.pool, handle);
	zpage->handle = handle;
	zpage->length = len;
	atomic_long_inc(&zcache.nr);
	atomic_long_add(len, &zcache.bytes);
	return 0;
}

/* Compresses @mem into @zpage's bytes. */
static int zpage_compress(struct zpage *zpage, const void *mem, gfp_t gfp)
{
	void *buf = compress_begin();
	size_t len;
	int err;

	zpage->compressor = READ_ONCE(zcache.compressor);
	len = compress_page(zpage->compressor, mem, buf);
	if (!len || len >= PAGE_SIZE) {
		err = zpage_write(zpage, mem, PAGE_SIZE, gfp);
		if (!err)
			count(stores_raw);
	} else {
		err = zpage_write(zpage, buf, len, gfp);
	}
	compress_end();
	return err;
}

static struct zpage *zpage_new(enum zpage_state state, gfp_t gfp)
{
	struct zpage *zpage = kmem_cache_zalloc(zcache.zpages, gfp);

	if (!zpage)
		return NULL;
	refcount_set(&zpage->ref, 1);
	INIT_LIST_HEAD(&zpage->lru);
	zpage->state = state;
	return zpage;
}

/* The one place where a zpage's state changes. Loads look at it under the index's lock alone. */
static void zpage_set_state(struct zpage *zpage, enum zpage_state state)
{
	lockdep_assert_held(&zcache.lock);
	WRITE_ONCE(zpage->state, state);
}

/* Where it waits until it is sent. */
static void zpage_list(struct zpage *zpage, bool coldest)
{
	struct list_head *list = zpage->written ? &zcache.written : &zcache.stored;

	lockdep_assert_held(&zcache.lock);
	ADD_ONCE(zcache.nr_written, zpage->written);
	if (coldest)
		list_add(&zpage->lru, list);
	else
		list_add_tail(&zpage->lru, list);
}

static void zpage_unlist(struct zpage *zpage)
{
	lockdep_assert_held(&zcache.lock);
	if (zpage->state == ZPAGE_STORED && zpage->written && !list_empty(&zpage->lru))
		SUB_ONCE(zcache.nr_written, 1);
	list_del_init(&zpage->lru);
}

/* It is the page from now on, instead of its slot. */
static void zpage_take_over(struct zpage *zpage)
{
	zpage->written = entry_is_written(zpage->remote);
	WRITE_ONCE(zpage->remote, NULL);
}

static bool any_zpage(const struct zpage *zpage)
{
	return true;
}

int zcache_store(struct page *page, bool keep_local, gfp_t gfp, void **entry)
{
	struct zpage *zpage;
	const void *mem;
	int err = 0;
	u64 word;

	mem = kmap_local_page(page);
	if (page_same(mem, &word)) {
		count(stores_same);
		*entry = entry_same(word);
		goto out;
	}
	err = -ENOSPC;
	if (zcache_full())
		goto out;
	err = -ENOMEM;
	zpage = zpage_new(ZPAGE_NEW, gfp);
	if (!zpage)
		goto out;
	zpage->keep_local = keep_local;
	err = zpage_compress(zpage, mem, gfp);
	if (err)
		zpage_put(zpage);
	else
		*entry = zpage;
out:
	kunmap_local(mem);
	return err;
}

void zcache_stored(struct zpage *zpage)
{
	spin_lock(&zcache.lock);
	if (zpage->state == ZPAGE_NEW) {
		zpage_set_state(zpage, ZPAGE_STORED);
		if (!zpage->keep_local)
			zpage_list(zpage, false);
	}
	spin_unlock(&zcache.lock);
	zcache_press();
}

void zcache_press(void)
{
	void (*pressure)(void);

	pressure = READ_ONCE(zcache.pressure);
	if (zcache_above_high() && pressure)
		pressure();
}

struct zpage *zcache_fetching(void *remote, enum fetch_purpose purpose)
{
	struct zpage *zpage;

	if (purpose != FETCH_DISK && zcache_full())
		return NULL;
	zpage = zpage_new(ZPAGE_FETCHING, ZCACHE_COPY_GFP);
	if (!zpage)
		return NULL;
	zpage->remote = remote;
	zpage->purpose = purpose;
	return zpage;
}

int zcache_fill(struct zpage *zpage, const void *bytes, size_t len)
{
	zpage->compressor = entry_location(zpage->remote).compressor;
	return zpage_write(zpage, bytes, len,
			   READ_ONCE(zpage->purpose) == FETCH_COPY ? ZCACHE_COPY_GFP : reserve_store_gfp());
}

void zcache_fetched(struct zpage *zpage)
{
	spin_lock(&zcache.lock);
	zpage_set_state(zpage, ZPAGE_CLEAN);
	INIT_LIST_HEAD(&zpage->lru);
	list_add_tail(&zpage->lru, &zcache.clean);
	atomic_long_inc(&zcache.nr_clean);
	spin_unlock(&zcache.lock);
}

void zcache_keep_fetched(struct zpage *zpage)
{
	spin_lock(&zcache.lock);
	zpage_set_state(zpage, ZPAGE_STORED);
	INIT_LIST_HEAD(&zpage->lru);
	zpage_take_over(zpage);
	if (zpage->purpose == FETCH_DISK && !zpage->written)
		list_add(&zpage->lru, &zcache.for_disk);
	else
		zpage_list(zpage, true);
	spin_unlock(&zcache.lock);
}

int zcache_decompress(u8 compressor, const void *bytes, size_t len, struct page *page)
{
	void *mem = kmap_local_page(page);
	int err = 0;

	if (len == PAGE_SIZE)
		memcpy(mem, bytes, PAGE_SIZE);
	else
		err = decompress_page(compressor, bytes, len, mem);
	kunmap_local(mem);
	return err;
}

int zpage_decompress(const struct zpage *zpage, struct page *page)
{
	const void *bytes = zcache.allocator->map(zcache.pool, zpage->handle, false);
	int err = zcache_decompress(zpage->compressor, bytes, zpage->length, page);

	zcache.allocator->unmap(zcache.pool, zpage->handle);
	return err;
}

void zpage_copy(const struct zpage *zpage, void *buf)
{
	memcpy(buf, zcache.allocator->map(zcache.pool, zpage->handle, false), zpage->length);
	zcache.allocator->unmap(zcache.pool, zpage->handle);
}

void zpage_get(struct zpage *zpage)
{
	refcount_inc(&zpage->ref);
}

void zpage_put(struct zpage *zpage)
{
	if (!refcount_dec_and_test(&zpage->ref))
		return;
	if (zpage->handle) {
		atomic_long_dec(&zcache.nr);
		atomic_long_sub(zpage->length, &zcache.bytes);
		zcache.allocator->free(zcache.pool, zpage->handle);
	}
	if (zpage->pool)
		tmem_pool_put(zpage->pool);
	kmem_cache_free(zcache.zpages, zpage);
}

void zcache_forget(struct zpage *zpage)
{
	spin_lock(&zcache.lock);
	if (zpage->state == ZPAGE_STORED || zpage->state == ZPAGE_CLEAN)
		zpage_unlist(zpage);
	if (zpage->state == ZPAGE_CLEAN)
		atomic_long_dec(&zcache.nr_clean);
	zpage_set_state(zpage, ZPAGE_DEAD);
	spin_unlock(&zcache.lock);
	zpage_put(zpage);
}

static bool may_leave(const struct zpage *zpage)
{
	return !READ_ONCE(zpage->pool->through);
}

static bool may_make_room(const struct zpage *zpage)
{
	return zpage->pool->backing;
}

static bool must_be_written(const struct zpage *zpage)
{
	return READ_ONCE(zpage->pool->through);
}

/* The first of a list for which that holds, as far as one looks, or NULL; it is being sent then. */
static struct zpage *zpage_take(struct list_head *list, bool (*suits)(const struct zpage *zpage))
{
	unsigned int looks = 0;
	struct zpage *zpage;

	lockdep_assert_held(&zcache.lock);
	list_for_each_entry(zpage, list, lru) {
		if (suits(zpage)) {
			zpage_unlist(zpage);
			zpage_set_state(zpage, ZPAGE_SENDING);
			zpage_get(zpage);
			return zpage;
		}
		if (++looks == ZCACHE_LOOKS)
			break;
	}
	return NULL;
}

struct zpage *zcache_take_coldest(void)
{
	struct zpage *zpage;

	spin_lock(&zcache.lock);
	zpage = zpage_take(&zcache.written, any_zpage) ?: zpage_take(&zcache.stored, may_leave);
	spin_unlock(&zcache.lock);
	return zpage;
}

struct zpage *zcache_take_for_disk(enum disk_purpose purpose)
{
	struct zpage *zpage = NULL;

	spin_lock(&zcache.lock);
	if (purpose == DISK_FETCHED)
		zpage = zpage_take(&zcache.for_disk, any_zpage);
	else if (purpose == DISK_ROOM)
		zpage = zpage_take(&zcache.written, may_make_room) ?: zpage_take(&zcache.stored, may_make_room);
	else
		zpage = zpage_take(&zcache.stored, must_be_written);
	spin_unlock(&zcache.lock);
	return zpage;
}

unsigned long zcache_written_waiting(void)
{
	return READ_ONCE(zcache.nr_written);
}

bool zcache_has_stored(void)
{
	return !list_empty_careful(&zcache.stored) || !list_empty_careful(&zcache.written);
}

static void take_back(struct zpage *zpage, bool coldest)
{
	spin_lock(&zcache.lock);
	if (zpage->state == ZPAGE_SENDING) {
		zpage_set_state(zpage, ZPAGE_STORED);
		zpage_list(zpage, coldest);
	}
	spin_unlock(&zcache.lock);
	zpage_put(zpage);
}

void zcache_return(struct zpage *zpage)
{
	take_back(zpage, true);
}

void zcache_return_warm(struct zpage *zpage)
{
	take_back(zpage, false);
}

struct zpage *zcache_take_clean(void)
{
	struct zpage *zpage;

	spin_lock(&zcache.lock);
	zpage = list_first_entry_or_null(&zcache.clean, struct zpage, lru);
	if (zpage) {
		list_del_init(&zpage->lru);
		zpage_get(zpage);
	}
	spin_unlock(&zcache.lock);
	return zpage;
}

void zcache_keep_clean(struct zpage *zpage)
{
	spin_lock(&zcache.lock);
	list_del_init(&zpage->lru);
	zpage_take_over(zpage);
	zpage_set_state(zpage, ZPAGE_STORED);
	zpage_list(zpage, false);
	spin_unlock(&zcache.lock);
	atomic_long_dec(&zcache.nr_clean);
}

void zcache_compact(void)
{
	zcache.allocator->compact(zcache.pool);
}

u64 zcache_pages(void)
{
	long clean = atomic_long_read(&zcache.nr_clean), all = atomic_long_read(&zcache.nr);

	return max(all - clean, 0L); /* read one after the other */
}

u64 zcache_clean_pages(void)
{
	return atomic_long_read(&zcache.nr_clean);
}

u64 zcache_zpage_bytes(void)
{
	return atomic_long_read(&zcache.bytes);
}

u64 zcache_local_bytes(void)
{
	return (u64)zcache_ram() << PAGE_SHIFT;
}

u64 zcache_limit_bytes(void)
{
	return (u64)READ_ONCE(zcache.limit) << PAGE_SHIFT;
}

void zcache_set_pressure_hook(void (*hook)(void))
{
	WRITE_ONCE(zcache.pressure, hook);
}

int zcache_set_compressor(const char *name)
{
	int which = compress_find(name), err;

	if (which < 0)
		return which;
	err = compress_prepare(which);
	if (!err)
		smp_store_release(&zcache.compressor, which); /* its work memory is there before it is used */
	return err;
}

const char *zcache_compressor(void)
{
	return compress_name(READ_ONCE(zcache.compressor));
}

int zcache_set_limits(unsigned int remotify, unsigned int limit)
{
	if (remotify < 1 || limit > 50 || remotify > limit)
		return -EINVAL;
	WRITE_ONCE(zcache.high, totalram_pages() * remotify / 100);
	WRITE_ONCE(zcache.limit, totalram_pages() * limit / 100);
	return 0;
}

int zcache_init(const char *allocator)
{
	if (sysfs_streq(allocator, zbud_allocator.name))
		zcache.allocator = &zbud_allocator;
	else if (sysfs_streq(allocator, zsmalloc_allocator.name))
		zcache.allocator = &zsmalloc_allocator;
	else
		return -EINVAL;
	spin_lock_init(&zcache.lock);
	INIT_LIST_HEAD(&zcache.stored);
	INIT_LIST_HEAD(&zcache.written);
	INIT_LIST_HEAD(&zcache.for_disk);
	INIT_LIST_HEAD(&zcache.clean);
	zcache.zpages = KMEM_CACHE(zpage, 0);
	if (!zcache.zpages)
		return -ENOMEM;
	zcache.pool = zcache.allocator->create();
	if (!zcache.pool) {
		kmem_cache_destroy(zcache.zpages);
		return -ENOMEM;
	}
	return 0;
}

void zcache_exit(void)
{
	zcache.allocator->destroy(zcache.pool);
	kmem_cache_destroy(zcache.zpages);
}
