// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <cmocka.h>

#include <linux/workqueue.h>

#include "node.h"
#include "scene.h"
#include "seal.h"
#include "zcache.h"

struct scene scene;

void scene_up(const char *allocator, const char *compressor)
{
	node_up(allocator, compressor);
	scene.pool = tmem_pool_new();
	assert_non_null(scene.pool);
	scene.donor = donor_new(2);
	assert_int_equal(donor_lend(scene.donor, R2NET_EXTENT_MIN, 2), 0);
}
void scene_down(void)
{
	shim_fail_allocation(0);
	shim_fail_allocations(0);
	tmem_pool_destroy(scene.pool);
	donor_answer_all(scene.donor);
	shim_run_work();
	assert_int_equal(tmem_same_pages(), 0);
	assert_int_equal(zcache_pages(), 0);
	assert_int_equal(zcache_clean_pages(), 0);
	assert_int_equal(zcache_zpage_bytes(), 0);
	assert_int_equal(extent_pages(), 0);
	donor_free(scene.donor);
	node_down();
}

int store(unsigned long index, enum page_kind kind, u64 seed)
{
	struct page page;

	page_make(&page, kind, seed);
	return tmem_store(scene.pool, index, &page, false);
}

void check(unsigned long index, enum page_kind kind, u64 seed)
{
	struct page page, want;

	memset(&page, 0x5a, sizeof(page));
	assert_int_equal(tmem_load_wait(scene.pool, index, &page, false), 0);
	page_make(&want, kind, seed);
	assert_memory_equal(&page, &want, sizeof(page));
}

void check_error(unsigned long index, int err)
{
	struct page page;

	assert_int_equal(tmem_load_wait(scene.pool, index, &page, false), err);
}

unsigned int send_coldest(unsigned int max)
{
	return batch_send(max);
}

void send_all(void)
{
	while (send_coldest(BATCH_MAX))
		;
}

void drop_clean_all(void)
{
	struct zpage *zpage;

	while ((zpage = zcache_take_clean()))
		tmem_drop_clean(zpage);
}

static void async_done(struct tmem_load *load, int err)
{
	struct async *async = container_of(load, struct async, load);

	async->done++;
	async->err = err;
}

void async_load(struct async *async, unsigned long index, bool patient)
{
	*async = (struct async){ .load = { .pool = scene.pool,
					   .index = index,
					   .page = &async->page,
					   .patient = patient,
					   .start = ktime_get(),
					   .done = async_done } };
	tmem_load(&async->load);
}

void check_async(const struct async *async, enum page_kind kind, u64 seed)
{
	struct page want;

	assert_int_equal(async->done, 1);
	assert_int_equal(async->err, 0);
	page_make(&want, kind, seed);
	assert_memory_equal(&async->page, &want, sizeof(want));
}

void fill_remote(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
	send_all();
	assert_int_equal(extent_pages(), nr);
}
