// SPDX-License-Identifier: GPL-2.0-or-later
/* The lender's table of extents, without any connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/lender/extent.h"

#define OWNER 3
#define INSTANCE 0x1234
#define SIZE R2NET_EXTENT_MIN

static struct lender_lease lease_one(uint32_t size)
{
	struct lender_lease lease;

	assert_int_equal(extent_lease(OWNER, INSTANCE, size, 0, &lease), 0);
	return lease;
}

static void end(const struct lender_lease *lease)
{
	assert_true(extent_close(lease));
	assert_true(extent_wait_idle(lease->extent, UINT64_MAX));
	extent_free(lease->extent);
}

static struct extent *pin(const struct lender_lease *lease)
{
	return extent_pin(lease->extent, lease->generation, lease->owner, lease->instance);
}

static struct lender_status usage(void)
{
	struct lender_status status = { 0 };

	extent_usage(&status);
	return status;
}

static int set_up(void **state)
{
	extent_set_limit(64 * SIZE);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(usage().lent, 0);
	assert_int_equal(usage().extents, 0);
	return 0;
}

static void lease_gives_zeroed_aligned_memory(void **state)
{
	struct lender_lease lease = lease_one(2 * SIZE);
	static const uint8_t zero[4096];
	struct extent *extent = pin(&lease);
	uint32_t at;

	assert_non_null(extent);
	assert_int_equal(lease.size, 2 * SIZE);
	assert_int_equal(lease.owner, OWNER);
	assert_int_equal(lease.instance, INSTANCE);
	assert_int_equal((uintptr_t)extent->memory % SIZE, 0);
	for (at = 0; at < lease.size; at += sizeof(zero))
		assert_memory_equal(extent->memory + at, zero, sizeof(zero));
	memset(extent->memory, 0xff, lease.size);
	extent_unpin(extent);
	end(&lease);

	lease = lease_one(2 * SIZE);
	extent = pin(&lease);
	assert_non_null(extent);
	for (at = 0; at < lease.size; at += sizeof(zero))
		assert_memory_equal(extent->memory + at, zero, sizeof(zero));
	extent_unpin(extent);
	end(&lease);
}

static void ids_and_generations_never_repeat_together(void **state)
{
	struct lender_lease first = lease_one(SIZE), second;
	unsigned int i;

	second = lease_one(SIZE);
	assert_int_not_equal(first.extent, 0);
	assert_int_not_equal(first.generation, 0);
	assert_int_not_equal(first.extent, second.extent);
	for (i = 0; i < 20; i++) {
		struct lender_lease again;

		end(&first);
		again = lease_one(SIZE);
		assert_false(again.extent == first.extent && again.generation == first.generation);
		assert_null(pin(&first));
		first = again;
	}
	end(&first);
	end(&second);
}

static void limit_holds(void **state)
{
	struct lender_lease leases[4], more;
	unsigned int i;

	extent_set_limit(4 * SIZE);
	for (i = 0; i < 4; i++)
		leases[i] = lease_one(SIZE);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 0, &more), -ENOSPC);
	assert_int_equal(usage().lent, 4 * SIZE);
	assert_int_equal(usage().extents, 4);

	/* Lowering it takes nothing away. */
	extent_set_limit(SIZE);
	assert_int_equal(usage().limit, SIZE);
	end(&leases[3]);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 0, &more), -ENOSPC);
	extent_set_limit(4 * SIZE);
	assert_int_equal(extent_lease(OWNER, INSTANCE, 2 * SIZE, 0, &more), -ENOSPC);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 0, &leases[3]), 0);
	for (i = 0; i < 4; i++)
		end(&leases[i]);
}

static void quota_holds(void **state)
{
	struct lender_lease leases[3], more;

	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 2 * SIZE, &leases[0]), 0);
	assert_int_equal(extent_lease(OWNER, INSTANCE + 1, 2 * SIZE, 2 * SIZE, &more), -EDQUOT);
	assert_int_equal(extent_lease(OWNER, INSTANCE + 1, SIZE, 2 * SIZE, &leases[1]), 0);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 2 * SIZE, &more), -EDQUOT);
	assert_int_equal(extent_held(OWNER), 2 * SIZE);

	/* Another owner has its own, and what is over it is not taken away. */
	assert_int_equal(extent_held(OWNER + 1), 0);
	assert_int_equal(extent_lease(OWNER + 1, INSTANCE, SIZE, SIZE, &leases[2]), 0);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 1, &more), -EDQUOT);
	end(&leases[0]);
	assert_int_equal(extent_held(OWNER), SIZE);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, SIZE, &more), -EDQUOT);
	assert_int_equal(extent_lease(OWNER, INSTANCE, SIZE, 0, &leases[0]), 0);
	for (unsigned int i = 0; i < 3; i++)
		end(&leases[i]);
	assert_int_equal(extent_held(OWNER), 0);
	assert_int_equal(extent_held(OWNER + 1), 0);
}

static void pin_needs_the_very_lease(void **state)
{
	struct lender_lease lease = lease_one(SIZE);

	assert_null(extent_pin(0, lease.generation, OWNER, INSTANCE));
	assert_null(extent_pin(0, 0, OWNER, INSTANCE));
	assert_null(extent_pin(lease.extent, 0, OWNER, INSTANCE));
	assert_null(extent_pin(lease.extent, lease.generation + 1, OWNER, INSTANCE));
	assert_null(extent_pin(lease.extent, lease.generation, OWNER + 1, INSTANCE));
	assert_null(extent_pin(lease.extent, lease.generation, OWNER, INSTANCE + 1));
	assert_null(extent_pin(lease.extent + 100, lease.generation, OWNER, INSTANCE));
	assert_null(extent_pin(lease.extent + 100, 0, OWNER, INSTANCE));
	assert_null(extent_pin(EXTENT_IDS, 1, OWNER, INSTANCE));
	assert_null(extent_pin(UINT32_MAX, 1, OWNER, INSTANCE));
	end(&lease);
	assert_null(pin(&lease));
}

static void close_needs_the_very_lease(void **state)
{
	struct lender_lease lease = lease_one(SIZE), wrong;

	wrong = lease;
	wrong.owner++;
	assert_false(extent_close(&wrong));
	wrong = lease;
	wrong.instance++;
	assert_false(extent_close(&wrong));
	wrong = lease;
	wrong.generation++;
	assert_false(extent_close(&wrong));
	wrong = lease;
	wrong.extent = 0;
	assert_false(extent_close(&wrong));
	wrong.extent = UINT32_MAX;
	assert_false(extent_close(&wrong));
	end(&lease);
	assert_false(extent_close(&lease));
}

static void *unpin_thread(void *argument)
{
	struct extent *extent = argument;

	memset(extent->memory, 1, extent->size);
	extent_unpin(extent);
	return NULL;
}

static void end_waits_for_pins(void **state)
{
	struct lender_lease lease = lease_one(SIZE);
	struct extent *extent = pin(&lease);
	pthread_t thread;

	assert_non_null(extent);
	assert_ptr_equal(pin(&lease), extent);
	assert_true(extent_close(&lease));
	assert_null(pin(&lease));
	assert_false(extent_close(&lease));
	extent_unpin(extent);
	assert_false(extent_wait_idle(lease.extent, monotonic_ms() + 20));
	assert_int_equal(usage().extents, 1);
	assert_int_equal(pthread_create(&thread, NULL, unpin_thread, extent), 0);
	assert_true(extent_wait_idle(lease.extent, UINT64_MAX));
	extent_free(lease.extent);
	pthread_join(thread, NULL);
}

static void list_tells_all(void **state)
{
	struct lender_lease leases[10], listed[3];
	unsigned int i, total = 0;
	uint32_t cursor = 0;

	for (i = 0; i < 10; i++)
		leases[i] = lease_one(SIZE);
	end(&leases[4]);
	do {
		unsigned int found = extent_list(&cursor, listed, 3);

		for (i = 0; i < found; i++) {
			assert_int_not_equal(listed[i].extent, leases[4].extent);
			assert_int_equal(listed[i].owner, OWNER);
			assert_int_equal(listed[i].instance, INSTANCE);
			assert_int_equal(listed[i].size, SIZE);
		}
		total += found;
	} while (cursor);
	assert_int_equal(total, 9);
	for (i = 0; i < 10; i++)
		if (i != 4)
			end(&leases[i]);
	assert_int_equal(extent_list(&cursor, listed, 3), 0);
	assert_int_equal(cursor, 0);
}

static unsigned long resident_pages(void)
{
	unsigned long size = 0, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%lu %lu", &size, &resident), 2);
	fclose(statm);
	return resident;
}

static void memory_comes_with_the_lease_and_goes_with_it(void **state)
{
	unsigned long pages = 16 * SIZE / sysconf(_SC_PAGESIZE), before = resident_pages(), lent;
	struct lender_lease lease = lease_one(16 * SIZE);

	lent = resident_pages();
	assert_true(lent >= before + pages);
	end(&lease);
	assert_true(resident_pages() <= lent - pages + pages / 8);
}

/* Connections pin and unpin while leases come and go: nobody ever sees memory of another lease. */
struct race {
	_Atomic uint64_t current; /* id << 32 | generation; 0 ends it */
	_Atomic unsigned long hits;
};

static void *race_thread(void *argument)
{
	struct race *race = argument;
	uint64_t current;

	while ((current = atomic_load(&race->current))) {
		struct extent *extent = extent_pin(current >> 32, (uint32_t)current, OWNER, INSTANCE);

		if (!extent)
			continue;
		if (extent->memory[0] == (uint8_t)current)
			atomic_fetch_add(&race->hits, 1);
		else
			atomic_store(&race->hits, 1UL << 63);
		extent_unpin(extent);
	}
	return NULL;
}

static void pins_race_with_ends(void **state)
{
	struct race race = { .current = 1 };
	struct lender_lease lease;
	pthread_t threads[3];
	struct extent *extent;
	unsigned int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_thread, &race), 0);
	for (i = 0; i < 200 || !atomic_load(&race.hits); i++) {
		lease = lease_one(SIZE);
		extent = pin(&lease);
		assert_non_null(extent);
		extent->memory[0] = lease.generation;
		extent_unpin(extent);
		atomic_store(&race.current, (uint64_t)lease.extent << 32 | lease.generation);
		if (i % 2)
			sched_yield(); /* with one CPU no other thread would ever meet it */
		end(&lease);
	}
	atomic_store(&race.current, 0);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(race.hits < 1UL << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lease_gives_zeroed_aligned_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids_and_generations_never_repeat_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limit_holds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quota_holds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pin_needs_the_very_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(close_needs_the_very_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(end_waits_for_pins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_tells_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_comes_with_the_lease_and_goes_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pins_race_with_ends, set_up, tear_down),
	};

	if (extent_init(NULL))
		return 1;
	return cmocka_run_group_tests_name("lender extent", tests, NULL, NULL);
}
