// SPDX-License-Identifier: GPL-2.0
/*
 * zbud.c - keeps up to two zpages in a page: one grows from its start, the other ends at its end.
 *
 * A page is cut into chunks of 64 bytes. Its header is allocated apart from it, so that a zpage of a whole page fits. Half-filled pages stand in lists by their free chunks; a zpage goes to the fullest page that
 * still takes it. A handle is the header's address, with bit 0 set for the zpage at the end.
 *
 * zbud_pool.lock (a plain spinlock, never taken in interrupts) guards the lists and the headers.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "allocator.h"
#include "once.h"

#define ZBUD_CHUNK_SHIFT 6
#define ZBUD_CHUNKS (PAGE_SIZE >> ZBUD_CHUNK_SHIFT)
#define ZBUD_LAST 1UL

struct zbud_page {
	struct list_head link; /* in zbud_pool.unbuddied[free chunks] while one zpage is here */
	void *mem;
	u8 first; /* chunks of the zpage at the start; 0 = none */
	u8 last; /* chunks of the zpage at the end; 0 = none */
};

struct zbud_pool {
	spinlock_t lock;
	unsigned long pages;
	DECLARE_BITMAP(filled, ZBUD_CHUNKS + 1); /* lists that are not empty */
	struct list_head unbuddied[ZBUD_CHUNKS + 1];
};

static void zbud_link(struct zbud_pool *pool, struct zbud_page *zp)
{
	unsigned int free = ZBUD_CHUNKS - zp->first - zp->last;

	lockdep_assert_held(&pool->lock);
	list_add(&zp->link, &pool->unbuddied[free]);
	__set_bit(free, pool->filled);
}

static void zbud_unlink(struct zbud_pool *pool, struct zbud_page *zp)
{
	unsigned int free = ZBUD_CHUNKS - zp->first - zp->last;

	lockdep_assert_held(&pool->lock);
	list_del(&zp->link);
	if (list_empty(&pool->unbuddied[free]))
		__clear_bit(free, pool->filled);
}

/* Puts a zpage of @chunks into a page that has one already. Returns 0 if no such page has room. */
static unsigned long zbud_pair(struct zbud_pool *pool, unsigned int chunks)
{
	struct zbud_page *zp;
	unsigned int free;

	lockdep_assert_held(&pool->lock);
	free = find_next_bit(pool->filled, ZBUD_CHUNKS + 1, chunks);
	if (free > ZBUD_CHUNKS)
		return 0;
	zp = list_first_entry(&pool->unbuddied[free], struct zbud_page, link);
	zbud_unlink(pool, zp);
	if (!zp->first) {
		zp->first = chunks;
		return (unsigned long)zp;
	}
	zp->last = chunks;
	return (unsigned long)zp | ZBUD_LAST;
}

static struct zbud_page *zbud_page_new(gfp_t gfp)
{
	struct zbud_page *zp = kzalloc(sizeof(*zp), gfp);

	if (!zp)
		return NULL;
	zp->mem = (void *)__get_free_page(gfp);
	if (!zp->mem) {
		kfree(zp);
		return NULL;
	}
	return zp;
}

static unsigned long zbud_alloc(void *opaque, size_t len, gfp_t gfp)
{
	unsigned int chunks = DIV_ROUND_UP(len, 1 << ZBUD_CHUNK_SHIFT);
	struct zbud_pool *pool = opaque;
	struct zbud_page *zp;
	unsigned long handle;

	spin_lock(&pool->lock);
	handle = zbud_pair(pool, chunks);
	spin_unlock(&pool->lock);
	if (handle)
		return handle;

	zp = zbud_page_new(gfp);
	if (!zp)
		return 0;
	spin_lock(&pool->lock);
	ADD_ONCE(pool->pages, 1);
	zp->first = chunks;
	if (chunks < ZBUD_CHUNKS)
		zbud_link(pool, zp);
	spin_unlock(&pool->lock);
	return (unsigned long)zp;
}

static void zbud_free(void *opaque, unsigned long handle)
{
	struct zbud_page *zp = (struct zbud_page *)(handle & ~ZBUD_LAST);
	struct zbud_pool *pool = opaque;
	bool empty;

	spin_lock(&pool->lock);
	if ((!zp->first || !zp->last) && zp->first + zp->last < ZBUD_CHUNKS)
		zbud_unlink(pool, zp);
	if (handle & ZBUD_LAST)
		zp->last = 0;
	else
		zp->first = 0;
	empty = !zp->first && !zp->last;
	if (empty)
		SUB_ONCE(pool->pages, 1);
	else
		zbud_link(pool, zp);
	spin_unlock(&pool->lock);

	if (empty) {
		free_page((unsigned long)zp->mem);
		kfree(zp);
	}
}

static void *zbud_map(void *opaque, unsigned long handle, bool write)
{
	struct zbud_page *zp = (struct zbud_page *)(handle & ~ZBUD_LAST);

	/* The holder of the handle keeps last from changing, so no lock is needed to read it. */
	if (handle & ZBUD_LAST)
		return zp->mem + PAGE_SIZE - (zp->last << ZBUD_CHUNK_SHIFT);
	return zp->mem;
}

static void zbud_unmap(void *opaque, unsigned long handle)
{
}

static unsigned long zbud_pages(void *opaque)
{
	struct zbud_pool *pool = opaque;

	return READ_ONCE(pool->pages);
}

static unsigned long zbud_compact(void *opaque)
{
	return 0;
}

static void *zbud_create(void)
{
	struct zbud_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	unsigned int i;

	if (!pool)
		return NULL;
	spin_lock_init(&pool->lock);
	for (i = 0; i <= ZBUD_CHUNKS; i++)
		INIT_LIST_HEAD(&pool->unbuddied[i]);
	return pool;
}

static void zbud_destroy(void *opaque)
{
	struct zbud_pool *pool = opaque;

	WARN_ON(pool->pages);
	kfree(pool);
}

const struct allocator_ops zbud_allocator = {
	.name = "zbud",
	.create = zbud_create,
	.destroy = zbud_destroy,
	.alloc = zbud_alloc,
	.free = zbud_free,
	.map = zbud_map,
	.unmap = zbud_unmap,
	.pages = zbud_pages,
	.compact = zbud_compact,
};
