// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that can be made to run out.
 *
 * With a sanitizer, or if SHIM_KEEP_FREE is defined to be 0, each object is the C library's, so that every use is seen. Without,
 * objects of caches and pages go through lists of free ones, as a kernel's do, so that what is measured is not the C library.
 */
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

#ifndef SHIM_KEEP_FREE
#if defined(__has_feature)
#define SHIM_HAS_FEATURE(x) __has_feature(x)
#else
#define SHIM_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || SHIM_HAS_FEATURE(address_sanitizer) ||            \
	SHIM_HAS_FEATURE(thread_sanitizer)
#define SHIM_KEEP_FREE 0
#else
#define SHIM_KEEP_FREE 1
#endif
#endif

struct free_object {
	struct free_object *next;
};

struct kmem_cache {
	spinlock_t lock;
	unsigned int size;
	unsigned int align;
	long used;
	struct free_object *free;
};

struct mempool {
	spinlock_t lock;
	struct kmem_cache *cache;
	int nr;
	int min_nr;
	void *reserve[];
};

unsigned long shim_totalram_pages = 1UL << 20;
unsigned long shim_free_pages = 1UL << 19;

static struct kmem_cache page_cache = { .size = PAGE_SIZE, .align = PAGE_SIZE };
static atomic_long_t allocated;
static unsigned long fail_in; /* allocations until one fails; 0: none will */
static unsigned int fail_permille;
static bool only_reserve;
static bool failed;

void shim_fail_allocation(unsigned long n)
{
	fail_in = n;
	failed = false;
}

bool shim_allocation_failed(void)
{
	return failed;
}

void shim_fail_allocations(unsigned int permille)
{
	WRITE_ONCE(fail_permille, permille);
}

void shim_leave_only_the_reserve(bool only)
{
	WRITE_ONCE(only_reserve, only);
}

long shim_allocated(void)
{
	return atomic_long_read(&allocated);
}

static bool fails_at_random(gfp_t gfp)
{
	static unsigned int state = 1;

	if (!READ_ONCE(fail_permille) || (gfp & __GFP_DIRECT_RECLAIM))
		return false;
	return (__atomic_add_fetch(&state, 1, __ATOMIC_RELAXED) * 2654435761u >> 16) % 1000 < READ_ONCE(fail_permille);
}

/* Whether an allocation is to fail. Asked once for each. */
static bool must_fail(gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep();
	if (fail_in && !--fail_in) {
		failed = true;
		return true;
	}
	if (READ_ONCE(only_reserve) && !(gfp & (__GFP_DIRECT_RECLAIM | __GFP_MEMALLOC)))
		return true;
	return fails_at_random(gfp);
}

void *shim_alloc(size_t size, gfp_t gfp)
{
	void *ptr;

	if (must_fail(gfp))
		return NULL;
	ptr = gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
	shim_assert(ptr);
	atomic_long_inc(&allocated);
	return ptr;
}

void shim_free(const void *ptr)
{
	if (!ptr)
		return;
	atomic_long_dec(&allocated);
	free((void *)ptr);
}

static void *object_new(struct kmem_cache *cache)
{
	struct free_object *object;

	spin_lock(&cache->lock);
	cache->used++;
	object = cache->free;
	if (object)
		cache->free = object->next;
	spin_unlock(&cache->lock);
	if (!object)
		object = aligned_alloc(cache->align, (cache->size + cache->align - 1) & -cache->align);
	shim_assert(object);
	return object;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object;

	if (must_fail(gfp))
		return NULL;
	object = object_new(cache);
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->size);
	atomic_long_inc(&allocated);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *ptr)
{
	struct free_object *object = ptr;

	atomic_long_dec(&allocated);
	spin_lock(&cache->lock);
	shim_assert(cache->used > 0);
	cache->used--;
	if (SHIM_KEEP_FREE) {
		object->next = cache->free;
		cache->free = object;
	}
	spin_unlock(&cache->lock);
	if (!SHIM_KEEP_FREE)
		free(ptr);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, unsigned int flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache = shim_alloc(sizeof(*cache), GFP_KERNEL | __GFP_ZERO);

	shim_assert(size && !ctor);
	if (!cache)
		return NULL;
	cache->align = align ? align : sizeof(void *);
	cache->size = (size + cache->align - 1) & -cache->align;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	struct free_object *object;

	might_sleep();
	shim_assert(!cache->used);
	while ((object = cache->free)) {
		cache->free = object->next;
		free(object);
	}
	shim_free(cache);
}

unsigned int kmem_cache_size(struct kmem_cache *cache)
{
	return cache->size;
}

unsigned long __get_free_page(gfp_t gfp)
{
	return (unsigned long)kmem_cache_alloc(&page_cache, gfp);
}

void free_page(unsigned long addr)
{
	kmem_cache_free(&page_cache, (void *)addr);
}

mempool_t *mempool_create_slab_pool(int min_nr, struct kmem_cache *cache)
{
	mempool_t *pool = shim_alloc(struct_size(pool, reserve, min_nr), GFP_KERNEL | __GFP_ZERO);

	if (!pool)
		return NULL;
	pool->cache = cache;
	pool->min_nr = min_nr;
	while (pool->nr < min_nr) {
		pool->reserve[pool->nr] = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!pool->reserve[pool->nr]) {
			pool->min_nr = pool->nr;
			mempool_destroy(pool);
			return NULL;
		}
		pool->nr++;
	}
	return pool;
}

void mempool_destroy(mempool_t *pool)
{
	shim_assert(pool->nr == pool->min_nr);
	while (pool->nr)
		kmem_cache_free(pool->cache, pool->reserve[--pool->nr]);
	shim_free(pool);
}

void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	void *ptr;

	for (;;) {
		ptr = kmem_cache_alloc(pool->cache, gfp);
		if (ptr)
			return ptr;
		spin_lock(&pool->lock);
		if (pool->nr)
			ptr = pool->reserve[--pool->nr];
		spin_unlock(&pool->lock);
		if (ptr || !(gfp & __GFP_DIRECT_RECLAIM))
			return ptr;
		shim_wait();
	}
}

void mempool_free(void *ptr, mempool_t *pool)
{
	spin_lock(&pool->lock);
	if (pool->nr < pool->min_nr) {
		pool->reserve[pool->nr++] = ptr;
		ptr = NULL;
	}
	spin_unlock(&pool->lock);
	if (ptr)
		kmem_cache_free(pool->cache, ptr);
}
