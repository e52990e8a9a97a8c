// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connection numbers: never twice for one instance of the module, whatever ends ramsterd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/number.h"

#define DAY 86400

static char path[64];
static time_t uptime = 5000; /* seconds */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	*now = (struct timespec){ .tv_sec = uptime };
	return 0;
}

static int setup(void **state)
{
	snprintf(path, sizeof(path), "/tmp/test_number.%d", getpid());
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return 0;
}

static void test_rises(void **state)
{
	struct number number = { 0 };
	uint32_t last = 0, now;

	for (unsigned int i = 0; i < 1000; i++) {
		now = number_next(&number, path, 7, 0);
		assert_true(now > last);
		last = now;
	}
}

static void test_restart(void **state)
{
	uint32_t last = 0, now = 0;

	for (unsigned int run = 0; run < 20; run++) {
		struct number number = { 0 };

		for (unsigned int i = 0; i <= run * 10; i++) {
			now = number_next(&number, path, 7, 0);
			assert_true(now > last);
			last = now;
		}
	}
}

static void test_no_file(void **state)
{
	struct number number = { 0 };

	assert_true(number_next(&number, path, 7, 4000000000U) > 4000000000U);
	unlink(path);
	number = (struct number){ 0 };
	assert_true(number_next(&number, "/nonexistent/file", 7, 4000000100U) > 4000000100U);
}

static void test_garbage(void **state)
{
	struct number number = { 0 };
	FILE *file = fopen(path, "w");

	fputs("what is this", file);
	fclose(file);
	assert_true(number_next(&number, path, 7, 41) > 41);
}

/* Without the file, daemons that are started ever later do not begin where one before them was. */
static void test_years_by_the_clock(void **state)
{
	uint32_t last = 0, now;

	for (uptime = DAY; uptime < 3650LL * DAY; uptime += DAY) {
		struct number number = { 0 };

		unlink(path);
		now = number_next(&number, path, 7, 0);
		assert_true(now > last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rises, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_years_by_the_clock, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
