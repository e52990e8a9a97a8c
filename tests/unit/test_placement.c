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

/* A donor that may be asked for all that it has. */
#define WEIGHING(w, ...)                                                                                               \
	{                                                                                                              \
		.most = UINT32_MAX, .weight = w, __VA_ARGS__                                                           \
	}
#define DONOR(...) WEIGHING(10, __VA_ARGS__)

static uint32_t choose(struct placement_donor *donors, unsigned int len, uint32_t count)
{
	uint64_t seed = 1;

	return placement_choose(donors, len, count, EXTENT, next, &seed);
}

static void test_none(void **state)
{
	struct placement_donor full = DONOR(.node = 1, .free = EXTENT - 1);

	assert_int_equal(choose(NULL, 0, 5), 0);
	assert_int_equal(choose(&full, 1, 5), 0);
	assert_int_equal(full.extents, 0);
}

static void test_one(void **state)
{
	struct placement_donor donor = DONOR(.node = 1, .free = 3 * EXTENT + 1);

	assert_int_equal(choose(&donor, 1, 2), 2);
	assert_int_equal(donor.extents, 2);
	assert_int_equal(choose(&donor, 1, 5), 3);
	assert_int_equal(donor.extents, 3);
}

static void test_two_share(void **state)
{
	struct placement_donor donors[] = { DONOR(.node = 1, .free = 1000 * EXTENT),
					    DONOR(.node = 2, .free = 20 * EXTENT) };

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
		DONOR(.node = 1, .free = 100 * EXTENT, .have = 10 * EXTENT),
		DONOR(.node = 2, .free = 50 * EXTENT),
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
			donors[i] = (struct placement_donor)DONOR(.node = i, .free = (i + 1) * 100 * EXTENT,
								  .lent = (7 - i) * 100 * EXTENT);
		assert_int_equal(placement_choose(donors, 8, 4, EXTENT, next, &seed), 4);
		low += donors[0].extents;
		high += donors[7].extents;
	}
	assert_true(high > 8 * low);
}

/* Extents that each of @len donors gets of many requests for one, in the average state that this leads to. */
static void fill(struct placement_donor *donors, unsigned int len, uint32_t count)
{
	uint64_t seed = 5;

	while (count--) {
		for (unsigned int i = 0; i < len; i++)
			donors[i].have = donors[i].lent;
		assert_int_equal(placement_choose(donors, len, 1, EXTENT, next, &seed), 1);
		for (unsigned int i = 0; i < len; i++) {
			donors[i].free -= donors[i].extents * EXTENT;
			donors[i].lent += donors[i].extents * EXTENT;
		}
	}
}

/* Donors are filled in proportion to what each can lend, not to the same amount. */
static void test_proportion(void **state)
{
	struct placement_donor donors[] = { DONOR(.free = 400 * EXTENT), DONOR(.free = 800 * EXTENT),
					    DONOR(.free = 400 * EXTENT), DONOR(.free = 800 * EXTENT) };

	fill(donors, 4, 1200);
	assert_in_range(donors[0].lent / EXTENT, 190, 210);
	assert_in_range(donors[1].lent / EXTENT, 390, 410);
}

static void test_weight(void **state)
{
	struct placement_donor donors[8];

	for (unsigned int i = 0; i < 8; i++)
		donors[i] = (struct placement_donor)DONOR(.node = i, .free = 1000 * EXTENT);
	donors[0].weight = 20;
	donors[1].weight = 5;
	fill(donors, 8, 4500);
	/* One with twice the weight is filled until it has half as much free; one with half only when all have. */
	assert_true(donors[0].lent > 750 * EXTENT);
	assert_true(donors[1].lent < 350 * EXTENT);
	assert_in_range(donors[2].lent / EXTENT, 500, 680);
}

static void test_priority(void **state)
{
	struct placement_donor donors[] = { DONOR(.free = 100 * EXTENT),
					    DONOR(.free = 10 * EXTENT, .lent = 90 * EXTENT, .priority = 1),
					    WEIGHING(100, .free = 100 * EXTENT),
					    DONOR(.free = 10 * EXTENT, .lent = 90 * EXTENT, .priority = 1) };

	assert_int_equal(choose(donors, 4, 16), 16);
	assert_int_equal(donors[1].extents + donors[3].extents, 16);
	assert_int_equal(choose(donors, 4, 30), 30);
	assert_int_equal(donors[1].extents + donors[3].extents, 20);
	/* One alone in the highest priority gets half, no more while another has room. */
	donors[1] = (struct placement_donor)DONOR(.free = 100 * EXTENT, .priority = 9);
	assert_int_equal(choose(donors, 3, 40), 40);
	assert_int_equal(donors[1].extents, 20);
	assert_int_equal(choose(donors, 3, 290), 290);
	assert_int_equal(donors[1].extents, 100);
}

static void test_far_donors(void **state)
{
	struct placement_donor donors[8];

	for (unsigned int i = 0; i < 8; i++)
		donors[i] = (struct placement_donor)DONOR(.node = i, .free = 1000 * EXTENT, .rtt_us = 1000 + 100 * i);
	donors[6].rtt_us = 0; /* unknown */
	donors[7].rtt_us = 20000;
	fill(donors, 8, 2800);
	for (unsigned int i = 0; i < 7; i++)
		assert_in_range(donors[i].lent / EXTENT, 380, 420);
	assert_true(donors[7].lent < 40 * EXTENT);
	fill(donors, 8, 5200); /* and all the same when there is nothing else */
	assert_int_equal(donors[7].lent, 1000 * EXTENT);
}

/* Half of all at most, also with the only donor that is near and has a high weight. */
static void test_half(void **state)
{
	struct placement_donor donors[] = { WEIGHING(100, .free = 1000 * EXTENT, .rtt_us = 100),
					    WEIGHING(1, .free = 1000 * EXTENT, .rtt_us = 100000) };

	assert_int_equal(choose(donors, 2, 100), 100);
	assert_int_equal(donors[0].extents, 50);
}

/* The one that has lent most is relieved, of those of the lowest priority; one without a whole extent is not. */
static void test_give_back(void **state)
{
	struct placement_donor donors[] = {
		DONOR(.free = 50 * EXTENT, .lent = 50 * EXTENT, .have = 5 * EXTENT),
		DONOR(.free = 10 * EXTENT, .lent = 90 * EXTENT, .have = 5 * EXTENT),
		DONOR(.free = 80 * EXTENT, .lent = 20 * EXTENT, .have = 5 * EXTENT),
		DONOR(.lent = 99 * EXTENT, .have = EXTENT - 1),
		DONOR(.lent = 99 * EXTENT, .have = 5 * EXTENT, .priority = 1),
	};
	unsigned int chosen[5] = { 0 };
	uint64_t seed = 9;

	assert_null(placement_give_back(donors, 0, EXTENT, next, &seed));
	for (unsigned int i = 0; i < 1000; i++)
		chosen[placement_give_back(donors, 5, EXTENT, next, &seed) - donors]++;
	assert_true(chosen[1] > 2 * chosen[0] && chosen[0] > 2 * chosen[2]);
	assert_int_equal(chosen[3] + chosen[4], 0);
	donors[0].have = donors[1].have = donors[2].have = 0;
	assert_ptr_equal(placement_give_back(donors, 5, EXTENT, next, &seed), &donors[4]);
	donors[4].have = 0;
	assert_null(placement_give_back(donors, 5, EXTENT, next, &seed));
}

/* What is advertised may be anything. */
static void test_impossible_amounts(void **state)
{
	struct placement_donor donors[] = { DONOR(.free = UINT64_MAX, .lent = UINT64_MAX),
					    DONOR(.free = UINT64_MAX, .lent = 1, .rtt_us = UINT32_MAX),
					    DONOR(.free = EXTENT, .lent = UINT64_MAX) };

	assert_int_equal(choose(donors, 3, 100), 100);
	assert_true(donors[2].extents <= 1);
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
				.lent = next(&seed) % 2 * 100 * EXTENT,
				.have = next(&seed) % 64 * EXTENT,
				.most = next(&seed) % 100,
				.weight = 1 + next(&seed) % PLACEMENT_WEIGHT_MAX,
				.priority = next(&seed) % 3,
				.rtt_us = next(&seed) % 2 * next(&seed),
			};
			room += donors[i].free / EXTENT < donors[i].most ? donors[i].free / EXTENT : donors[i].most;
		}
		placed = placement_choose(donors, len, wanted, EXTENT, next, &seed);
		for (unsigned int i = 0; i < len; i++) {
			assert_true(donors[i].extents * EXTENT <= donors[i].free);
			assert_true(donors[i].extents <= donors[i].most);
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
		cmocka_unit_test(test_proportion),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_far_donors),
		cmocka_unit_test(test_half),
		cmocka_unit_test(test_give_back),
		cmocka_unit_test(test_impossible_amounts),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
