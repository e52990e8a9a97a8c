// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The page's life with everybody at once: tasks that store, load and free, the thread that sends the coldest pages away, two
 * donors that answer in any order, and a shrinker.
 *
 * Each index has one task that writes it, and any number that read it. What is there is told by the index and the number of
 * its version alone.
 */
#include <setjmp.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "disk.h"
#include "donor.h"
#include "node.h"
#include "pages.h"
#include "remotify.h"
#include "writeback.h"
#include "zcache.h"

#define TASKS 4
#define DONORS 2
#define INDICES 1200 /* of a task */
#define STEPS 12000

static struct {
	struct tmem_pool *pool;
	struct disk disk;
	bool has_disk;
	struct donor *donors[DONORS];
	struct task_struct *donor_threads[DONORS];
	unsigned int begun[TASKS * INDICES]; /* the newest version that may be seen */
	unsigned int done[TASKS * INDICES]; /* the oldest one */
	bool may_fail;
	unsigned long failed;
} life;

/* The page of a version; false: nothing is there. */
static bool version_page(unsigned long index, unsigned int version, struct page *page)
{
	u64 state = (u64)index << 32 | version, r = pages_random(&state);

	if (!version || r % 16 == 0)
		return false;
	page_make(page, (r >> 8) % NR_PAGE_KINDS, r);
	return true;
}

static bool is_version(unsigned long index, unsigned int version, int err, const struct page *page)
{
	struct page want;

	if (!version_page(index, version, &want))
		return err == -ENOENT;
	return !err && !memcmp(page, &want, sizeof(want));
}

static void life_store(unsigned long index, struct page *page)
{
	unsigned int version = life.done[index] + 1;
	int err = 0;

	__atomic_store_n(&life.begun[index], version, __ATOMIC_SEQ_CST);
	if (version_page(index, version, page)) {
		do {
			err = life.has_disk ? disk_store(&life.disk, index, page)
					    : tmem_store(life.pool, index, page, false);
		} while (err && (remotify_wait_for_room(HZ / 10) || true));
	} else if (life.has_disk) {
		disk_free(&life.disk, index);
	} else {
		tmem_invalidate(life.pool, index);
	}
	__atomic_store_n(&life.done[index], version, __ATOMIC_SEQ_CST);
}

static int life_load_wait(unsigned long index, struct page *page, bool patient)
{
	if (life.has_disk)
		return disk_load(&life.disk, index, page, patient);
	return tmem_load_wait(life.pool, index, page, patient);
}

static void life_load(unsigned long index, struct page *page, bool patient)
{
	unsigned int oldest = __atomic_load_n(&life.done[index], __ATOMIC_SEQ_CST), version;
	int err = life_load_wait(index, page, patient);
	unsigned int newest = __atomic_load_n(&life.begun[index], __ATOMIC_SEQ_CST);

	if (err && err != -ENOENT) {
		shim_assert(life.may_fail);
		__atomic_add_fetch(&life.failed, 1, __ATOMIC_RELAXED);
		return;
	}
	for (version = oldest; version <= newest; version++)
		if (is_version(index, version, err, page))
			return;
	shim_die(__FILE__, __LINE__, "a load brings what was there");
}

static int task_thread(void *data)
{
	unsigned long first = (unsigned long)data * INDICES, index, n;
	u64 seed = first + 77;
	struct page page;
	unsigned int i;

	for (i = 0; i < STEPS; i++) {
		u64 r = pages_random(&seed);

		index = first + (r >> 8) % INDICES;
		if (r % 100 < 55) {
			life_store(index, &page);
		} else if (r % 100 < 80) {
			life_load(index, &page, false);
		} else if (r % 100 < 90) {
			life_load((r >> 8) % (TASKS * INDICES), &page, r >> 60 & 1);
		} else if (r % 100 < 94) {
			for (n = 0; n < 40 && index + n < first + INDICES; n++)
				life_load(index + n, &page, false);
			i += n;
		}
	}
	return 0;
}

static int donor_thread(void *data)
{
	struct donor *donor = data;
	u64 seed = donor->peer.node;

	while (!kthread_should_stop()) {
		if (!donor_answer(donor, pages_random(&seed) % 3) && !donor_answer(donor, 0))
			shim_poll();
	}
	donor_answer_all(donor);
	return 0;
}

static int shrinker_thread(void *data)
{
	u64 seed = 5;

	while (!kthread_should_stop()) {
		shim_run_work();
		if (pages_random(&seed) % 64 == 0)
			remotify_shrink(8);
		if (pages_random(&seed) % 64 == 0)
			node_counter("bookkeeping_bytes");
		shim_poll();
	}
	return 0;
}

static void life_up(const char *allocator, bool disk)
{
	unsigned int i;

	memset(&life, 0, sizeof(life));
	node_up(allocator, "lzo");
	shim_totalram_pages = 4000;
	assert_int_equal(zcache_set_limits(5, 10), 0);
	assert_int_equal(remotify_init(), 0);
	life.pool = tmem_pool_new();
	life.has_disk = disk;
	if (disk)
		disk_up(&life.disk, life.pool, TASKS * INDICES);
	life.disk.bring_up = true;
	for (i = 0; i < DONORS; i++) {
		life.donors[i] = donor_new(i + 2);
		life.donors[i]->wait = true;
		assert_int_equal(
			donor_lend(life.donors[i], disk ? R2NET_EXTENT_MIN : R2NET_EXTENT_DEFAULT, disk ? 1 : 8), 0);
		life.donor_threads[i] = kthread_run(donor_thread, life.donors[i], "donor");
	}
}

static void life_down(void)
{
	unsigned int i;

	if (life.has_disk)
		disk_stop(&life.disk);
	tmem_pool_destroy(life.pool);
	remotify_stop();
	for (i = 0; i < DONORS; i++)
		if (life.donor_threads[i])
			kthread_stop(life.donor_threads[i]);
	remotify_exit();
	for (i = 0; i < DONORS; i++)
		donor_free(life.donors[i]);
	if (life.has_disk)
		disk_down(&life.disk);
	node_down();
}

static void run_tasks(void)
{
	struct task_struct *tasks[TASKS], *shrinker = kthread_run(shrinker_thread, NULL, "shrinker");
	unsigned long i;

	for (i = 0; i < TASKS; i++)
		tasks[i] = kthread_run(task_thread, (void *)i, "task");
	for (i = 0; i < TASKS; i++)
		kthread_stop(tasks[i]);
	kthread_stop(shrinker);
}

/* When all is quiet, each page is its last version. */
static void check_all(bool may_be_lost)
{
	unsigned long index, lost = 0;
	struct page page;
	int err;

	for (index = 0; index < TASKS * INDICES; index++) {
		err = life_load_wait(index, &page, true);
		if (err == -EIO && may_be_lost)
			lost++;
		else
			assert_true(is_version(index, life.done[index], err, &page));
	}
	assert_int_equal(lost > 0, may_be_lost);
}

static void test_all_is_well(void **state)
{
	u64 remotified = node_counter("remotify_pages");

	life_up("zbud", false);
	run_tasks();
	assert_true(node_counter("remotify_pages") - remotified > 2000);
	check_all(false);
	life_down();
}

/* The donors have room for a part, so pages go on to the disk. */
static void test_all_is_well_with_a_disk(void **state)
{
	u64 remote = node_counter("writeback_remote"), all = node_counter("writeback_pages");

	life_up("zsmalloc", true);
	shim_totalram_pages = 1000;
	assert_int_equal(zcache_set_limits(5, 10), 0);
	run_tasks();
	assert_true(node_counter("writeback_pages") - all > 500);
	assert_true(node_counter("writeback_remote") - remote > 100);
	check_all(false);
	life_down();
}

static void test_errors(void **state)
{
	unsigned int i;

	life_up("zsmalloc", false);
	life.may_fail = true;
	for (i = 0; i < DONORS; i++)
		WRITE_ONCE(life.donors[i]->item_err_permille, 20);
	shim_fail_allocations(10);
	run_tasks();
	assert_true(life.failed > 0);
	for (i = 0; i < DONORS; i++)
		WRITE_ONCE(life.donors[i]->item_err_permille, 0);
	shim_fail_allocations(0);
	check_all(false);
	life_down();
}

static void test_a_donor_dies(void **state)
{
	life_up("zbud", false);
	run_tasks();
	kthread_stop(life.donor_threads[0]);
	life.donor_threads[0] = NULL;
	assert_true(donor_die(life.donors[0]) > 0);
	check_all(true);
	life.may_fail = true;
	run_tasks();
	life_down();
}

/* With writethrough the disk has what the donor had. */
static void test_a_donor_dies_and_nothing_is_lost(void **state)
{
	writeback_set_through(true);
	life_up("zsmalloc", true);
	run_tasks();
	kthread_stop(life.donor_threads[0]);
	life.donor_threads[0] = NULL;
	assert_true(extent_pages() > 0);
	assert_int_equal(donor_die(life.donors[0]), 0);
	run_tasks();
	check_all(false);
	life_down();
	writeback_set_through(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),
		cmocka_unit_test(test_all_is_well_with_a_disk),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_a_donor_dies),
		cmocka_unit_test(test_a_donor_dies_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
