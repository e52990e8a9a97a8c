// SPDX-License-Identifier: GPL-2.0
/*
 * zsmalloc.c - the kernel's zsmalloc behind the allocator table.
 */
#include <linux/err.h>
#include <linux/zsmalloc.h>

#include "allocator.h"

static void *zsmalloc_create(void)
{
	return zs_create_pool("ramster");
}

static void zsmalloc_destroy(void *pool)
{
	zs_destroy_pool(pool);
}

static unsigned long zsmalloc_alloc(void *pool, size_t len, gfp_t gfp)
{
	unsigned long handle = zs_malloc(pool, len, gfp | __GFP_HIGHMEM | __GFP_MOVABLE);

	/* Before 6.1 a failure is 0, since then an error value. */
	return IS_ERR_VALUE(handle) ? 0 : handle;
}

static void zsmalloc_free(void *pool, unsigned long handle)
{
	zs_free(pool, handle);
}

static void *zsmalloc_map(void *pool, unsigned long handle, bool write)
{
	return zs_map_object(pool, handle, write ? ZS_MM_WO : ZS_MM_RO);
}

static void zsmalloc_unmap(void *pool, unsigned long handle)
{
	zs_unmap_object(pool, handle);
}

static unsigned long zsmalloc_pages(void *pool)
{
	return zs_get_total_pages(pool);
}

static unsigned long zsmalloc_compact(void *pool)
{
	return zs_compact(pool);
}

const struct allocator_ops zsmalloc_allocator = {
	.name = "zsmalloc",
	.create = zsmalloc_create,
	.destroy = zsmalloc_destroy,
	.alloc = zsmalloc_alloc,
	.free = zsmalloc_free,
	.map = zsmalloc_map,
	.unmap = zsmalloc_unmap,
	.pages = zsmalloc_pages,
	.compact = zsmalloc_compact,
};
