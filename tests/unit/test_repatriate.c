// SPDX-License-Identifier: GPL-2.0-or-later
/* When remote pages come home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/repatriate.h"

#define TOTAL (1ULL << 30)

static uint64_t now_ms = 100000;
static unsigned int homes; /* HOME commands */

bool ramsterd_second(const struct ramsterd *daemon, uint64_t *at_ms)
{
	bool passed = now_ms - *at_ms >= 1000;

	if (passed)
		*at_ms = now_ms;
	return passed;
}

void log_print(int priority, const char *format, ...)
{
}

void lend_read_memory(uint64_t *total, uint64_t *available)
{
	*total = TOTAL;
	*available = TOTAL;
}

uint64_t kernel_view_counter(const struct kernel_view *view, const char *name)
{
	return strcmp(name, "pages_remote") ? 7 : 100000;
}

int kernel_home(struct kernel *kernel, uint32_t pages)
{
	homes++;
	return 0;
}

const char *kernel_error(const struct kernel *kernel)
{
	return "";
}

static uint32_t ticks(struct repatriate *r, unsigned int nr, uint64_t stores, uint64_t remote, uint64_t available)
{
	uint32_t pages = 0;

	while (nr--)
		pages = repatriate_decide(r, stores, remote, TOTAL, available);
	return pages;
}

static void test_after_a_while_of_calm(void **state)
{
	struct repatriate r = { 0 };

	assert_int_equal(ticks(&r, 1 + REPATRIATE_CALM_SECONDS, 7, 100000, TOTAL / 2), 0);
	assert_int_equal(ticks(&r, 1, 7, 100000, TOTAL / 2), 100000 / REPATRIATE_SHARE);
	assert_int_equal(ticks(&r, 1, 7, 100, TOTAL / 2), REPATRIATE_PAGES_MIN);
	assert_int_equal(ticks(&r, 1, 7, 0, TOTAL / 2), 0);
	assert_int_equal(ticks(&r, 1, 7, UINT64_MAX, TOTAL / 2), UINT32_MAX);
}

/* One store, or one moment without memory to spare, and the waiting begins anew. */
static void test_trouble(void **state)
{
	struct repatriate r = { 0 };

	assert_true(ticks(&r, 2 + REPATRIATE_CALM_SECONDS, 7, 100000, TOTAL / 2));
	assert_int_equal(ticks(&r, 1, 8, 100000, TOTAL / 2), 0);
	assert_int_equal(ticks(&r, REPATRIATE_CALM_SECONDS, 8, 100000, TOTAL / 2), 0);
	assert_true(ticks(&r, 1, 8, 100000, TOTAL / 2));
	assert_int_equal(ticks(&r, 1, 8, 100000, TOTAL / 4 - 1), 0);
	assert_int_equal(ticks(&r, REPATRIATE_CALM_SECONDS, 8, 100000, TOTAL / 4), 0);
	assert_true(ticks(&r, 1, 8, 100000, TOTAL / 4));
}

/* Events bring a hundred ticks in a second; that is one second all the same. */
static void test_seconds_not_ticks(void **state)
{
	struct ramsterd d = { .view.instance = 1 };

	for (unsigned int i = 0; i < 1100; i++, now_ms += 10)
		repatriate_tick(&d);
	assert_int_equal(homes, 0);
	for (unsigned int i = 0; i < 300; i++, now_ms += 10)
		repatriate_tick(&d);
	assert_int_equal(homes, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_a_while_of_calm),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_seconds_not_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
