// SPDX-License-Identifier: GPL-2.0
/*
 * pool.c - the front ends' pools: their numbers, their lives, and what their nodes take.
 */
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "entry.h"
#include "extent.h"
#include "tmem.h"

#define POOL_MAX 255

static DEFINE_MUTEX(pools_lock); /* of the list and the numbers */
static LIST_HEAD(pools);
static DEFINE_IDA(pool_ids);

struct tmem_pool *tmem_pool_new(void)
{
	struct tmem_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	int id;

	if (!pool)
		return NULL;
	id = ida_alloc_range(&pool_ids, 1, POOL_MAX, GFP_KERNEL);
	if (id < 0) {
		kfree(pool);
		return NULL;
	}
	kref_init(&pool->ref);
	pool->id = id;
	xa_init(&pool->pages);
	spin_lock_init(&pool->prefetch_lock);
	mutex_lock(&pools_lock);
	list_add_tail(&pool->link, &pools);
	mutex_unlock(&pools_lock);
	return pool;
}

void tmem_pool_destroy(struct tmem_pool *pool)
{
	mutex_lock(&pools_lock);
	list_del(&pool->link);
	mutex_unlock(&pools_lock);
	tmem_invalidate_range(pool, 0, TMEM_MAX_INDEX + 1UL);
	tmem_pool_put(pool);
}

struct tmem_pool *tmem_pool_find(u8 id)
{
	struct tmem_pool *pool, *found = NULL;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, link)
		if (pool->id == id)
			found = tmem_pool_get(pool);
	mutex_unlock(&pools_lock);
	return found;
}

static void pool_release(struct kref *ref)
{
	struct tmem_pool *pool = container_of(ref, struct tmem_pool, ref);

	xa_destroy(&pool->pages); /* a store that failed may have left a node */
	ida_free(&pool_ids, pool->id);
	kfree(pool);
}

struct tmem_pool *tmem_pool_get(struct tmem_pool *pool)
{
	kref_get(&pool->ref);
	return pool;
}

void tmem_pool_put(struct tmem_pool *pool)
{
	kref_put(&pool->ref, pool_release);
}

bool tmem_active(void)
{
	return !list_empty(&pools);
}

/* The remote pages' share of a pool's nodes, counted node by node. */
static u64 pool_remote_index_bytes(struct tmem_pool *pool)
{
	XA_STATE(xas, &pool->pages, 0);
	u64 nodes = 0, remote = 0, all = 0;
	struct xa_node *last = NULL;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, ULONG_MAX) {
		if (xas_retry(&xas, entry))
			continue;
		nodes += xas.xa_node != last;
		last = xas.xa_node;
		remote += entry_is_remote(entry);
		all++;
		if (need_resched()) {
			xas_pause(&xas);
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
			last = NULL; /* the node may be counted twice: a reading, not an account */
		}
	}
	rcu_read_unlock();
	return all ? div64_u64(nodes * sizeof(struct xa_node) * remote, all) : 0;
}

u64 tmem_remote_index_bytes(void)
{
	static unsigned long walked; /* jiffies */
	static u64 walked_pages, walked_bytes;
	u64 bytes = 0, pages = extent_pages(), changed;
	struct tmem_pool *pool;

	mutex_lock(&pools_lock);
	changed = max(pages, walked_pages) - min(pages, walked_pages);
	/* The last walk is good for a while, unless much has changed since. */
	if (time_before(jiffies, walked + HZ) && changed <= walked_pages / 8) {
		bytes = walked_bytes;
	} else {
		list_for_each_entry(pool, &pools, link)
			bytes += pool_remote_index_bytes(pool);
		walked = jiffies;
		walked_pages = pages;
		walked_bytes = bytes;
	}
	mutex_unlock(&pools_lock);
	return bytes;
}
