// SPDX-License-Identifier: GPL-2.0-or-later
/* The index: pages stored, loaded, rewritten, sent and freed. */
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

static void test_kinds(void **state)
{
	unsigned int kind, seed;

	for (kind = 0; kind < NR_PAGE_KINDS; kind++)
		for (seed = 0; seed < 50; seed++)
			assert_int_equal(store(kind * 50 + seed, kind, seed), 0);
	assert_int_equal(tmem_same_pages(), 50);
	assert_int_equal(zcache_pages(), 50 * (NR_PAGE_KINDS - 1));
	for (kind = 0; kind < NR_PAGE_KINDS; kind++)
		for (seed = 0; seed < 50; seed++)
			check(kind * 50 + seed, kind, seed);
	assert_int_equal(extent_pages(), 0);
	send_all();
	assert_int_equal(extent_pages(), 50 * (NR_PAGE_KINDS - 1));
	assert_int_equal(zcache_pages(), 0);
	for (kind = 0; kind < NR_PAGE_KINDS; kind++)
		for (seed = 0; seed < 50; seed++)
			check(kind * 50 + seed, kind, seed);
}

/* The words next to what an entry can hold. */
static void test_words(void **state)
{
	static const u64 words[] = { 0,		1, ~0ULL, (1ULL << 61) - 1, 1ULL << 61, ~0ULL << 61, (~0ULL << 61) - 1,
				     1ULL << 63 };
	struct page page, back;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		for (k = 0; k < PAGE_SIZE / 8; k++)
			memcpy(page.bytes + 8 * k, &words[i], 8);
		assert_int_equal(tmem_store(scene.pool, 1, &page, false), 0);
		assert_int_equal(tmem_load_wait(scene.pool, 1, &back, false), 0);
		assert_memory_equal(&page, &back, sizeof(page));
		/* One byte that differs makes it another page. */
		page.bytes[i * 585] ^= 0x40;
		assert_int_equal(tmem_store(scene.pool, 1, &page, false), 0);
		assert_int_equal(tmem_load_wait(scene.pool, 1, &back, false), 0);
		assert_memory_equal(&page, &back, sizeof(page));
		assert_int_equal(tmem_same_pages(), 0);
	}
}

static void test_indices(void **state)
{
	static const unsigned long indices[] = { 0, 1, 63, 64, 4095, 4096, 1UL << 24, U32_MAX - 1, U32_MAX };
	unsigned int i;

	check_error(0, -ENOENT);
	check_error(U32_MAX, -ENOENT);
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		assert_int_equal(store(indices[i], PAGE_TEXT, i), 0);
	assert_int_equal(store(U32_MAX + 1UL, PAGE_TEXT, 0), -ENOSPC);
	assert_int_equal(store(~0UL, PAGE_WORD, 0), -ENOSPC);
	send_coldest(5);
	for (i = 0; i < ARRAY_SIZE(indices); i++) {
		assert_int_equal(tmem_place(scene.pool, indices[i]), TMEM_RAM);
		check(indices[i], PAGE_TEXT, i);
	}
	assert_int_equal(tmem_place(scene.pool, 2), TMEM_NOWHERE);
	/* The pool frees them all at its end. */
}

static void test_pools_are_apart(void **state)
{
	struct tmem_pool *first = scene.pool, *second = tmem_pool_new();

	store(5, PAGE_TEXT, 1);
	scene.pool = second;
	check_error(5, -ENOENT);
	store(5, PAGE_TEXT, 2);
	send_all();
	check(5, PAGE_TEXT, 2);
	assert_true(tmem_invalidate(second, 5));
	scene.pool = first;
	check(5, PAGE_TEXT, 1);
	tmem_pool_destroy(second);
	check(5, PAGE_TEXT, 1);
}

static void test_pools_run_out(void **state)
{
	struct tmem_pool *pools[255];
	unsigned int nr = 0;

	while (nr < ARRAY_SIZE(pools) && (pools[nr] = tmem_pool_new()))
		nr++;
	assert_int_equal(nr, 254);
	while (nr)
		tmem_pool_destroy(pools[--nr]);
}

static void test_invalidate(void **state)
{
	unsigned int i;

	for (i = 0; i < 40; i++)
		store(i, i % 4 ? PAGE_TEXT : PAGE_WORD, i);
	send_coldest(10);
	assert_true(tmem_invalidate(scene.pool, 3));
	assert_false(tmem_invalidate(scene.pool, 3));
	check_error(3, -ENOENT);
	assert_int_equal(tmem_invalidate_range(scene.pool, 2, 0), 0);
	assert_int_equal(tmem_invalidate_range(scene.pool, 0, 10), 9);
	assert_int_equal(tmem_invalidate_range(scene.pool, 30, 1000000), 10);
	for (i = 10; i < 30; i++)
		check(i, i % 4 ? PAGE_TEXT : PAGE_WORD, i);
}

/* Pages in the order in which they leave. */
static void test_coldest_first(void **state)
{
	struct zpage *zpage;

	store(1, PAGE_TEXT, 1);
	store(2, PAGE_TEXT, 2);
	store(3, PAGE_TEXT, 3);
	store(1, PAGE_TEXT, 4); /* it is the warmest now */
	zpage = zcache_take_coldest();
	assert_int_equal(zpage->index, 2);
	zcache_return(zpage);
	zpage = zcache_take_coldest();
	assert_int_equal(zpage->index, 2);
	zcache_return(zpage);
	assert_int_equal(send_coldest(2), 2);
	zpage = zcache_take_coldest();
	assert_int_equal(zpage->index, 1);
	zcache_return(zpage);
}

static void test_keep_local(void **state)
{
	struct page page;

	page_make(&page, PAGE_TEXT, 1);
	assert_int_equal(tmem_store(scene.pool, 1, &page, true), 0);
	send_all();
	assert_int_equal(extent_pages(), 0);
	check(1, PAGE_TEXT, 1);
}

static void test_full(void **state)
{
	unsigned int i, stored;

	shim_totalram_pages = 100;
	assert_int_equal(zcache_set_limits(0, 20), -EINVAL);
	assert_int_equal(zcache_set_limits(21, 20), -EINVAL);
	assert_int_equal(zcache_set_limits(1, 51), -EINVAL);
	assert_int_equal(zcache_set_limits(10, 20), 0);
	for (i = 0; !store(i, PAGE_TEXT, i); i++)
		assert_int_equal(zcache_above_high(), zcache_local_bytes() > 10 * PAGE_SIZE);
	stored = i;
	assert_in_range(stored, 20, 40);
	assert_true(zcache_full());
	/* A refused store changes nothing; a page of one word takes no room. */
	assert_int_equal(store(0, PAGE_TEXT, 1000), -ENOSPC);
	check(0, PAGE_TEXT, 0);
	assert_int_equal(store(1, PAGE_WORD, 1000), 0);
	check(1, PAGE_WORD, 1000);
	send_all();
	assert_int_equal(store(0, PAGE_TEXT, 1000), 0);
	check(0, PAGE_TEXT, 1000);
	for (i = 2; i < stored; i++)
		check(i, PAGE_TEXT, i);
}

/* Every allocation of a store fails once, over every kind of page that was there. */
static void test_store_without_memory(void **state)
{
	unsigned int kind, over, n;

	for (over = 0; over <= NR_PAGE_KINDS + 1; over++)
		for (kind = 0; kind < NR_PAGE_KINDS; kind++)
			for (n = 1;; n++) {
				unsigned long index = (unsigned long)n << 20;
				long before;
				int err;

				if (over < NR_PAGE_KINDS)
					assert_int_equal(store(index, over, 7), 0);
				else if (over == NR_PAGE_KINDS) {
					assert_int_equal(store(index, PAGE_TEXT, 7), 0);
					send_all();
				}
				before = shim_allocated();
				shim_fail_allocation(n);
				err = store(index, kind, 8);
				shim_fail_allocation(0);
				if (!err) {
					check(index, kind, 8);
					tmem_invalidate(scene.pool, index);
					break;
				}
				assert_int_equal(err, -ENOMEM);
				assert_int_equal(shim_allocated(), before);
				if (over < NR_PAGE_KINDS)
					check(index, over, 7);
				else if (over == NR_PAGE_KINDS)
					check(index, PAGE_TEXT, 7);
				else
					check_error(index, -ENOENT);
				tmem_invalidate(scene.pool, index);
			}
}

static void test_pool_without_memory(void **state)
{
	shim_fail_allocation(1);
	assert_null(tmem_pool_new());
}

static void test_pages_that_are_being_sent(void **state)
{
	store(1, PAGE_TEXT, 1);
	store(2, PAGE_TEXT, 2);
	store(3, PAGE_TEXT, 3);
	scene.donor->wait = true;
	assert_int_equal(send_coldest(3), 3);
	/* Read, rewritten, freed while they are under way. */
	check(1, PAGE_TEXT, 1);
	assert_int_equal(store(2, PAGE_TEXT, 22), 0);
	assert_true(tmem_invalidate(scene.pool, 3));
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	assert_int_equal(extent_pages(), 1);
	check(1, PAGE_TEXT, 1);
	check(2, PAGE_TEXT, 22);
	check_error(3, -ENOENT);
	/* The rewritten one can be sent again. */
	send_all();
	assert_int_equal(extent_pages(), 2);
	check(2, PAGE_TEXT, 22);
}

static void test_writes_that_fail(void **state)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		store(i, PAGE_TEXT, i);
	scene.donor->item_err = -EIO;
	assert_int_equal(send_coldest(8), 8);
	scene.donor->item_err = 0;
	scene.donor->submit_err = -ENOTCONN;
	assert_int_equal(send_coldest(8), 8);
	scene.donor->submit_err = 0;
	assert_int_equal(extent_pages(), 0);
	assert_int_equal(zcache_pages(), 20);
	/* The deadline passes; the lender acts on them much later. */
	scene.donor->wait = true;
	assert_int_equal(send_coldest(8), 8);
	donor_expire(scene.donor);
	scene.donor->wait = false;
	assert_int_equal(zcache_pages(), 20);
	for (i = 0; i < 20; i++)
		check(i, PAGE_TEXT, i);
	send_all();
	donor_answer_all(scene.donor);
	assert_int_equal(extent_pages(), 20);
	for (i = 0; i < 20; i++)
		check(i, PAGE_TEXT, i);
}

static void test_compressors(void **state)
{
	static const char *const names[] = { "lzo", "lzo-rle", "lz4", "zstd" };
	unsigned int i, k;

	assert_int_equal(zcache_set_compressor("gzip"), -EINVAL);
	assert_int_equal(zcache_set_compressor(""), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(zcache_set_compressor(names[i]), 0);
		assert_string_equal(zcache_compressor(), names[i]);
		for (k = 0; k < 4 * NR_PAGE_KINDS; k++)
			assert_int_equal(store(i * 100 + k, k % NR_PAGE_KINDS, k), 0);
		send_coldest(8);
	}
	/* Each is decompressed by what compressed it. */
	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (k = 0; k < 4 * NR_PAGE_KINDS; k++)
			check(i * 100 + k, k % NR_PAGE_KINDS, k);
}

static void test_compressor_without_memory(void **state)
{
	unsigned int n;

	for (n = 1;; n++) {
		shim_fail_allocation(n);
		if (!zcache_set_compressor("zstd"))
			break;
		assert_string_equal(zcache_compressor(), "lzo");
	}
	assert_true(n > 1);
}

/* What the index costs for remote pages, and that a reading of it does not disturb. */
static void test_bookkeeping(void **state)
{
	u64 bytes;

	assert_int_equal(tmem_remote_index_bytes(), 0);
	fill_remote(640);
	bytes = tmem_remote_index_bytes();
	assert_in_range(bytes, 640 * 9, 640 * 10);
	assert_in_range(node_counter("bookkeeping_per_page_milli"), 15000, 40000);
	assert_int_equal(tmem_invalidate_range(scene.pool, 0, 640), 640);
	assert_int_equal(tmem_remote_index_bytes(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kinds),
		TEST(test_words),
		TEST(test_indices),
		TEST(test_pools_are_apart),
		TEST(test_pools_run_out),
		TEST(test_invalidate),
		TEST(test_coldest_first),
		TEST(test_keep_local),
		TEST(test_full),
		TEST(test_store_without_memory),
		TEST(test_pool_without_memory),
		TEST(test_pages_that_are_being_sent),
		TEST(test_writes_that_fail),
		TEST(test_compressors),
		TEST(test_compressor_without_memory),
		TEST(test_bookkeeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
