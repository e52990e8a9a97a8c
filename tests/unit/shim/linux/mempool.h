/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_MEMPOOL_H
#define _SHIM_MEMPOOL_H

#include <linux/slab.h>

typedef struct mempool mempool_t;

mempool_t *mempool_create_slab_pool(int min_nr, struct kmem_cache *cache);
void mempool_destroy(mempool_t *pool);
void *mempool_alloc(mempool_t *pool, gfp_t gfp);
void mempool_free(void *ptr, mempool_t *pool);

#endif
