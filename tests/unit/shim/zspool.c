// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects of any size, mapped one at a time through a copy. */
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/zsmalloc.h>

struct zs_pool {
	unsigned long bytes;
	enum zs_mapmode mode;
};

struct zs_object {
	size_t size;
	u8 bytes[];
};

static u8 window[PAGE_SIZE]; /* of the CPU */

struct zs_pool *zs_create_pool(const char *name)
{
	return kzalloc(sizeof(struct zs_pool), GFP_KERNEL);
}

void zs_destroy_pool(struct zs_pool *pool)
{
	shim_assert(!pool->bytes);
	kfree(pool);
}

unsigned long zs_malloc(struct zs_pool *pool, size_t size, gfp_t gfp)
{
	struct zs_object *object;

	shim_assert(size >= 1 && size <= PAGE_SIZE);
	object = kmalloc(sizeof(*object) + size, gfp);
	if (!object)
		return (unsigned long)-ENOMEM;
	object->size = size;
	__atomic_add_fetch(&pool->bytes, size, __ATOMIC_RELAXED);
	return (unsigned long)object;
}

void zs_free(struct zs_pool *pool, unsigned long handle)
{
	struct zs_object *object = (struct zs_object *)handle;

	__atomic_sub_fetch(&pool->bytes, object->size, __ATOMIC_RELAXED);
	kfree(object);
}

void *zs_map_object(struct zs_pool *pool, unsigned long handle, enum zs_mapmode mode)
{
	struct zs_object *object = (struct zs_object *)handle;

	preempt_disable();
	shim_assert(!shim_task.maps++);
	pool->mode = mode;
	memset(window, 0xa5, sizeof(window));
	if (mode == ZS_MM_RO)
		memcpy(window, object->bytes, object->size);
	return window;
}

void zs_unmap_object(struct zs_pool *pool, unsigned long handle)
{
	struct zs_object *object = (struct zs_object *)handle;

	if (pool->mode == ZS_MM_WO)
		memcpy(object->bytes, window, object->size);
	shim_assert(shim_task.maps-- == 1);
	preempt_enable();
}

unsigned long zs_get_total_pages(struct zs_pool *pool)
{
	return DIV_ROUND_UP(READ_ONCE(pool->bytes), PAGE_SIZE);
}

unsigned long zs_compact(struct zs_pool *pool)
{
	might_sleep();
	return 0;
}
