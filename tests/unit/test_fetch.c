// SPDX-License-Identifier: GPL-2.0-or-later
/* Remote pages on their way back, with all that can go wrong on it. */
#include <setjmp.h>
#include <cmocka.h>

#include <linux/mm.h>
#include <linux/workqueue.h>

#include "node.h"
#include "scene.h"
#include "seal.h"
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

/* Reading in order: few READs, and most pages are there before they are asked for. */
static void test_fetch_ahead(void **state)
{
	u64 ahead = node_counter("loads_prefetched"), waited = node_counter("loads_remote");
	unsigned int i;

	fill_remote(300);
	for (i = 0; i < 300; i++)
		check(i, PAGE_TEXT, i);
	assert_in_range(scene.donor->reads, 1, 40);
	assert_int_equal(node_counter("loads_prefetched") - ahead, 298);
	assert_int_equal(node_counter("loads_remote") - waited, 2);
	/* A copy is dropped once it has served; the slot stays. */
	assert_int_equal(zcache_clean_pages(), 0);
	assert_int_equal(extent_pages(), 300);
	for (i = 300; i--;)
		check(i, PAGE_TEXT, i);
}

static void test_copies_are_dropped(void **state)
{
	fill_remote(20);
	check(0, PAGE_TEXT, 0);
	check(1, PAGE_TEXT, 1);
	assert_int_equal(zcache_clean_pages(), PREFETCH_MIN);
	drop_clean_all();
	assert_int_equal(zcache_clean_pages(), 0);
	assert_int_equal(zcache_zpage_bytes(), 0);
	check(2, PAGE_TEXT, 2);
	check(3, PAGE_TEXT, 3);
}

static void test_copies_are_rewritten_and_freed(void **state)
{
	fill_remote(20);
	check(0, PAGE_TEXT, 0);
	check(1, PAGE_TEXT, 1);
	assert_int_equal(store(2, PAGE_NOISE, 22), 0);
	assert_true(tmem_invalidate(scene.pool, 3));
	assert_int_equal(extent_pages(), 18);
	assert_int_equal(zcache_clean_pages(), 2);
	check(2, PAGE_NOISE, 22);
	check_error(3, -ENOENT);
	check(4, PAGE_TEXT, 4);
}

/* Loads that find a page on its way wait for it. */
static void test_waiters(void **state)
{
	struct async first, second, waiter[3];

	fill_remote(20);
	scene.donor->wait = true;
	async_load(&first, 0, false);
	async_load(&second, 1, false);
	async_load(&waiter[0], 2, false);
	async_load(&waiter[1], 2, true);
	async_load(&waiter[2], 3, false);
	assert_int_equal(first.done + second.done + waiter[0].done + waiter[1].done + waiter[2].done, 0);
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	check_async(&first, PAGE_TEXT, 0);
	check_async(&second, PAGE_TEXT, 1);
	check_async(&waiter[0], PAGE_TEXT, 2);
	check_async(&waiter[1], PAGE_TEXT, 2);
	check_async(&waiter[2], PAGE_TEXT, 3);
	check(2, PAGE_TEXT, 2);
}

/* What is rewritten or freed while it is read is read as it was, or as it is now; what comes later sees what is now. */
static void test_fetching_pages_are_rewritten_and_freed(void **state)
{
	struct async loads[2], waiter[2];

	fill_remote(20);
	scene.donor->wait = true;
	async_load(&loads[0], 0, false);
	async_load(&loads[1], 1, false);
	async_load(&waiter[0], 2, false);
	async_load(&waiter[1], 3, false);
	assert_int_equal(store(0, PAGE_TEXT, 100), 0);
	assert_int_equal(store(2, PAGE_TEXT, 102), 0);
	assert_true(tmem_invalidate(scene.pool, 1));
	assert_true(tmem_invalidate(scene.pool, 3));
	/* Their slots must not be given to others while the READs are outstanding: the donor checks that. */
	store(30, PAGE_TEXT, 30);
	send_all();
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	check_async(&loads[0], PAGE_TEXT, 0);
	check_async(&loads[1], PAGE_TEXT, 1);
	check_async(&waiter[0], PAGE_TEXT, 2);
	check_async(&waiter[1], PAGE_TEXT, 3);
	check(0, PAGE_TEXT, 100);
	check(2, PAGE_TEXT, 102);
	check_error(1, -ENOENT);
	check_error(3, -ENOENT);
	check(30, PAGE_TEXT, 30);
	check(4, PAGE_TEXT, 4);
}

static void check_all_fail_and_come_back(int err)
{
	struct async waiter[2];
	unsigned int i;

	for (i = 0; i < 20; i++)
		check_error(i, err);
	scene.donor->wait = true;
	async_load(&waiter[0], 0, false);
	async_load(&waiter[1], 1, false);
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	assert_int_equal(waiter[0].done + waiter[1].done, 2);
	assert_int_equal(waiter[0].err, err);
	assert_int_equal(waiter[1].err, err);
}

static void test_reads_that_fail(void **state)
{
	static const int errors[] = { -EIO, -ETIMEDOUT };
	unsigned int i, k;

	fill_remote(20);
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		scene.donor->item_err = errors[i];
		check_all_fail_and_come_back(-EIO);
		scene.donor->item_err = 0;
		for (k = 0; k < 20; k++)
			check(k, PAGE_TEXT, k);
	}
	scene.donor->submit_err = -ETIMEDOUT;
	for (k = 0; k < 20; k++)
		check_error(k, -EIO);
	scene.donor->submit_err = 0;
	for (k = 0; k < 20; k++)
		check(k, PAGE_TEXT, k);
}

/* Other bytes than were sent are never a page. */
static void test_wrong_bytes(void **state)
{
	u64 bad = node_counter("bad_seals");
	unsigned int i;

	fill_remote(20);
	scene.donor->corrupt = true;
	check_all_fail_and_come_back(-EIO);
	assert_true(node_counter("bad_seals") - bad >= 20);
	scene.donor->corrupt = false;
	for (i = 0; i < 20; i++)
		check(i, PAGE_TEXT, i);
}

/* Nor are those that stood in the same place before, sealed by us as they are. */
static void test_replayed_bytes(void **state)
{
	u64 bad = node_counter("bad_seals");
	unsigned int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(store(7, PAGE_TEXT, i), 0);
		send_all();
	}
	scene.donor->replay = true;
	check_error(7, -EIO);
	assert_int_equal(node_counter("bad_seals") - bad, 1);
	scene.donor->replay = false;
	check(7, PAGE_TEXT, 1);
}

/* The same with the seal off, as far as accidents go. */
static void test_without_the_seal(void **state)
{
	u64 bad = node_counter("bad_seals");
	unsigned int i;

	donor_free(scene.donor);
	assert_int_equal(seal_set(false), 0);
	scene.donor = donor_new(2);
	assert_int_equal(donor_lend(scene.donor, R2NET_EXTENT_MIN, 2), 0);
	fill_remote(20);
	scene.donor->corrupt = true;
	check_all_fail_and_come_back(-EIO);
	assert_true(node_counter("bad_seals") - bad >= 20);
	scene.donor->corrupt = false;
	for (i = 0; i < 20; i++)
		check(i, PAGE_TEXT, i);
}

/* The deadline passes for those who cannot wait; who is patient asks again by itself. */
static void test_patience(void **state)
{
	struct async first, second, patient, hasty;

	fill_remote(20);
	scene.donor->wait = true;
	async_load(&first, 0, false);
	async_load(&second, 1, false);
	async_load(&hasty, 2, false);
	async_load(&patient, 2, true);
	donor_expire(scene.donor);
	assert_int_equal(first.err, -EIO);
	assert_int_equal(hasty.err, -EIO);
	assert_int_equal(first.done + second.done + hasty.done, 3);
	assert_int_equal(patient.done, 0);
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	check_async(&patient, PAGE_TEXT, 2);
}

/* More loads than READs can be under way: the others wait for their turn. */
static void test_more_loads_than_reads(void **state)
{
	static struct async loads[100];
	unsigned int i, done = 0;

	fill_remote(300);
	scene.donor->wait = true;
	shim_fail_allocations(1000);
	for (i = 0; i < ARRAY_SIZE(loads); i++)
		async_load(&loads[i], i * 3 % 300, false);
	assert_in_range(scene.donor->nr_pending, 1, 99);
	while (donor_answer(scene.donor, 0) || shim_run_work())
		;
	shim_fail_allocations(0);
	scene.donor->wait = false;
	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		check_async(&loads[i], PAGE_TEXT, i * 3 % 300);
		done += loads[i].done;
	}
	assert_int_equal(done, ARRAY_SIZE(loads));
}

/* Loads that found no READ do not depend on those who have them all: a donor may hang, and memory come back. */
static void test_loads_wait_for_memory_not_for_a_donor(void **state)
{
	static struct async loads[100];
	unsigned int i, hung, done = 0;

	fill_remote(300);
	scene.donor->wait = true;
	shim_fail_allocations(1000);
	for (i = 0; i < ARRAY_SIZE(loads); i++)
		async_load(&loads[i], i * 3 % 300, false);
	hung = scene.donor->nr_pending;
	shim_let_pass(1000);
	assert_int_equal(scene.donor->nr_pending, hung);
	shim_fail_allocations(0);
	shim_let_pass(100);
	while (donor_answer(scene.donor, hung))
		;
	for (i = 0; i < ARRAY_SIZE(loads); i++)
		done += loads[i].done;
	assert_in_range(done, ARRAY_SIZE(loads) - hung, ARRAY_SIZE(loads));
	while (donor_answer_all(scene.donor) || shim_run_work())
		;
	scene.donor->wait = false;
	for (i = 0; i < ARRAY_SIZE(loads); i++)
		check_async(&loads[i], PAGE_TEXT, i * 3 % 300);
}

/* Without memory nothing is read ahead, and all is read. */
static void test_fetch_ahead_without_memory(void **state)
{
	unsigned int i, n;

	fill_remote(64);
	for (n = 1; n < 100; n++) {
		shim_fail_allocation(n);
		for (i = 0; i < 64; i++)
			check(i, PAGE_TEXT, i);
	}
	assert_int_equal(extent_pages(), 64);
}

static void test_dead_donor(void **state)
{
	struct async load;

	fill_remote(20);
	check(0, PAGE_TEXT, 0);
	check(1, PAGE_TEXT, 1); /* and copies of the next ones */
	scene.donor->wait = true;
	async_load(&load, 10, false);
	assert_int_equal(donor_die(scene.donor), 20);
	assert_int_equal(load.done, 1);
	assert_int_equal(load.err, -EIO);
	check_error(11, -EIO);
	check_error(0, -EIO);
	/* A copy is as good as ever, once. */
	check(2, PAGE_TEXT, 2);
	assert_int_equal(store(11, PAGE_TEXT, 111), 0);
	check(11, PAGE_TEXT, 111);
	assert_true(tmem_invalidate(scene.pool, 12));
	check_error(12, -ENOENT);
}

/* A load makes the copy the page, while somebody else is about to drop it. */
static void test_a_copy_becomes_the_page_once(void **state)
{
	unsigned long index;
	struct zpage *zpage;

	fill_remote(20);
	check(0, PAGE_TEXT, 0);
	check(1, PAGE_TEXT, 1);
	donor_die(scene.donor);
	zpage = zcache_take_clean();
	assert_non_null(zpage);
	index = zpage->index;
	check(index, PAGE_TEXT, index);
	tmem_drop_clean(zpage);
	check(index, PAGE_TEXT, index);
	assert_int_equal(zcache_clean_pages(), PREFETCH_MIN - 1);
	assert_int_equal(zcache_pages(), 1);
}

/* The lender has said that a page arrived, and is known to be dead when that is acted upon. */
static void test_no_page_goes_to_a_dead_extent(void **state)
{
	unsigned int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
	scene.donor->wait = true;
	assert_int_equal(send_coldest(5), 5);
	assert_int_equal(lease_peer_dead(&scene.donor->peer), 0);
	donor_answer_all(scene.donor);
	scene.donor->wait = false;
	for (i = 0; i < 5; i++)
		check(i, PAGE_TEXT, i);
	assert_int_equal(extent_pages(), 0);
	assert_int_equal(zcache_pages(), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fetch_ahead),
		TEST(test_copies_are_dropped),
		TEST(test_copies_are_rewritten_and_freed),
		TEST(test_waiters),
		TEST(test_fetching_pages_are_rewritten_and_freed),
		TEST(test_reads_that_fail),
		TEST(test_wrong_bytes),
		TEST(test_replayed_bytes),
		TEST(test_without_the_seal),
		TEST(test_patience),
		TEST(test_more_loads_than_reads),
		TEST(test_loads_wait_for_memory_not_for_a_donor),
		TEST(test_fetch_ahead_without_memory),
		TEST(test_dead_donor),
		TEST(test_a_copy_becomes_the_page_once),
		TEST(test_no_page_goes_to_a_dead_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
