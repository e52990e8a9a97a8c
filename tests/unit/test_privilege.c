// SPDX-License-Identifier: GPL-2.0-or-later
/* What hides a process's memory is all tried, whatever fails of it: privilege.c over system calls of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "daemon/privilege.h"

static bool no_limit, no_control; /* setrlimit(), prctl() fail */
static unsigned int limited, hidden;

int __wrap_setrlimit(int resource, const struct rlimit *limit);
int __wrap_prctl(int option, unsigned long value);

int __wrap_setrlimit(int resource, const struct rlimit *limit)
{
	limited += resource == RLIMIT_CORE && !limit->rlim_cur && !limit->rlim_max;
	errno = EPERM;
	return no_limit ? -1 : 0;
}

int __wrap_prctl(int option, unsigned long value)
{
	hidden += option == PR_SET_DUMPABLE && !value;
	errno = EINVAL;
	return no_control ? -1 : 0;
}

static void test_hide(void **state)
{
	static const struct {
		bool no_limit, no_control;
		int ret;
	} cases[] = { { false, false, 0 }, { true, false, -EPERM }, { false, true, -EINVAL }, { true, true, -EINVAL } };

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		no_limit = cases[i].no_limit;
		no_control = cases[i].no_control;
		limited = hidden = 0;
		assert_int_equal(privilege_hide(), cases[i].ret);
		assert_int_equal(limited, 1);
		assert_int_equal(hidden, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hide) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
