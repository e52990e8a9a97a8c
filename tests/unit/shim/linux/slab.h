/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory, which can be made to run out, and whose leaks are counted.
 *
 * An allocation that may wait must not be made where sleeping is forbidden; one that must not wait can fail.
 */
#ifndef _SHIM_SLAB_H
#define _SHIM_SLAB_H

#define __GFP_DIRECT_RECLAIM 0x01u
#define __GFP_KSWAPD_RECLAIM 0x02u
#define __GFP_NOMEMALLOC 0x04u
#define __GFP_NOWARN 0x08u
#define __GFP_ZERO 0x10u
#define __GFP_HIGHMEM 0x20u
#define __GFP_MOVABLE 0x40u
#define __GFP_MEMALLOC 0x80u
#define GFP_NOWAIT __GFP_KSWAPD_RECLAIM
#define GFP_NOIO (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

struct kmem_cache;

/* The @n-th allocation from now on fails (1 is the next), and no other; 0: none. */
void shim_fail_allocation(unsigned long n);
/* Whether the failure that was asked for has happened. */
bool shim_allocation_failed(void);
/* @permille of all allocations that must not wait fail from now on, by a fixed sequence. */
void shim_fail_allocations(unsigned int permille);
/* Allocations that must not wait fail from now on unless they may use the reserve. */
void shim_leave_only_the_reserve(bool only);
/* Allocations that were not freed. */
long shim_allocated(void);

/* All return NULL on failure. Of the memory nothing is known unless it is asked to be zeroed. */
void *shim_alloc(size_t size, gfp_t gfp);
void shim_free(const void *ptr);
unsigned long __get_free_page(gfp_t gfp);
void free_page(unsigned long addr);

#define alloc_page(gfp) ((struct page *)__get_free_page(gfp))
#define __free_page(page) free_page((unsigned long)(page))

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, unsigned int flags,
				     void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache); /* wants it empty */
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *ptr);
unsigned int kmem_cache_size(struct kmem_cache *cache);

#define KMEM_CACHE(type, flags) kmem_cache_create(#type, sizeof(struct type), 0, flags, NULL)

static inline void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmem_cache_alloc(cache, gfp | __GFP_ZERO);
}

static inline void *kmalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, gfp);
}

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, gfp | __GFP_ZERO);
}

static inline void *kvmalloc(size_t size, gfp_t gfp)
{
	return shim_alloc(size, gfp);
}

static inline void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return shim_alloc(n * size, gfp | __GFP_ZERO);
}

static inline void kfree(const void *ptr)
{
	shim_free(ptr);
}

static inline void kvfree(const void *ptr)
{
	shim_free(ptr);
}

#endif
