// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages that have to be elsewhere: leases that are wanted back, copies that were lost, pages that come home. */
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include <linux/jiffies.h>
#include <linux/mm.h>

#include "extent.h"
#include "extent_table.h"
#include "move.h"
#include "node.h"
#include "remotify.h"
#include "scene.h"
#include "tests/unit/patience.h"
#include "zcache.h"

#define SIZE R2NET_EXTENT_MIN
#define PAGES 2000
#define TRIES 30000 /* ms */

static struct donor *other, *third;

static int set_up(void **state)
{
	scene_up("zsmalloc", "lzo");
	other = donor_new(3);
	third = donor_new(4);
	assert_int_equal(move_init(), 0);
	return 0;
}

static int tear_down(void **state)
{
	tmem_invalidate_range(scene.pool, 0, PAGES);
	donor_answer_all(scene.donor);
	move_stop();
	extent_set_copies(1);
	donor_free(other);
	donor_free(third);
	move_exit();
	scene_down();
	return 0;
}

#define wait_until(condition) wait_until_within(TRIES, condition)

static void keep(struct donor *donor, unsigned int nr)
{
	lease_keep(&donor->peer, nr);
	move_wake();
}

static u64 pages_at(struct donor *donor)
{
	struct lease_space space;

	lease_space_read(&donor->peer.space, &space);
	return space.pages;
}

static unsigned int give_back(struct donor *donor)
{
	struct ramster_nl_lease gone[64];

	return lease_return(&donor->peer, gone, 64);
}

/* Without pages a lease may still be held for a moment by the thread that emptied it. */
static void give_back_all(struct donor *donor, unsigned int nr)
{
	unsigned int given = 0;

	wait_until((given += give_back(donor)) >= nr);
	assert_int_equal(given, nr);
}

static void check_all(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		check(i, PAGE_TEXT, i);
}

/* All pages of a lender that wants its memory back go to another one, as they are, and stay readable all the while. */
static void test_to_another_lender(void **state)
{
	unsigned long reads;

	fill_remote(PAGES);
	assert_int_equal(pages_at(scene.donor), PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	keep(scene.donor, 0);
	wait_until(!pages_at(scene.donor));
	assert_int_equal(pages_at(other), PAGES);
	assert_int_equal(extent_pages(), PAGES);
	give_back_all(scene.donor, 2);
	reads = READ_ONCE(scene.donor->reads);
	check_all(PAGES);
	assert_int_equal(READ_ONCE(scene.donor->reads), reads);
	assert_int_equal(zcache_pages(), 0);
}

/* Only as many leave as are wanted, and those that are the emptiest. */
static void test_the_emptiest_leave(void **state)
{
	unsigned int i;

	fill_remote(PAGES);
	for (i = 0; i < PAGES / 4; i++)
		tmem_invalidate(scene.pool, i);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	keep(scene.donor, 1);
	wait_until(give_back(scene.donor) == 1);
	assert_in_range(pages_at(other), 1, PAGES * 3 / 8);
	assert_int_equal(pages_at(other) + pages_at(scene.donor), PAGES - PAGES / 4);
	for (i = PAGES / 4; i < PAGES; i++)
		check(i, PAGE_TEXT, i);
}

/* Where nobody has room the pages come home. */
static void test_home(void **state)
{
	fill_remote(PAGES);
	keep(scene.donor, 0);
	wait_until(!extent_pages());
	give_back_all(scene.donor, 2);
	assert_int_equal(zcache_pages(), PAGES);
	check_all(PAGES);
}

/* The lender may change its mind. */
static void test_kept_after_all(void **state)
{
	fill_remote(PAGES);
	WRITE_ONCE(scene.donor->wait, true);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(scene.donor->nr_pending) > 0);
	keep(scene.donor, UINT_MAX);
	WRITE_ONCE(scene.donor->wait, false);
	donor_answer_all(scene.donor);
	wait_until(!extent_moving_bytes());
	assert_int_equal(extent_pages() + zcache_pages(), PAGES);
	check_all(PAGES);
	/* What is left there may be filled again. */
	wait_until(extent_free_bytes() > 0);
}

static void test_a_target_that_fails(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(other->item_err, -EIO);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(other->writes) > 3);
	assert_int_equal(pages_at(other), 0);
	check_all(PAGES / 2);
	WRITE_ONCE(other->item_err, 0);
	wait_until(!pages_at(scene.donor));
	check_all(PAGES);
}

/* What the lender's leases have failed least often. */
static unsigned int failures_at(struct donor *donor)
{
	struct lease *lease;
	unsigned int least = UINT_MAX;

	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->peer == &donor->peer)
			least = min(least, lease->failures);
	spin_unlock(&extents_lock);
	return least;
}

/* A lender that has failed as a target, and then was one after all, is as good a source as any. */
static void test_a_target_that_failed_before(void **state)
{
	fill_remote(PAGES);
	shim_totalram_pages = 200; /* nothing can come home */
	assert_int_equal(zcache_set_limits(1, 1), 0);
	for (unsigned int i = PAGES; !zcache_full(); i++)
		assert_int_equal(store(i, PAGE_NOISE, i), 0);
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	WRITE_ONCE(third->item_err, -EIO);
	keep(scene.donor, 0);
	wait_until(failures_at(third) >= 3);
	WRITE_ONCE(third->item_err, 0);
	wait_until(!pages_at(scene.donor));
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	keep(third, 0);
	wait_until(!pages_at(third));
	assert_int_equal(pages_at(other), PAGES);
	check_all(PAGES);
	tmem_invalidate_range(scene.pool, PAGES, 1000);
}

/* What goes wrong on the way leaves pages where they are, and is tried again. */
static void test_a_source_that_fails(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(scene.donor->item_err, -EIO);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(scene.donor->reads) > 3);
	WRITE_ONCE(scene.donor->item_err, 0);
	wait_until(!pages_at(scene.donor));
	check_all(PAGES);
}

static void fail_to_submit(struct donor *donor)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(donor->submit_err, -ENOTCONN);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(donor->refused) > 3);
	assert_int_equal(pages_at(other), 0);
	WRITE_ONCE(donor->submit_err, 0);
	wait_until(!pages_at(scene.donor));
	assert_int_equal(extent_pages() + zcache_pages(), PAGES);
	check_all(PAGES);
}

static void test_a_source_without_connection(void **state)
{
	fail_to_submit(scene.donor);
}

static void test_a_target_without_connection(void **state)
{
	fail_to_submit(other);
}

/* A lender that knows the leases no more: those of the target are forgotten, and nothing else is. */
static void test_a_target_that_forgot(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(other->item_err, -ESTALE);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(other->writes) > 0);
	WRITE_ONCE(other->item_err, 0);
	assert_int_equal(donor_lend(third, SIZE, 3), 0);
	move_wake();
	wait_until(!pages_at(scene.donor));
	check_all(PAGES);
	assert_int_equal(extent_pages() + zcache_pages(), PAGES);
}

/* If those of the source are, its pages are lost, and whoever loads one is told. */
static void test_a_source_that_forgot(void **state)
{
	unsigned int i, lost = 0;

	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(scene.donor->item_err, -ESTALE);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(scene.donor->reads) > 0);
	WRITE_ONCE(scene.donor->item_err, 0);
	for (i = 0; i < PAGES; i++) {
		struct async async;

		async_load(&async, i, false);
		wait_until(READ_ONCE(async.done));
		if (async.err) {
			assert_int_equal(async.err, -EIO);
			lost++;
		} else {
			check_async(&async, PAGE_TEXT, i);
		}
	}
	assert_in_range(lost, 1, PAGES);
}

/* There is room here again. */
static void test_some_come_home(void **state)
{
	fill_remote(PAGES);
	move_home(PAGES / 2);
	wait_until(zcache_pages() >= PAGES / 2);
	assert_in_range(zcache_pages(), PAGES / 2, PAGES * 3 / 4);
	assert_int_equal(extent_pages() + zcache_pages(), PAGES);
	move_home(0);
	check_all(PAGES);
}

static void test_a_target_that_dies(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(other->wait, true);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(other->nr_pending) > 0);
	assert_int_equal(donor_die(other), 0);
	WRITE_ONCE(other->wait, false);
	assert_int_equal(donor_lend(third, SIZE, 3), 0);
	move_wake();
	wait_until(!pages_at(scene.donor));
	check_all(PAGES);
	assert_int_equal(extent_pages() + zcache_pages(), PAGES);
}

/* A lender that stops to answer keeps no other from being emptied, though it has not let go of what it was asked. */
static void test_a_target_that_hangs(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 3), 0);
	WRITE_ONCE(other->wait, true);
	keep(scene.donor, 0);
	wait_until(READ_ONCE(other->nr_pending) == 2);
	donor_set_state(other, RAMSTER_PEER_DOWN);
	donor_break(other);
	assert_int_equal(donor_lend(third, SIZE, 3), 0);
	wait_until(!pages_at(scene.donor));
	give_back_all(scene.donor, 2);
	check_all(PAGES);
	donor_fence(other);
	WRITE_ONCE(other->wait, false);
	donor_set_state(other, RAMSTER_PEER_UP);
}

/* Most pages are sent to both. */
static void fill_both(void)
{
	unsigned int i;

	shim_totalram_pages = 20000;
	assert_int_equal(zcache_set_limits(1, 50), 0);
	extent_set_copies(2);
	assert_int_equal(donor_lend(other, SIZE, 2), 0);
	move_wake();
	wait_until(extent_free_bytes() == 2 * SIZE);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
	assert_int_equal(remotify_init(), 0);
	remotify_wait_for_room(1);
	wait_until(extent_pages() > PAGES / 2);
	remotify_stop();
}

/* With two copies the death of a lender loses nothing, and the second copies are restored elsewhere. */
static void test_copies(void **state)
{
	u64 remote;

	fill_both();
	remote = extent_pages();
	assert_int_equal(pages_at(scene.donor), remote);
	assert_int_equal(pages_at(other), remote);
	assert_int_equal(extent_pages_missing(), 0);
	/* With nobody there each page lacks a copy once. */
	donor_set_state(scene.donor, RAMSTER_PEER_DOWN);
	donor_set_state(other, RAMSTER_PEER_DOWN);
	assert_int_equal(extent_pages_missing(), remote);
	donor_set_state(scene.donor, RAMSTER_PEER_UP);
	donor_set_state(other, RAMSTER_PEER_UP);
	assert_int_equal(donor_die(other), 0);
	assert_int_equal(extent_pages_missing(), remote);
	check_all(PAGES);
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	move_wake();
	wait_until(!extent_pages_missing());
	assert_int_equal(pages_at(third), remote);
	/* The first may go now, too. */
	assert_int_equal(donor_die(scene.donor), 0);
	check_all(PAGES);
	remotify_exit();
}

/* Copies that have nowhere to go want leases, also where the space that is left would do for all that is new. */
static void test_copies_want_leases(void **state)
{
	u64 wanted;

	fill_both();
	assert_int_equal(remotify_need(), 0);
	assert_int_equal(donor_die(other), 0);
	wait_until(remotify_need() > 0);
	wanted = remotify_need();
	assert_in_range(wanted, SIZE, extent_space_bytes());
	/* More of the lender that has them already is of no use. */
	assert_int_equal(donor_lend(scene.donor, SIZE, 2), 0);
	wait_until(remotify_need() == wanted);
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	move_wake();
	wait_until(!extent_pages_missing());
	wait_until(!remotify_need());
	check_all(PAGES);
	remotify_exit();
}

/*
 * A lender wants its memory back, and there is no third: what it has comes home, though another has it, too, since a page with
 * one lender alone would be lost with that.
 */
static void test_copies_without_a_third(void **state)
{
	fill_both();
	keep(other, 0);
	wait_until(!pages_at(other));
	assert_int_equal(pages_at(scene.donor), 0);
	assert_int_equal(extent_pages_missing(), 0);
	assert_int_equal(zcache_pages(), PAGES);
	give_back_all(other, 2);
	check_all(PAGES);
	remotify_exit();
}

/* The other one brings wrong bytes: what comes home is what the honest one has, which is not let go before. */
static void copies_beside_a_liar(struct donor *honest, struct donor *liar)
{
	fill_both();
	WRITE_ONCE(liar->corrupt, true);
	keep(honest, 0);
	wait_until(!pages_at(honest));
	assert_int_equal(pages_at(liar), 0);
	assert_int_equal(zcache_pages(), PAGES);
	check_all(PAGES);
	remotify_exit();
}

static void test_copies_beside_a_liar(void **state)
{
	copies_beside_a_liar(scene.donor, other);
}

static void test_copies_beside_another_liar(void **state)
{
	copies_beside_a_liar(other, scene.donor);
}

/* Copies that find no place do not hide one that does. */
static void test_copies_of_which_some_find_no_place(void **state)
{
	const unsigned int nr = 3300; /* of 4 KiB: more than six of the smallest extents take */
	unsigned int i;

	shim_totalram_pages = 20000;
	assert_int_equal(zcache_set_limits(1, 50), 0);
	extent_set_copies(2);
	assert_int_equal(donor_lend(scene.donor, SIZE, 4), 0);
	assert_int_equal(donor_lend(other, SIZE, 6), 0);
	assert_int_equal(donor_lend(scene.donor, 2 * SIZE, 1), 0);
	assert_int_equal(donor_lend(other, 2 * SIZE, 1), 0);
	move_wake();
	wait_until(extent_free_bytes() == 8 * SIZE);
	for (i = 0; i < nr; i++)
		assert_int_equal(store(i, PAGE_NOISE, i), 0);
	assert_int_equal(remotify_init(), 0);
	remotify_wait_for_room(1);
	wait_until(extent_pages() > nr - 250);
	remotify_stop();
	assert_int_equal(donor_die(other), 0);
	assert_int_equal(donor_lend(third, 2 * SIZE, 1), 0);
	move_wake();
	wait_until(pages_at(third) > 0);
	for (i = 0; i < nr; i++)
		check(i, PAGE_NOISE, i);
	tmem_invalidate_range(scene.pool, 0, nr);
	remotify_exit();
}

/*
 * What a lender wants back is copied from there, also if that has to wait for a lease: what the other one would bring takes its
 * place, and might be wrong.
 */
static void test_copies_of_what_is_replaced(void **state)
{
	fill_both();
	WRITE_ONCE(scene.donor->corrupt, true);
	keep(other, 0);
	wait_until(extent_moving_bytes()); /* it has looked for a lease, in vain */
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	move_leases_came();
	wait_until(!pages_at(other));
	WRITE_ONCE(scene.donor->corrupt, false);
	assert_int_equal(donor_die(scene.donor), 0);
	drop_clean_all();
	check_all(PAGES);
	remotify_exit();
}

/* Where there is no room at home either, the lender does not wait for ever: the other copy is enough for now. */
static void test_copies_without_any_room(void **state)
{
	u64 remote;

	fill_both();
	remote = extent_pages();
	shim_totalram_pages = 200; /* however much has left, what is here is more than one percent of that */
	assert_int_equal(zcache_set_limits(1, 1), 0);
	assert_true(zcache_full());
	keep(other, 0);
	wait_until(!pages_at(other));
	assert_int_equal(pages_at(scene.donor), remote);
	assert_int_equal(extent_pages_missing(), remote);
	give_back_all(other, 2);
	check_all(PAGES);
	remotify_exit();
}

/* A lender that is silent for long keeps nobody from having two copies. */
static void test_a_silent_lender(void **state)
{
	u64 remote;

	fill_both();
	remote = extent_pages();
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	move_set_restore_after(0);
	WRITE_ONCE(other->peer.silent_since, jiffies | 1);
	donor_set_state(other, RAMSTER_PEER_DOWN);
	WRITE_ONCE(other->submit_err, -ENOTCONN);
	check_all(PAGES);
	wait_until(!pages_at(other));
	assert_int_equal(pages_at(third), remote);
	assert_int_equal(pages_at(scene.donor), remote);
	/* It lives: what it has is given back or used again. */
	donor_set_state(other, RAMSTER_PEER_UP);
	WRITE_ONCE(other->submit_err, 0);
	assert_int_equal(donor_die(scene.donor), 0);
	check_all(PAGES);
	remotify_exit();
}

/* A page that one lender does not bring, or brings wrong, is read from the other. */
static void test_the_other_copy(void **state)
{
	fill_both();
	WRITE_ONCE(scene.donor->corrupt, true);
	check_all(PAGES);
	WRITE_ONCE(scene.donor->corrupt, false);
	WRITE_ONCE(other->item_err, -EIO);
	drop_clean_all();
	check_all(PAGES);
	WRITE_ONCE(other->submit_err, -ETIMEDOUT);
	drop_clean_all();
	check_all(PAGES);
	WRITE_ONCE(other->item_err, 0);
	WRITE_ONCE(other->submit_err, 0);
	remotify_exit();
}

/* Fewer copies, more copies, while pages are there. */
static void test_copies_change(void **state)
{
	fill_remote(PAGES);
	assert_int_equal(donor_lend(other, SIZE, 2), 0);
	extent_set_copies(2);
	move_wake();
	wait_until(!extent_pages_missing());
	assert_int_equal(pages_at(other), PAGES);
	assert_int_equal(pages_at(scene.donor), PAGES);
	extent_set_copies(1);
	move_wake();
	wait_until(pages_at(other) + pages_at(scene.donor) == PAGES);
	check_all(PAGES);
}

/* Pages are stored, freed and read while their memory moves to and fro. */
struct worker {
	pthread_t thread;
	unsigned long first;
	u64 seed;
	unsigned long steps;
	bool stop;
};

#define WORKER_PAGES 600
#define ROUND_STEPS 500

static void *work(void *arg)
{
	struct worker *worker = arg;
	u64 seeds[WORKER_PAGES] = { 0 }; /* 0: not there */
	unsigned int i;

	while (!READ_ONCE(worker->stop)) {
		WRITE_ONCE(worker->steps, worker->steps + 1);
		i = pages_random(&worker->seed) % WORKER_PAGES;
		switch (pages_random(&worker->seed) % 4) {
		case 0:
			tmem_invalidate(scene.pool, worker->first + i);
			seeds[i] = 0;
			break;
		case 1:
			seeds[i] = 1 + pages_random(&worker->seed) % 1000;
			assert_int_equal(store(worker->first + i, PAGE_TEXT, seeds[i]), 0);
			break;
		default:
			if (seeds[i])
				check(worker->first + i, PAGE_TEXT, seeds[i]);
			else
				check_error(worker->first + i, -ENOENT);
		}
	}
	for (i = 0; i < WORKER_PAGES; i++)
		if (seeds[i])
			check(worker->first + i, PAGE_TEXT, seeds[i]);
	return NULL;
}

static void test_under_load(void **state)
{
	struct worker workers[2] = { { .first = 0, .seed = 1 }, { .first = 1000, .seed = 2 } };
	struct donor *donors[] = { scene.donor, other, third };
	unsigned int i, round;

	shim_totalram_pages = 4000;
	assert_int_equal(zcache_set_limits(1, 50), 0);
	assert_int_equal(remotify_init(), 0);
	assert_int_equal(donor_lend(other, SIZE, 2), 0);
	assert_int_equal(donor_lend(third, SIZE, 2), 0);
	for (i = 0; i < 2; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (round = 0; round < 60; round++) {
		struct donor *donor = donors[round % 3];
		unsigned long steps = READ_ONCE(workers[0].steps) + ROUND_STEPS;

		extent_set_copies(1 + round / 20 % 2);
		keep(donor, round % 2);
		wait_until(READ_ONCE(workers[0].steps) > steps);
		i = give_back(donor);
		keep(donor, UINT_MAX);
		if (i)
			assert_int_equal(donor_lend(donor, SIZE, i), 0);
	}
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(workers[i].stop, true);
		pthread_join(workers[i].thread, NULL);
	}
	remotify_stop();
	remotify_exit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_to_another_lender, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_emptiest_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept_after_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_that_failed_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_source_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_source_without_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_without_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_that_forgot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_source_that_forgot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_some_come_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_that_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_target_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_want_leases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_without_a_third, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_beside_a_liar, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_beside_another_liar, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_of_which_some_find_no_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_of_what_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_without_any_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_silent_lender, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_other_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_under_load, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
