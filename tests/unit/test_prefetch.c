// SPDX-License-Identifier: GPL-2.0-or-later
/* Which pages are read ahead. */
#include <setjmp.h>
#include <cmocka.h>

#include "pages.h"
#include "prefetch.h"

#define PAGES 4096

/* Which pages a stream's reader would find fetched. */
struct reader {
	struct prefetch prefetch;
	u8 planned[PAGES];
	unsigned int plans;
	unsigned int pages;
	unsigned int largest;
};

static void load(struct reader *reader, unsigned long index)
{
	struct prefetch_plan plan = prefetch_load(&reader->prefetch, index);
	unsigned long page;
	unsigned int i;

	assert_true(plan.nr <= PREFETCH_MAX);
	reader->plans += plan.nr > 0;
	reader->largest = max(reader->largest, plan.nr);
	for (i = 0; i < plan.nr; i++) {
		page = plan.start + (long)i * plan.step;
		if (page >= PAGES)
			continue;
		assert_int_not_equal(page, index);
		/* Nothing is planned twice while a stream runs. */
		assert_false(reader->planned[page]);
		reader->planned[page] = 1;
		reader->pages++;
	}
}

/* From the third load on every page is found. */
static void check_stream(struct reader *reader, unsigned long from, long step, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (i >= 2)
			assert_true(reader->planned[from + (long)i * step]);
		load(reader, from + (long)i * step);
	}
}

static void test_up(void **state)
{
	struct reader reader = { 0 };

	check_stream(&reader, 100, 1, 2000);
	assert_int_equal(reader.largest, PREFETCH_MAX);
	assert_true(reader.plans < 2000 / PREFETCH_MAX * 2);
}

static void test_down(void **state)
{
	struct reader reader = { 0 };

	check_stream(&reader, 3000, -1, 2000);
	assert_int_equal(reader.largest, PREFETCH_MAX);
	assert_true(reader.plans < 2000 / PREFETCH_MAX * 2);
}

static void test_window_doubles_to_its_limit(void **state)
{
	struct prefetch prefetch = { 0 };
	unsigned int want = PREFETCH_MIN, plans = 0;
	unsigned long index, ahead = 12;
	struct prefetch_plan plan;

	assert_int_equal(prefetch_load(&prefetch, 10).nr, 0);
	for (index = 11; plans < 8; index++) {
		plan = prefetch_load(&prefetch, index);
		if (!plan.nr)
			continue;
		assert_int_equal(plan.step, 1);
		assert_int_equal(plan.start, ahead);
		assert_int_equal(plan.nr, want);
		ahead += plan.nr;
		want = min(want * 2, (unsigned int)PREFETCH_MAX);
		plans++;
	}
}

static void test_random_loads_plan_nothing(void **state)
{
	struct prefetch prefetch = { 0 };
	u64 seed = 4;
	unsigned int i;

	/* No two of them are neighbours. */
	for (i = 0; i < 100000; i++)
		assert_int_equal(prefetch_load(&prefetch, pages_random(&seed) % 1000000 * 3).nr, 0);
}

static void test_the_same_page_again_and_again(void **state)
{
	struct prefetch prefetch = { 0 };
	unsigned int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(prefetch_load(&prefetch, 77).nr, 0);
}

static void test_two_streams_at_once(void **state)
{
	struct reader reader = { 0 };
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (i >= 2) {
			assert_true(reader.planned[100 + i]);
			assert_true(reader.planned[3500 - i]);
		}
		load(&reader, 100 + i);
		load(&reader, 3500 - i);
	}
}

static void test_as_many_streams_as_are_followed(void **state)
{
	struct reader reader = { 0 };
	unsigned int i, k;

	for (i = 0; i < 300; i++)
		for (k = 0; k < PREFETCH_STREAMS; k++) {
			if (i >= 2)
				assert_true(reader.planned[k * 500 + i]);
			load(&reader, k * 500 + i);
		}
}

/* A reader passes over pages that are local: the stream goes on. */
static void test_gaps(void **state)
{
	struct reader reader = { 0 };
	unsigned long index = 10;
	u64 seed = 5;
	unsigned int i, missed = 0;

	load(&reader, index++);
	load(&reader, index);
	for (i = 0; i < 500; i++) {
		index += 1 + pages_random(&seed) % 5;
		missed += !reader.planned[index];
		load(&reader, index);
	}
	assert_in_range(missed, 0, 10);
}

static void check_plan(const struct prefetch_plan *plan, unsigned long index)
{
	unsigned long first = plan->start, last = plan->start + (long)(plan->nr - 1) * plan->step;

	if (!plan->nr)
		return;
	if (plan->step > 0)
		assert_true(first > index && last >= first);
	else
		assert_true(first < index && last <= first);
}

/* A plan never goes round the index's end. */
static void test_ends_of_the_index(void **state)
{
	unsigned long start;
	struct prefetch_plan plan;

	for (start = 0; start < 2 * PREFETCH_MAX; start++) {
		struct prefetch down = { 0 }, up = { 0 };
		unsigned long i, left = start;

		for (i = 0; i <= start; i++) {
			plan = prefetch_load(&down, start - i);
			check_plan(&plan, start - i);
			if (plan.nr)
				left = plan.start - plan.nr;
			plan = prefetch_load(&up, ~0UL - start + i);
			check_plan(&plan, ~0UL - start + i);
		}
		/* And it goes as far as the end. */
		if (start >= 2)
			assert_true(left == ~0UL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_window_doubles_to_its_limit),
		cmocka_unit_test(test_random_loads_plan_nothing),
		cmocka_unit_test(test_the_same_page_again_and_again),
		cmocka_unit_test(test_two_streams_at_once),
		cmocka_unit_test(test_as_many_streams_as_are_followed),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_ends_of_the_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
