// SPDX-License-Identifier: GPL-2.0-or-later
/* A page's whole life against a model, at random, in good and in bad times. */
#include <setjmp.h>
#include <cmocka.h>

#include <linux/mm.h>
#include <linux/workqueue.h>

#include "node.h"
#include "scene.h"
#include "zcache.h"

static int set_up(void **state)
{
	scene_up("zbud", "lzo");
	return 0;
}

static int tear_down(void **state)
{
	scene_down();
	return 0;
}

/*
 * The model: for each index the pages that were stored there, one after the other. A load that runs while others store may
 * see any of those that were there meanwhile.
 */
#define INDICES 256
#define LOADS 64
#define HISTORY 64

struct past {
	enum page_kind kind[HISTORY];
	u64 seed[HISTORY]; /* 0: nothing was there */
	unsigned long version;
};

struct model_load {
	struct async async;
	unsigned long since; /* version */
	bool used;
};

struct model {
	struct past past[INDICES];
	struct model_load loads[LOADS];
	u64 seed;
	bool may_fail; /* errors are injected */
	unsigned long stored, refused, loaded, failed;
};

static void model_now(struct model *m, unsigned long index, enum page_kind kind, u64 seed)
{
	struct past *past = &m->past[index];

	past->version++;
	past->kind[past->version % HISTORY] = kind;
	past->seed[past->version % HISTORY] = seed;
}

static bool is_version(const struct past *past, unsigned long version, const struct async *async)
{
	struct page want;

	if (!past->seed[version % HISTORY])
		return async->err == -ENOENT;
	if (async->err)
		return false;
	page_make(&want, past->kind[version % HISTORY], past->seed[version % HISTORY]);
	return !memcmp(&want, &async->page, sizeof(want));
}

static void model_loaded(struct model *m, struct model_load *load)
{
	const struct past *past = &m->past[load->async.load.index];
	unsigned long version;

	assert_int_equal(load->async.done, 1);
	load->used = false;
	if (load->async.err && load->async.err != -ENOENT) {
		assert_true(m->may_fail);
		m->failed++;
		return;
	}
	m->loaded++;
	assert_true(past->version - load->since < HISTORY);
	for (version = load->since; version <= past->version; version++)
		if (is_version(past, version, &load->async))
			return;
	fail_msg("index %lu: a load brought what was not there (err %d)", load->async.load.index, load->async.err);
}

static void model_collect(struct model *m, bool all)
{
	unsigned int i;

	for (i = 0; i < LOADS; i++)
		if (m->loads[i].used && (all || m->loads[i].async.done))
			model_loaded(m, &m->loads[i]);
}

static void model_store(struct model *m, unsigned long index)
{
	enum page_kind kind = pages_random(&m->seed) % NR_PAGE_KINDS;
	u64 seed = pages_random(&m->seed) | 1;

	if (store(index, kind, seed)) {
		m->refused++;
		assert_true(m->may_fail);
		return;
	}
	m->stored++;
	model_now(m, index, kind, seed);
}

static void model_load(struct model *m, unsigned long index)
{
	unsigned int i;

	for (i = 0; i < LOADS && m->loads[i].used; i++)
		;
	if (i == LOADS)
		return;
	m->loads[i].used = true;
	m->loads[i].since = m->past[index].version;
	async_load(&m->loads[i].async, index, pages_random(&m->seed) % 4 == 0);
}

static void model_invalidate(struct model *m, unsigned long index)
{
	bool there = m->past[index].seed[m->past[index].version % HISTORY];

	assert_int_equal(tmem_place(scene.pool, index), there ? TMEM_RAM : TMEM_NOWHERE);
	assert_int_equal(tmem_invalidate(scene.pool, index), there);
	if (there)
		model_now(m, index, 0, 0);
}

static void model_trouble(struct model *m)
{
	u64 r = pages_random(&m->seed);

	if (!m->may_fail)
		return;
	scene.donor->corrupt = r % 16 == 0;
	scene.donor->item_err = r >> 8 & 15 ? 0 : -EIO;
	scene.donor->submit_err = r >> 16 & 15 ? 0 : -ETIMEDOUT;
	shim_fail_allocations(r >> 24 & 3 ? 0 : 200);
	if (!(r >> 32 & 7))
		donor_expire(scene.donor);
}

static void no_trouble(void)
{
	scene.donor->corrupt = false;
	scene.donor->item_err = 0;
	scene.donor->submit_err = 0;
	shim_fail_allocations(0);
}

static void model_settle(struct model *m)
{
	while (donor_answer_all(scene.donor) || shim_run_work())
		;
	model_collect(m, true);
}

/* A scan, up or down, such as makes pages be read ahead. */
static void model_scan(struct model *m)
{
	unsigned long index = pages_random(&m->seed) % INDICES, nr = pages_random(&m->seed) % 20;
	long step = pages_random(&m->seed) % 2 ? 1 : -1;

	for (; nr--; index += step) {
		if (index >= INDICES)
			return;
		model_load(m, index);
		model_collect(m, false);
	}
}

static void model_step(struct model *m)
{
	unsigned long index = pages_random(&m->seed) % INDICES;
	u64 r = pages_random(&m->seed) % 100;
	struct zpage *zpage;

	if (r < 30) {
		model_store(m, index);
	} else if (r < 50) {
		model_load(m, index);
	} else if (r < 54) {
		model_scan(m);
	} else if (r < 62) {
		model_invalidate(m, index);
	} else if (r < 74) {
		send_coldest(1 + pages_random(&m->seed) % BATCH_MAX);
	} else if (r < 90) {
		donor_answer(scene.donor, pages_random(&m->seed) % 4);
		shim_run_work();
	} else if (r < 94) {
		zpage = zcache_take_clean();
		if (zpage)
			tmem_drop_clean(zpage);
	} else if (r < 98) {
		model_trouble(m);
	} else {
		no_trouble();
		model_settle(m);
	}
	model_collect(m, false);
	if (scene.donor->nr_pending > 20)
		donor_answer(scene.donor, 0);
}

static void run_model(bool may_fail, u64 seed)
{
	static struct model m;
	unsigned long step, index;

	memset(&m, 0, sizeof(m));
	m.may_fail = may_fail;
	m.seed = seed;
	scene.donor->wait = true;
	for (step = 0; step < 30000; step++)
		model_step(&m);
	no_trouble();
	model_settle(&m);
	scene.donor->wait = false;
	m.may_fail = false;
	for (index = 0; index < INDICES; index++) {
		model_load(&m, index);
		model_settle(&m);
	}
	assert_true(m.stored > 5000 && m.loaded > 5000);
	assert_true(!may_fail == !m.failed && !may_fail == !m.refused);
}

static void test_against_a_model(void **state)
{
	run_model(false, 11);
}

static void test_against_a_model_with_errors(void **state)
{
	run_model(true, 12);
}

static void test_models_over_zsmalloc(void **state)
{
	scene_down();
	scene_up("zsmalloc", "lz4");
	run_model(false, 13);
	scene_down();
	scene_up("zsmalloc", "zstd");
	run_model(true, 14);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_against_a_model),
		TEST(test_against_a_model_with_errors),
		TEST(test_models_over_zsmalloc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
