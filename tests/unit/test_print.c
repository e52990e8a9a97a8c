// SPDX-License-Identifier: GPL-2.0-or-later
/* What `ramster` prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/ramster/print.h"

/* A module that is loaded anew counts from 0: nothing has happened then, not 2^64 of it. */
static void test_rates_of_a_new_module(void **state)
{
	Ramster__Counter was = RAMSTER__COUNTER__INIT, is = RAMSTER__COUNTER__INIT;
	Ramster__Counter *before_counters = &was, *now_counters = &is;
	Ramster__Status before = RAMSTER__STATUS__INIT, now = RAMSTER__STATUS__INIT;
	char *text = NULL;
	size_t len;
	double rate;
	FILE *out = open_memstream(&text, &len);

	was.name = is.name = "stores";
	was.value = 1000;
	is.value = 10;
	before.counters = &before_counters;
	now.counters = &now_counters;
	before.n_counters = now.n_counters = 1;
	print_rates(out, &before, &now, 2);
	fflush(out);
	assert_int_equal(sscanf(text, " stores %lf/s", &rate), 1);
	assert_true(rate == 0);
	is.value = 1500;
	print_rates(out, &before, &now, 2);
	fclose(out);
	assert_non_null(strstr(text, " 250/s"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_of_a_new_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
