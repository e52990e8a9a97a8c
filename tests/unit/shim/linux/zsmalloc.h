/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps to zsmalloc's contract, not to its ways: one object is mapped at a time, and what is mapped is a copy. */
#ifndef _SHIM_ZSMALLOC_H
#define _SHIM_ZSMALLOC_H

enum zs_mapmode {
	ZS_MM_RO,
	ZS_MM_WO,
};

struct zs_pool;

struct zs_pool *zs_create_pool(const char *name);
void zs_destroy_pool(struct zs_pool *pool);
unsigned long zs_malloc(struct zs_pool *pool, size_t size, gfp_t gfp);
void zs_free(struct zs_pool *pool, unsigned long handle);
void *zs_map_object(struct zs_pool *pool, unsigned long handle, enum zs_mapmode mode);
void zs_unmap_object(struct zs_pool *pool, unsigned long handle);
unsigned long zs_get_total_pages(struct zs_pool *pool);
unsigned long zs_compact(struct zs_pool *pool);

#endif
