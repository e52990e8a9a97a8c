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

/*
 * WRITEs, as remotify.c makes them.
 */
struct batch {
	struct r2net_request req;
	struct r2net_item items[SCENE_BATCH];
	struct zpage *zpages[SCENE_BATCH];
	void *entries[SCENE_BATCH];
	struct lease *leases[SCENE_BATCH];
	u8 bytes[SCENE_BATCH * R2NET_MAX_ITEM_LEN];
};

static void batch_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct batch *batch = container_of(req, struct batch, req);

	if (!err && tmem_remotified(batch->zpages[i], batch->entries[i], 1)) {
		zpage_put(batch->zpages[i]);
		return;
	}
	slot_abandon(batch->entries[i]);
	zcache_return(batch->zpages[i]);
}

static void batch_release(struct r2net_request *req)
{
	struct batch *batch = container_of(req, struct batch, req);
	unsigned int i;

	for (i = 0; i < req->nr; i++)
		slot_unpin(batch->entries[i], batch->leases[i]);
	free(batch);
}

static const struct r2net_request_ops batch_ops = { .item = batch_item, .release = batch_release };

static bool batch_add(struct batch *batch, struct extent_group *group, struct zpage *zpage)
{
	void *bytes = batch->bytes + batch->req.payload_length;
	struct extent_slot slot;
	void *entry;

	zpage_copy(zpage, bytes);
	entry = slot_alloc(group, tmem_owner(zpage->pool, zpage->index), zpage->length, zpage->compressor,
			   seal_checksum(bytes, zpage->length), &slot);
	if (!entry)
		return false;
	assert_int_equal(seal_page(bytes, &slot.bond), 0);
	batch->items[batch->req.nr] = (struct r2net_item){
		.extent = cpu_to_le32(slot.legs[0].extent),
		.generation = cpu_to_le32(slot.legs[0].generation),
		.offset = cpu_to_le32(slot.offset),
		.length = cpu_to_le32(slot.length),
	};
	batch->leases[batch->req.nr] = slot.legs[0].lease;
	batch->zpages[batch->req.nr] = zpage;
	batch->entries[batch->req.nr++] = entry;
	batch->req.payload_length += slot.length;
	return true;
}

unsigned int send_coldest(unsigned int max)
{
	struct extent_group *group = extent_group_next();
	struct batch *batch;
	struct zpage *zpage;
	unsigned int nr;
	int err;

	if (!group)
		return 0;
	batch = calloc(1, sizeof(*batch));
	batch->req = (struct r2net_request){
		.ops = &batch_ops, .type = R2NET_WRITE, .items = batch->items, .payload = batch->bytes
	};
	while (batch->req.nr < min(max, (unsigned int)SCENE_BATCH) && (zpage = zcache_take_coldest()))
		if (!batch_add(batch, group, zpage)) {
			zcache_return(zpage);
			break;
		}
	extent_group_put(group);
	nr = batch->req.nr;
	if (!nr) {
		free(batch);
		return 0;
	}
	err = r2net_submit(&scene.donor->peer, &batch->req);
	if (err) {
		r2net_request_fail(&batch->req, err);
		r2net_request_put(&batch->req);
	}
	return nr;
}

void send_all(void)
{
	while (send_coldest(SCENE_BATCH))
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
