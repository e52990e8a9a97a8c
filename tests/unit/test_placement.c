// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From whom to borrow: all that is wanted is placed while there is room, never more than a donor has, and never all
 * with one donor while another has room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/placement.h"

#define MIB (1ULL << 20)
#define EXTENT (4 * MIB)

static uint32_t next(void *ctx)
{
	uint64_t *seed = ctx;

	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

static uint32_t choose(struct placement_donor *donors, unsigned int len, uint32_t count)
{
	uint64_t seed = 1;

	return placement_choose(donors, len, count, EXTENT, next, &seed);
}

static void test_none(void **state)
{
	struct placement_donor full = { .node = 1, .free = EXTENT - 1 };

	assert_int_equal(choose(NULL, 0, 5), 0);
	assert_int_equal(choose(&full, 1, 5), 0);
	assert_int_equal(full.extents, 0);
}

static void test_one(void **state)
{
	struct placement_donor donor = { .node = 1, .free = 3 * EXTENT + 1 };

	assert_int_equal(choose(&donor, 1, 2), 2);
	assert_int_equal(donor.extents, 2);
	assert_int_equal(choose(&donor, 1, 5), 3);
	assert_int_equal(donor.extents, 3);
}

static void test_two_share(void **state)
{
	struct placement_donor donors[] = { { .node = 1, .free = 1000 * EXTENT }, { .node = 2, .free = 20 * EXTENT } };

	assert_int_equal(choose(donors, 2, 2), 2);
	assert_int_equal(donors[0].extents, 1);
	assert_int_equal(donors[1].extents, 1);
	assert_int_equal(choose(donors, 2, 30), 30);
	assert_int_equal(donors[0].extents, 15);
	assert_int_equal(donors[1].extents, 15);
	assert_int_equal(choose(donors, 2, 100), 100);
	assert_int_equal(donors[0].extents, 80);
	assert_int_equal(donors[1].extents, 20);
}

static void test_second_donor_catches_up(void **state)
{
	struct placement_donor donors[] = {
		{ .node = 1, .free = 100 * EXTENT, .have = 10 * EXTENT },
		{ .node = 2, .free = 50 * EXTENT },
	};

	assert_int_equal(choose(donors, 2, 4), 4);
	assert_int_equal(donors[0].extents, 0);
	assert_int_equal(donors[1].extents, 4);
}

static void test_fullest_is_spared(void **state)
{
	struct placement_donor donors[8];
	uint64_t seed = 7;
	uint32_t low = 0, high = 0;

	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int i = 0; i < 8; i++)
			donors[i] = (struct placement_donor){ .node = i, .free = (i + 1) * 100 * EXTENT };
		assert_int_equal(placement_choose(donors, 8, 4, EXTENT, next, &seed), 4);
		low += donors[0].extents;
		high += donors[7].extents;
	}
	assert_true(high > 8 * low);
}

static void test_random(void **state)
{
	struct placement_donor donors[16];
	uint64_t seed = 3;

	for (unsigned int round = 0; round < 2000; round++) {
		unsigned int len = 1 + next(&seed) % 16;
		uint32_t wanted = next(&seed) % 300, placed, sum = 0;
		uint64_t room = 0;

		for (unsigned int i = 0; i < len; i++) {
			donors[i] = (struct placement_donor){
				.node = i,
				.free = next(&seed) % (64 * EXTENT),
				.have = next(&seed) % 64 * EXTENT,
			};
			room += donors[i].free / EXTENT;
		}
		placed = placement_choose(donors, len, wanted, EXTENT, next, &seed);
		for (unsigned int i = 0; i < len; i++) {
			assert_true(donors[i].extents * EXTENT <= donors[i].free);
			sum += donors[i].extents;
		}
		assert_int_equal(sum, placed);
		assert_int_equal(placed, wanted < room ? wanted : room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_two_share),
		cmocka_unit_test(test_second_donor_catches_up),
		cmocka_unit_test(test_fullest_is_spared),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
