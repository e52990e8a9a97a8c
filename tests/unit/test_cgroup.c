// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which control group holds what a node has lent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/cgroup.h"

static char path[64];

static void is(const char *text, const char *wanted)
{
	memset(path, 'x', sizeof(path));
	assert_int_equal(cgroup_parse(text, path, sizeof(path)), 0);
	assert_string_equal(path, wanted);
}

static void fails(const char *text, int error)
{
	memset(path, 'x', sizeof(path));
	assert_int_equal(cgroup_parse(text, path, sizeof(path)), error);
	assert_string_equal(path, "");
}

static void test_is_cut_at_the_slice(void **state)
{
	/* systemd puts a slice with a dash in its name into another. */
	is("0::/ramster.slice/ramster-lender.slice/ramster-lender.service\n", "/ramster.slice/ramster-lender.slice");
	is("0::/ramster-lender.slice\n", "/ramster-lender.slice");
	is("0::/ramster-lender.slice", "/ramster-lender.slice");
	is("0::/a/ramster-lender.slice/b/ramster-lender.slice\n", "/a/ramster-lender.slice");
}

static void test_is_the_lenders_own_elsewhere(void **state)
{
	is("0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope");
	is("0::/a\n", "/a");
	is("0::/ramster-lender.slice.d/x\n", "/ramster-lender.slice.d/x");
	is("0::/my-ramster-lender.slice/x\n", "/my-ramster-lender.slice/x");
	is("0::/ramster-lender.slic/e\n", "/ramster-lender.slic/e");
}

static void test_beside_cgroup_v1(void **state)
{
	is("9:memory:/x\n1:name=systemd:/y\n0::/z/ramster-lender.slice/s\n", "/z/ramster-lender.slice");
	is("0::/z\n9:memory:/ramster-lender.slice/x\n", "/z");
	fails("10::/x\n9:memory:/ramster-lender.slice\n1:name=0::/y\n", -ENOENT);
}

static void test_is_none(void **state)
{
	fails("", -ENOENT);
	fails("0::/\n", -ENOENT);
	fails("0::", -ENOENT);
	fails("0::\n", -ENOENT);
	fails("0::x\n", -ENOENT);
	/* Outside of the cgroup namespace. */
	fails("0::/..\n", -ENOENT);
	fails("0::/../ramster-lender.slice/x\n", -ENOENT);
}

static void test_is_too_long(void **state)
{
	/* 63 bytes fit, 64 do not; what is cut off does not count. */
	is("0::/ab345678901234567890123456789012345678901234567890123456789012\n",
	   "/ab345678901234567890123456789012345678901234567890123456789012");
	fails("0::/ab3456789012345678901234567890123456789012345678901234567890123\n", -ENAMETOOLONG);
	is("0::/ramster-lender.slice/345678901234567890123456789012345678901234567890123456789\n",
	   "/ramster-lender.slice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_cut_at_the_slice), cmocka_unit_test(test_is_the_lenders_own_elsewhere),
		cmocka_unit_test(test_beside_cgroup_v1),    cmocka_unit_test(test_is_none),
		cmocka_unit_test(test_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
