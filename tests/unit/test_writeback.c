// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From RAM and peers to the disk: which pages go, and what becomes of those that are used meanwhile.
 */
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include <linux/mm.h>

#include "disk.h"
#include "lease.h"
#include "node.h"
#include "remotify.h"
#include "scene.h"
#include "writeback.h"
#include "tests/unit/patience.h"
#include "zcache.h"

#define INDICES 4000
#define TRIES 3000 /* ms */

static struct disk disk;

static int set_up(void **state)
{
	scene_up("zsmalloc", "lzo");
	/* Pages are sent by hand. */
	assert_int_equal(remotify_init(), 0);
	remotify_stop();
	disk_up(&disk, scene.pool, INDICES);
	return 0;
}

static int tear_down(void **state)
{
	disk_stop(&disk);
	remotify_exit();
	scene_down();
	disk_down(&disk);
	return 0;
}

/* No page may be stored, and those that are there are too many. */
static void be_full(void)
{
	shim_totalram_pages = 100; /* one page of zpages is too much */
	assert_int_equal(zcache_set_limits(1, 1), 0);
}

static void be_empty(void)
{
	shim_totalram_pages = 1 << 20;
	assert_int_equal(zcache_set_limits(50, 50), 0);
}

static bool wait_for_disk(unsigned long pages)
{
	int tries;

	for (tries = 0; tries < patience(TRIES) && backing_pages() < pages; tries++) {
		writeback_wake();
		usleep(1000);
	}
	return backing_pages() >= pages;
}

static void fill(unsigned long from, unsigned long to)
{
	unsigned long i;
	struct page page;

	for (i = from; i < to; i++) {
		page_make(&page, PAGE_TEXT, i);
		assert_int_equal(disk_store(&disk, i, &page), 0);
	}
}

static void check_all(unsigned long nr)
{
	struct page page, want;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		memset(&page, 0x5a, sizeof(page));
		assert_int_equal(disk_load(&disk, i, &page, false), 0);
		page_make(&want, PAGE_TEXT, i);
		assert_memory_equal(&page, &want, sizeof(page));
	}
}

/* As many pages as the donor takes, and then some that stay. */
static unsigned long fill_donor(void)
{
	unsigned long nr = 0;

	do {
		fill(nr, nr + BATCH_MAX);
		nr += BATCH_MAX;
		send_all();
	} while (!zcache_pages());
	fill(nr, nr + 200);
	return nr;
}

static void test_without_peers_the_coldest_here_go(void **state)
{
	unsigned long i;

	donor_die(scene.donor);
	fill(0, 600);
	be_full();
	assert_true(wait_for_disk(300));
	be_empty();
	disk_stop(&disk);
	for (i = 0; i < INDICES; i++)
		assert_int_equal(backing_has(&disk.backing, i), i < backing_pages());
	assert_int_equal(zcache_pages() + backing_pages(), 600);
	check_all(600);
}

static void test_the_coldest_with_peers_go_first(void **state)
{
	unsigned long nr = fill_donor(), i, written = 0;
	u64 local = zcache_pages();

	be_full();
	assert_true(wait_for_disk(1));
	usleep(20000);
	be_empty();
	disk_stop(&disk);
	/* There is room with the donor now: no more than a few blocks of the oldest pages have gone. */
	assert_true(extent_usable_bytes() > 0);
	for (i = 0; i < nr + 200; i++)
		if (backing_has(&disk.backing, i)) {
			assert_true(i < nr / 2);
			written++;
		}
	assert_int_equal(written, backing_pages());
	assert_int_equal(zcache_pages(), local);
	assert_int_equal(extent_pages(), nr + 200 - local - written);
	check_all(nr + 200);
}

static unsigned long first_here; /* index of a page that never was with a peer */
static u64 still_there; /* pages with peers when such a page was written first */

static void look_who_is_written(unsigned long index)
{
	if (index < first_here)
		return;
	WRITE_ONCE(disk.writing, NULL);
	WRITE_ONCE(still_there, extent_pages());
}

/* Stores wait meanwhile, and the peer wants for itself what its pages leave. */
static void test_room_is_made_here_while_a_peer_wants_its_memory_back(void **state)
{
	unsigned long nr = fill_donor();

	first_here = nr;
	still_there = 0;
	lease_keep(&scene.donor->peer, 0);
	assert_true(lease_mark());
	WRITE_ONCE(disk.writing, look_who_is_written);
	be_full();
	wait_until_within(TRIES, (writeback_wake(), READ_ONCE(still_there)));
	assert_true(still_there > nr / 2);
	be_empty();
	disk_stop(&disk);
	check_all(nr + 200);
}

static void test_a_silent_peer_is_passed_over(void **state)
{
	unsigned long nr = fill_donor();
	u64 remote = extent_pages();

	donor_set_state(scene.donor, RAMSTER_PEER_LATE);
	be_full();
	assert_true(wait_for_disk(nr + 200 - remote));
	donor_set_state(scene.donor, RAMSTER_PEER_UP);
	be_empty();
	disk_stop(&disk);
	assert_int_equal(extent_pages(), remote);
	check_all(nr + 200);
}

static void test_nothing_goes_for_pages_that_stay(void **state)
{
	unsigned long nr = fill_donor(), i;
	struct page page;

	for (i = nr + 200; zcache_pages(); i--)
		disk_free(&disk, i);
	assert_true(extent_pages() > 0);
	for (i = 0; i < 100; i++) {
		page_make(&page, PAGE_NOISE, i);
		assert_int_equal(tmem_store(scene.pool, nr + 200 + i, &page, true), 0);
	}
	be_full();
	writeback_wake();
	usleep(50000);
	assert_int_equal(backing_pages(), 0);
	be_empty();
}

static void rewrite(unsigned long index)
{
	struct page page;

	WRITE_ONCE(disk.writing, NULL);
	page_make(&page, PAGE_WORD, 5);
	assert_int_equal(disk_store(&disk, 1, &page), 0);
	disk_free(&disk, 2);
}

static void test_what_is_rewritten_or_freed_meanwhile_is_not_on_the_disk(void **state)
{
	struct page page, want;

	donor_die(scene.donor);
	fill(0, 100);
	WRITE_ONCE(disk.writing, rewrite);
	be_full();
	assert_true(wait_for_disk(40));
	be_empty();
	disk_stop(&disk);
	assert_false(backing_has(&disk.backing, 1));
	assert_false(backing_has(&disk.backing, 2));
	assert_int_equal(disk_load(&disk, 2, &page, false), -ENOENT);
	assert_int_equal(disk_load(&disk, 1, &page, false), 0);
	page_make(&want, PAGE_WORD, 5);
	assert_memory_equal(&page, &want, sizeof(page));
}

static void test_a_disk_that_fails_loses_nothing(void **state)
{
	u64 written = node_counter("writeback_pages");

	donor_die(scene.donor);
	fill(0, 300);
	WRITE_ONCE(disk.fail, true);
	be_full();
	assert_true(writeback_may_make_room());
	writeback_wake();
	while (writeback_may_make_room())
		usleep(1000);
	be_empty();
	disk_stop(&disk);
	assert_in_range(disk.batches, 1, 2);
	assert_int_equal(backing_pages(), 0);
	assert_int_equal(node_counter("writeback_pages"), written);
	check_all(300);
}

static void test_a_load_meets_a_page_on_its_way_to_the_disk(void **state)
{
	unsigned long nr = fill_donor();
	struct async async;
	int tries;

	WRITE_ONCE(scene.donor->wait, true);
	be_full();
	writeback_wake();
	for (tries = 0; tries < patience(TRIES) && !READ_ONCE(scene.donor->nr_pending); tries++)
		usleep(1000);
	async_load(&async, 0, false);
	assert_int_equal(async.done, 0);
	be_empty();
	donor_answer_all(scene.donor);
	check_async(&async, PAGE_TEXT, 0);
	assert_true(wait_for_disk(10));
	disk_stop(&disk);
	donor_answer_all(scene.donor);
	WRITE_ONCE(scene.donor->wait, false);
	/* It was asked for, so it is warm. */
	assert_false(backing_has(&disk.backing, 0));
	check_all(nr + 200);
}

/* Another page gets the place, is stored and goes to the disk, all while the first one is being loaded. */
static void rewrite_and_write_back(unsigned long index)
{
	struct page page;

	disk.loaded = NULL;
	page_make(&page, PAGE_TEXT, 777);
	assert_int_equal(disk_store(&disk, index, &page), 0);
	assert_false(backing_has(&disk.backing, index));
	shim_totalram_pages = 100;
	assert_int_equal(zcache_set_limits(1, 1), 0);
	while (!backing_has(&disk.backing, index)) {
		writeback_wake();
		usleep(1000);
	}
	be_empty();
}

static void test_what_is_used_comes_up(void **state)
{
	struct page page, want;
	u64 on_disk, local;

	donor_die(scene.donor);
	fill(0, 300);
	be_full();
	assert_true(wait_for_disk(200));
	be_empty();
	disk_stop(&disk);
	on_disk = backing_pages();
	local = zcache_pages();
	disk.bring_up = true;
	check_all(50);
	assert_int_equal(backing_pages(), on_disk - 50);
	assert_int_equal(zcache_pages(), local + 50);
	check_all(300);
	assert_int_equal(backing_pages(), 0);
	check_all(300);

	/* Not if it was freed, or another page is there by now. */
	be_full();
	assert_int_equal(writeback_start(scene.pool), 0);
	assert_true(wait_for_disk(200));
	be_empty();
	disk.loaded = rewrite_and_write_back;
	assert_true(backing_has(&disk.backing, 0));
	check_all(1);
	disk_stop(&disk);
	assert_int_equal(tmem_place(scene.pool, 0), TMEM_DISK);
	assert_int_equal(disk_load(&disk, 0, &page, false), 0);
	page_make(&want, PAGE_TEXT, 777);
	assert_memory_equal(&page, &want, sizeof(page));
}

/* With writethrough: pages that may leave are on the disk, and the others are here. */
static void wait_for_writes(unsigned long nr)
{
	int tries;

	for (tries = 0; tries < patience(TRIES) && zcache_written_waiting() < nr; tries++) {
		writeback_wake();
		usleep(1000);
	}
	assert_int_equal(zcache_written_waiting(), nr);
}

static void test_written_through(void **state)
{
	u64 lost;

	writeback_set_through(true);
	fill(0, 300);
	send_all();
	assert_int_equal(extent_pages(), 0);
	be_full();
	wait_for_writes(300);
	assert_int_equal(tmem_written_pages(), 300);
	be_empty();
	fill(300, 350); /* not written yet */
	send_all();
	assert_int_equal(extent_pages(), 300);
	assert_int_equal(zcache_pages(), 50);
	assert_int_equal(node_counter("pages_backing"), 0);
	disk_free(&disk, 7);
	fill(8, 9);
	assert_int_equal(tmem_written_pages(), 298);
	check_all(7);

	/* A peer's death loses none of them, with copies that were read ahead or without. */
	lost = donor_die(scene.donor);
	assert_int_equal(lost, 0);
	disk_stop(&disk);
	assert_int_equal(tmem_place(scene.pool, 8), TMEM_RAM);
	disk_free(&disk, 7);
	fill(7, 8);
	check_all(350);
	writeback_set_through(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_peers_the_coldest_here_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_coldest_with_peers_go_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_is_made_here_while_a_peer_wants_its_memory_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_silent_peer_is_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_goes_for_pages_that_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_rewritten_or_freed_meanwhile_is_not_on_the_disk, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_disk_that_fails_loses_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_used_comes_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_written_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_load_meets_a_page_on_its_way_to_the_disk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
