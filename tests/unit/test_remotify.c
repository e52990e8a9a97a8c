// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * WRITEs that fail, or to a donor whose connections break: what the thread that sends the coldest pages away can still do.
 */
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include <linux/mm.h>

#include "extent.h"
#include "node.h"
#include "remotify.h"
#include "scene.h"
#include "tests/unit/patience.h"
#include "zcache.h"

#define PAGES 1500
#define TRIES 2000 /* ms */
#define wait_until(condition) wait_until_within(TRIES, condition)

static int set_up(void **state)
{
	scene_up("zsmalloc", "lzo");
	shim_totalram_pages = 20000;
	assert_int_equal(zcache_set_limits(1, 50), 0); /* a third of our pages are above the mark */
	assert_int_equal(remotify_init(), 0);
	WRITE_ONCE(scene.donor->wait, true);
	return 0;
}

static int tear_down(void **state)
{
	remotify_exit();
	scene_down();
	return 0;
}

static void fill(void)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
}

/* Nothing is sent any more, and nothing is outstanding. */
static void settle(void)
{
	remotify_stop();
	donor_answer_all(scene.donor);
	donor_fence(scene.donor);
	WRITE_ONCE(scene.donor->wait, false);
}

/* Those that wait for a FENCE hold their slots, and nothing that WRITEs to others need. */
static void test_unfenced_writes_do_not_stop_others(void **state)
{
	struct donor *other = donor_new(3);
	unsigned long i;

	fill();
	wait_until(READ_ONCE(scene.donor->nr_pending) == EXTENT_MAX_WRITES);
	donor_break(scene.donor);
	assert_int_equal(zcache_pages(), PAGES);
	WRITE_ONCE(other->wait, true);
	assert_int_equal(donor_lend(other, R2NET_EXTENT_MIN, 2), 0);
	wait_until(READ_ONCE(other->nr_pending) == EXTENT_MAX_WRITES);
	remotify_stop();
	WRITE_ONCE(other->wait, false);
	donor_answer_all(other);
	donor_fence(scene.donor);
	assert_true(zcache_pages() < PAGES);
	for (i = 0; i < PAGES; i++)
		check(i, PAGE_TEXT, i);
	tmem_invalidate_range(scene.pool, 0, PAGES);
	donor_free(other);
}

/* Whose connections fail again and again gets no more than it has let go of: records of WRITEs are not without number. */
static void test_unfenced_writes_are_bounded(void **state)
{
	unsigned int outages;

	fill();
	for (outages = 0; outages < 20; outages++) {
		wait_until(READ_ONCE(scene.donor->nr_pending) == EXTENT_MAX_WRITES);
		donor_break(scene.donor);
		assert_null(extent_group_next());
		assert_int_equal(extent_usable_bytes(), 0);
		donor_fence(scene.donor);
	}
	assert_int_equal(zcache_pages(), PAGES);
	settle();
}

/* Some pages leave, and all are right, here or there. */
static void assert_they_leave(void)
{
	unsigned long i;

	wait_until(zcache_pages() < PAGES);
	settle();
	assert_true(zcache_pages() < PAGES);
	for (i = 0; i < PAGES; i++)
		check(i, PAGE_TEXT, i);
}

/* Pages whose WRITE fails, for whatever reason, stay, and leave once it does not. */
static void test_writes_that_fail(void **state)
{
	unsigned long writes;

	WRITE_ONCE(scene.donor->wait, false);
	WRITE_ONCE(scene.donor->item_err, -EIO);
	fill();
	wait_until(READ_ONCE(scene.donor->writes) >= 3);
	WRITE_ONCE(scene.donor->item_err, -ERANGE);
	writes = READ_ONCE(scene.donor->writes);
	wait_until(READ_ONCE(scene.donor->writes) >= writes + 3);
	assert_int_equal(zcache_pages(), PAGES);
	assert_true(node_counter("remotify_failed") > 0);
	assert_true(node_counter("stale_slots") > 0);
	WRITE_ONCE(scene.donor->item_err, 0);
	assert_they_leave();
}

/* Pages that are freed here and there leave room, though no block is free. */
static void test_room_between_pages(void **state)
{
	const unsigned int nr = 6000; /* far more than the donor has room for */
	unsigned long i, freed = 0;
	u64 remote;

	WRITE_ONCE(scene.donor->wait, false);
	for (i = 0; i < nr; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
	wait_until(!extent_usable_bytes());
	wait_until_within(10000, !remotify_may_make_room());
	remote = extent_pages();
	assert_true(zcache_pages() > remote / 2);
	for (i = 0; i < nr; i += 2) {
		freed += entry_is_remote(xa_load(&scene.pool->pages, i));
		tmem_invalidate(scene.pool, i);
	}
	assert_in_range(freed, remote / 4, remote * 3 / 4);
	remotify_wait_for_room(1);
	wait_until(extent_pages() > remote - remote / 10);
	settle();
	for (i = 1; i < nr; i += 2)
		check(i, PAGE_TEXT, i);
	tmem_invalidate_range(scene.pool, 0, nr);
}

/* Who refuses all is asked now and then, and nobody waits for room that it would make. */
static void test_a_donor_that_refuses_all(void **state)
{
	unsigned long writes;

	WRITE_ONCE(scene.donor->wait, false);
	WRITE_ONCE(scene.donor->item_err, -ERANGE);
	fill();
	wait_until_within(10000, !remotify_may_make_room());
	writes = READ_ONCE(scene.donor->writes);
	assert_in_range(writes, 3, 3000);
	assert_int_equal(zcache_pages(), PAGES);
	WRITE_ONCE(scene.donor->item_err, 0);
	wait_until(remotify_may_make_room());
	assert_they_leave();
}

static void test_writes_that_cannot_be_sent(void **state)
{
	WRITE_ONCE(scene.donor->wait, false);
	WRITE_ONCE(scene.donor->submit_err, -ENOTCONN);
	fill();
	wait_until(READ_ONCE(scene.donor->refused) >= 3);
	assert_int_equal(zcache_pages(), PAGES);
	WRITE_ONCE(scene.donor->submit_err, 0);
	assert_they_leave();
}

/* The leases are gone, and with them the room; the pages are not. */
static void test_a_lender_that_forgot(void **state)
{
	WRITE_ONCE(scene.donor->wait, false);
	WRITE_ONCE(scene.donor->item_err, -ESTALE);
	fill();
	wait_until(READ_ONCE(scene.donor->writes) >= 1);
	assert_int_equal(zcache_pages(), PAGES);
	WRITE_ONCE(scene.donor->item_err, 0);
	assert_int_equal(donor_lend(scene.donor, R2NET_EXTENT_MIN, 2), 0);
	assert_they_leave();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unfenced_writes_do_not_stop_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unfenced_writes_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_writes_that_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_between_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_donor_that_refuses_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_writes_that_cannot_be_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_lender_that_forgot, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
