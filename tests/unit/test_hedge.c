// SPDX-License-Identifier: GPL-2.0-or-later
/* Two lenders have each page, and the one that was asked is slow: the other is asked, too, and the first good answer counts. */
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include <linux/jiffies.h>
#include <linux/mm.h>

#include "extent.h"
#include "move.h"
#include "node.h"
#include "remotify.h"
#include "scene.h"
#include "tests/unit/patience.h"
#include "zcache.h"

#define PAGES 2000
#define TRIES 10000 /* ms */
#define LONG_US 100000 /* that a READ has waited */

static struct donor *other;
static struct donor *slow, *quick; /* the one that loads ask, and the one that they do not */
static u32 remote[PAGES]; /* the indices of remote pages, none beside the one before it */
static unsigned int nr_remote;

#define wait_until(condition) wait_until_within(TRIES, condition)

/* Ends @async, and what it stood in: whoever touches that later is found out by the address sanitizer. */
static void async_free(struct async **async)
{
	free(*async);
	*async = NULL;
}

static struct async *load(unsigned int i, bool patient)
{
	struct async *async = malloc(sizeof(*async));

	async_load(async, remote[i], patient);
	return async;
}

static void assert_right(struct async **async, unsigned int i)
{
	check_async(*async, PAGE_TEXT, remote[i]);
	async_free(async);
}

static void assert_failed(struct async **async)
{
	assert_int_equal((*async)->done, 1);
	assert_int_equal((*async)->err, -EIO);
	async_free(async);
}

static void assert_waits(const struct async *async)
{
	assert_int_equal(async->done, 0);
}

/* Most pages are sent to both, and then READs wait for answers. */
static void fill(void)
{
	unsigned int i;

	extent_set_copies(2);
	assert_int_equal(donor_lend(other, R2NET_EXTENT_MIN, 2), 0);
	move_wake();
	wait_until(extent_free_bytes() == 2 * R2NET_EXTENT_MIN);
	shim_totalram_pages = 20000;
	assert_int_equal(zcache_set_limits(1, 50), 0);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(store(i, PAGE_TEXT, i), 0);
	assert_int_equal(remotify_init(), 0);
	remotify_wait_for_room(1);
	wait_until(extent_pages() > PAGES / 2);
	remotify_stop();
	for (i = 0, nr_remote = 0; i < PAGES; i += 2)
		if (entry_is_remote(xa_load(&scene.pool->pages, i)))
			remote[nr_remote++] = i;
	assert_true(nr_remote > PAGES / 4);
	scene.donor->wait = other->wait = true;
}

/* Which donor @nr READs are waited for. */
static void asked(unsigned int nr)
{
	slow = scene.donor->nr_pending ? scene.donor : other;
	quick = slow == scene.donor ? other : scene.donor;
	assert_int_equal(slow->nr_pending, nr);
	assert_int_equal(quick->nr_pending, 0);
}

static int set_up(void **state)
{
	scene_up("zsmalloc", "lzo");
	other = donor_new(3);
	assert_int_equal(move_init(), 0);
	fill();
	return 0;
}

static int tear_down(void **state)
{
	donor_answer_all(scene.donor);
	donor_answer_all(other);
	tmem_invalidate_range(scene.pool, 0, PAGES);
	move_stop();
	remotify_exit();
	extent_set_copies(1);
	donor_free(other);
	move_exit();
	scene_down();
	return 0;
}

/* The second answer finds nothing that it may touch. */
static void test_the_second_peer_answers_first(void **state)
{
	u64 loads = node_counter("loads_remote"), hedged = node_counter("loads_hedged"),
	    reads = node_counter("reads_hedged");
	struct async *async = load(10, false);

	asked(1);
	assert_int_equal(donor_slow(slow, LONG_US), 1);
	assert_int_equal(quick->nr_pending, 1);
	assert_waits(async);
	assert_true(donor_answer(quick, 0));
	assert_right(&async, 10);
	assert_true(tmem_invalidate(scene.pool, remote[10]));
	assert_int_equal(slow->nr_pending, 1);
	assert_true(donor_answer(slow, 0));
	assert_int_equal(node_counter("loads_remote") - loads, 1);
	assert_int_equal(node_counter("loads_hedged") - hedged, 1);
	assert_int_equal(node_counter("reads_hedged") - reads, 1);
}

static void test_the_first_peer_answers_first(void **state)
{
	u64 hedged = node_counter("loads_hedged");
	struct async *async = load(10, false);

	asked(1);
	assert_int_equal(donor_slow(slow, LONG_US), 1);
	/* Once is enough. */
	assert_int_equal(donor_slow(slow, LONG_US), 0);
	assert_true(donor_answer(slow, 0));
	assert_right(&async, 10);
	assert_true(tmem_invalidate(scene.pool, remote[10]));
	assert_true(donor_answer(quick, 0));
	assert_int_equal(node_counter("loads_hedged") - hedged, 0);
}

/* What the second peer cannot answer the first one can, and the other way about. */
static void test_one_of_them_fails(void **state)
{
	static const int errors[] = { -EIO, -ERANGE, -ETIMEDOUT };
	struct async *async;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		async = load(10 + i, false);
		asked(1);
		donor_slow(slow, LONG_US);
		quick->item_err = errors[i];
		assert_true(donor_answer(quick, 0));
		quick->item_err = 0;
		assert_waits(async);
		assert_true(donor_answer(slow, 0));
		assert_right(&async, 10 + i);

		async = load(20 + i, false);
		asked(1);
		donor_slow(slow, LONG_US);
		slow->item_err = errors[i];
		assert_true(donor_answer(slow, 0));
		slow->item_err = 0;
		assert_waits(async);
		donor_answer_all(quick);
		assert_right(&async, 20 + i);
	}
}

/* Its deadline passes, and the READ stays outstanding. */
static void test_the_deadline_passes(void **state)
{
	struct async *async = load(10, false), *patient = load(20, true);

	asked(2);
	assert_int_equal(donor_slow(slow, LONG_US), 2);
	donor_expire(slow);
	donor_answer_all(quick);
	assert_right(&async, 10);
	assert_right(&patient, 20);
	assert_int_equal(slow->nr_pending, 2);
	assert_true(tmem_invalidate(scene.pool, remote[10]));
	donor_answer_all(slow);
}

static void test_both_fail(void **state)
{
	struct async *async = load(10, false);
	unsigned int tries = 0;

	asked(1);
	donor_slow(slow, LONG_US);
	slow->item_err = quick->item_err = -EIO;
	donor_answer(quick, 0);
	assert_waits(async);
	while (donor_answer_all(slow) + donor_answer_all(quick))
		assert_true(++tries < 10);
	slow->item_err = quick->item_err = 0;
	assert_failed(&async);
}

static void test_wrong_bytes(void **state)
{
	u64 bad = node_counter("bad_seals");
	struct async *async = load(10, false);

	asked(1);
	donor_slow(slow, LONG_US);
	quick->corrupt = true;
	donor_answer(quick, 0);
	quick->corrupt = false;
	assert_int_equal(node_counter("bad_seals") - bad, 1);
	assert_waits(async);
	donor_answer(slow, 0);
	assert_right(&async, 10);
}

/* Pages that are read ahead, and who waits for these. */
static void test_read_ahead(void **state)
{
	struct async *first, *second, *waiter[2];
	unsigned int i, k;

	for (i = 0; !entry_is_remote(xa_load(&scene.pool->pages, i + 5)); i++)
		;
	for (k = 0; k < nr_remote; k++)
		remote[k] = i + k;
	for (k = 0; k < 2; k++) {
		first = load(20 * k, false);
		second = load(20 * k + 1, false);
		waiter[0] = load(20 * k + 2, false);
		waiter[1] = load(20 * k + 3, true);
		asked(scene.donor->nr_pending + other->nr_pending);
		assert_int_equal(donor_slow(slow, LONG_US), slow->nr_pending);
		assert_int_equal(quick->nr_pending, slow->nr_pending);
		/* A page goes while it is on its way twice. */
		assert_true(tmem_invalidate(scene.pool, remote[20 * k + 4]));
		donor_answer_all(k ? slow : quick);
		assert_right(&first, 20 * k);
		assert_right(&second, 20 * k + 1);
		assert_right(&waiter[0], 20 * k + 2);
		assert_right(&waiter[1], 20 * k + 3);
		tmem_invalidate(scene.pool, remote[20 * k + 5]);
		donor_answer_all(k ? quick : slow);
		check_error(remote[20 * k + 4], -ENOENT);
		check_error(remote[20 * k + 5], -ENOENT);
	}
	drop_clean_all();
}

/* A peer that is slow itself, late, or far away is of no help; nor is one for a page that is gone. */
static void test_nobody_to_ask(void **state)
{
	struct async *async[2] = { load(10, false), load(20, false) };

	asked(2);
	quick->peer.slow_until = jiffies + 1000 * HZ;
	quick->peer.rtt_at = jiffies;
	assert_int_equal(donor_slow(slow, LONG_US), 0);
	quick->peer.slow_until = jiffies;
	donor_set_state(quick, RAMSTER_PEER_LATE);
	assert_int_equal(donor_slow(slow, LONG_US), 0);
	donor_set_state(quick, RAMSTER_PEER_UP);
	quick->peer.rtt_us = LONG_US;
	quick->peer.rtt_at = jiffies;
	assert_int_equal(donor_slow(slow, LONG_US), 0);
	quick->peer.rtt_us = LONG_US / 2;
	assert_true(tmem_invalidate(scene.pool, remote[10]));
	assert_int_equal(donor_slow(slow, LONG_US), 1);
	assert_int_equal(quick->nr_pending, 1);
	donor_answer_all(quick);
	assert_right(&async[1], 20);
	donor_answer_all(slow);
	assert_right(&async[0], 10);
}

/* It was slow, and has answered since. */
static void test_a_peer_that_was_slow(void **state)
{
	struct async *async = load(10, false);

	asked(1);
	quick->peer.slow_until = jiffies + HZ;
	quick->peer.rtt_at = jiffies + 1;
	assert_int_equal(donor_slow(slow, LONG_US), 1);
	donor_answer_all(quick);
	assert_right(&async, 10);
}

/* How long it took in another time does not count. */
static void test_an_old_round_trip(void **state)
{
	struct async *async = load(10, false);

	asked(1);
	quick->peer.rtt_us = LONG_US;
	quick->peer.rtt_at = jiffies - 2 * HZ;
	assert_int_equal(donor_slow(slow, LONG_US), 1);
	donor_answer_all(quick);
	assert_right(&async, 10);
}

/* It says no at once. */
static void test_the_second_refuses(void **state)
{
	struct async *async = load(10, false);

	asked(1);
	quick->submit_err = -ETIMEDOUT;
	donor_slow(slow, LONG_US);
	quick->submit_err = 0;
	assert_waits(async);
	donor_answer_all(slow);
	assert_right(&async, 10);
}

static void test_the_second_dies(void **state)
{
	struct async *async[2] = { load(10, false), load(20, false) };

	asked(2);
	donor_slow(slow, LONG_US);
	assert_int_equal(donor_die(quick), 0);
	assert_waits(async[0]);
	donor_answer(slow, 0);
	assert_right(&async[0], 10);
	/* And then the first with it. */
	donor_die(slow);
	assert_failed(&async[1]);
}

/* So many and no more are asked twice, with memory or without, and all are answered. */
static void test_bounds(void **state)
{
	static struct async *async[60];
	unsigned int i, n, hedged;

	for (n = 0; n < 2; n++) {
		for (i = 0; i < ARRAY_SIZE(async); i++)
			async[i] = load(i * 5, false);
		asked(ARRAY_SIZE(async));
		shim_fail_allocations(n ? 1000 : 0);
		hedged = donor_slow(slow, LONG_US);
		shim_fail_allocations(0);
		assert_int_equal(hedged, n ? 4 : 32);
		assert_int_equal(quick->nr_pending, hedged);
		donor_answer_all(n ? slow : quick);
		donor_answer_all(n ? quick : slow);
		for (i = 0; i < ARRAY_SIZE(async); i++)
			assert_right(&async[i], i * 5);
	}
}

/* New loads go to the peer that answers; when both are slow, to either. */
static void test_a_slow_peer_is_avoided(void **state)
{
	struct async *async = load(10, false);
	struct donor *was;

	asked(1);
	was = slow;
	donor_answer_all(slow);
	assert_right(&async, 10);
	was->peer.slow_until = jiffies + 1000 * HZ;
	async = load(20, false);
	asked(1);
	assert_ptr_not_equal(slow, was);
	donor_answer_all(slow);
	assert_right(&async, 20);
	/* Slow is better than not there. */
	donor_set_state(slow, RAMSTER_PEER_DOWN);
	async = load(30, false);
	asked(1);
	assert_ptr_equal(slow, was);
	donor_answer_all(slow);
	assert_right(&async, 30);
	donor_set_state(quick, RAMSTER_PEER_UP);
	quick->peer.slow_until = jiffies + 1000 * HZ;
	async = load(40, false);
	asked(1);
	donor_answer_all(slow);
	assert_right(&async, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_second_peer_answers_first),
		TEST(test_the_first_peer_answers_first),
		TEST(test_one_of_them_fails),
		TEST(test_the_deadline_passes),
		TEST(test_both_fail),
		TEST(test_wrong_bytes),
		TEST(test_read_ahead),
		TEST(test_nobody_to_ask),
		TEST(test_a_peer_that_was_slow),
		TEST(test_an_old_round_trip),
		TEST(test_the_second_refuses),
		TEST(test_the_second_dies),
		TEST(test_bounds),
		TEST(test_a_slow_peer_is_avoided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
