// SPDX-License-Identifier: GPL-2.0-or-later
/* So many bytes a second: with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "daemon/lender/bucket.h"

#define S UINT64_C(1000000000) /* ns */
#define RATE 1000000 /* bytes a second, so that a byte is 1000 ns */
#define BURST (RATE / 4)
#define BYTE_NS 1000

static void without_a_rate_nobody_waits(void **state)
{
	struct bucket bucket = { 0 };

	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(bucket_take(&bucket, BUCKET_MOST, i), 0);
}

static void a_quarter_of_a_second_is_there_at_first(void **state)
{
	struct bucket bucket = { .rate = RATE };

	assert_int_equal(bucket_take(&bucket, BURST - 1, 5 * S), 0);
	assert_int_equal(bucket_take(&bucket, 1, 5 * S), 0);
	assert_int_equal(bucket_take(&bucket, 10, 5 * S), 0); /* what is begun is not cut */
	assert_int_equal(bucket_take(&bucket, 10, 5 * S), 10 * BYTE_NS);
	assert_int_equal(bucket_take(&bucket, 10, 5 * S), 20 * BYTE_NS);
}

static void the_first_second_of_a_clock_is_none_too_many(void **state)
{
	struct bucket bucket = { .rate = RATE };

	assert_int_equal(bucket_take(&bucket, 1, 0), 0);
	assert_int_equal(bucket_take(&bucket, 1, 0), BYTE_NS);
}

static void what_was_not_taken_is_lost_but_for_that(void **state)
{
	struct bucket bucket = { .rate = RATE };

	bucket_take(&bucket, BURST, 5 * S);
	assert_int_equal(bucket_take(&bucket, BURST, 3600 * S), 0);
	assert_int_equal(bucket_take(&bucket, 1, 3600 * S), 0);
	assert_int_equal(bucket_take(&bucket, 1, 3600 * S), BYTE_NS);
}

static void what_is_owed_is_paid_first(void **state)
{
	struct bucket bucket = { .rate = RATE };

	bucket_take(&bucket, BURST + 2 * RATE, 5 * S);
	assert_int_equal(bucket_take(&bucket, 1, 6 * S), S);
	assert_int_equal(bucket_take(&bucket, 1, 6 * S), S + BYTE_NS);
	assert_int_equal(bucket_take(&bucket, 1, 7 * S + 2 * BYTE_NS), 0);
}

static void another_rate_is_of_what_comes(void **state)
{
	struct bucket bucket = { .rate = RATE };

	bucket_take(&bucket, BURST + RATE, 5 * S);
	bucket_set(&bucket, 2 * RATE);
	assert_int_equal(bucket_take(&bucket, 2 * RATE, 5 * S), S);
	assert_int_equal(bucket_take(&bucket, 1, 5 * S), 2 * S);
	bucket_set(&bucket, 0);
	assert_int_equal(bucket_take(&bucket, BUCKET_MOST, 5 * S), 0);
	bucket_set(&bucket, RATE);
	assert_true(bucket_take(&bucket, 1, 5 * S) > 2 * S); /* nothing is forgiven */
}

/* Ten takers that ask again as soon as they were served, for frames of any size. */
static void over_a_time_it_is_the_rate(void **state)
{
	struct bucket bucket = { .rate = RATE };
	uint64_t at[10] = { 0 }, until = 100 * S, moved = 0;
	unsigned int i, first;

	for (;;) {
		for (first = 0, i = 1; i < 10; i++)
			if (at[i] < at[first])
				first = i;
		if (at[first] >= until)
			break;
		i = 1 + random() % 5000;
		at[first] += bucket_take(&bucket, i, at[first]);
		moved += at[first] < until ? i : 0;
	}
	assert_in_range(moved, 100 * RATE - 10 * 5000, 100 * RATE + BURST);
}

static void nothing_overflows(void **state)
{
	struct bucket bucket = { .rate = UINT64_MAX };
	uint64_t year = 365 * 24 * 3600 * S;

	assert_int_equal(bucket_take(&bucket, BUCKET_MOST, year), 0);
	bucket_set(&bucket, 1 << 20);
	bucket_take(&bucket, BUCKET_MOST, year);
	assert_int_equal(bucket_take(&bucket, 1, year), 1024 * S - BUCKET_BURST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_nobody_waits),
		cmocka_unit_test(a_quarter_of_a_second_is_there_at_first),
		cmocka_unit_test(the_first_second_of_a_clock_is_none_too_many),
		cmocka_unit_test(what_was_not_taken_is_lost_but_for_that),
		cmocka_unit_test(what_is_owed_is_paid_first),
		cmocka_unit_test(another_rate_is_of_what_comes),
		cmocka_unit_test(over_a_time_it_is_the_rate),
		cmocka_unit_test(nothing_overflows),
	};

	return cmocka_run_group_tests_name("lender bucket", tests, NULL, NULL);
}
