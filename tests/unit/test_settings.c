// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings at run time: what may be set and to what, all or none, and what the list says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/settings.h"

#define NODE(name, number)                                                                                             \
	"node:\n\tname = " name "\n\tnumber = " number "\n\taddress = 10.0.0.1" number                                 \
	"\n\tport = 7700\n\tcluster = c\n"

static const char text[] = "cluster:\n\tname = c\n" NODE("n1", "1") NODE("n2.rack", "2") "\tweight = 30\n";
static struct conf conf, before;
static char error[CONF_ERROR_LEN];

static int setup(void **state)
{
	if (conf_parse("f", text, strlen(text), &conf, error))
		return -1;
	before = conf;
	return 0;
}

static int set(const char *first, const char *second)
{
	char *assignments[] = { (char *)first, (char *)second };

	memset(error, 0, sizeof(error));
	return settings_assign(&conf, 1, assignments, second ? 2 : 1, error);
}

/* Nothing is changed, and one line says why and what is expected. */
static void bad(const char *assignment, const char *fragment)
{
	assert_int_equal(set(assignment, NULL), -EINVAL);
	if (!strstr(error, fragment) || !strstr(error, "(expected ") || strchr(error, '\n'))
		fail_msg("%s: \"%s\" does not contain \"%s\" and what is expected", assignment, error, fragment);
	assert_memory_equal(&conf, &before, sizeof(conf));
}

static void test_good(void **state)
{
	assert_int_equal(set("lend=256M", "reserve = 32M"), 0);
	assert_int_equal(conf.nodes[0].lend, CONF_LEND_SIZE);
	assert_int_equal(conf.nodes[0].lend_bytes, 256 << 20);
	assert_int_equal(conf.nodes[0].reserve, 32 << 20);
	assert_int_equal(conf.nodes[1].lend, CONF_LEND_AUTO);
	assert_int_equal(set("n1.lend=off", "quota=64M"), 0);
	assert_int_equal(conf.nodes[0].lend, CONF_LEND_OFF);
	assert_int_equal(conf_quota(&conf, 2), 64 << 20);
	assert_int_equal(set("n2.rack.quota=8M", "n2.rack.weight=100"), 0);
	assert_int_equal(conf_quota(&conf, 2), 8 << 20);
	assert_int_equal(conf_quota(&conf, 1), 64 << 20);
	assert_int_equal(conf.nodes[1].weight, 100);
	assert_int_equal(set("bandwidth=64M", "n2.rack.bandwidth=off"), 0);
	assert_int_equal(conf_bandwidth(&conf, 1), 64 << 20);
	assert_true(conf_bandwidth(&conf, 2) == CONF_NO_BANDWIDTH);
	assert_int_equal(set(" n2.rack.quota = default ", "n2.rack.priority=9"), 0);
	assert_int_equal(conf_quota(&conf, 2), 64 << 20);
	assert_int_equal(conf.nodes[1].priority, 9);
}

static void test_unknown(void **state)
{
	bad("colour=red", "unknown setting \"colour\"");
	bad("n1.colour=red", "unknown setting \"n1.colour\"");
	bad("n9.quota=64M", "no node is named \"n9\"");
	bad(".quota=64M", "no node is named \"\"");
	bad("quota", "\"quota\" is no assignment");
	bad("", "is no assignment");
	bad("=", "unknown setting \"\"");
	bad("weight=20", "weight of which node? (expected NODE.weight=VALUE)");
	bad("port=1", "port cannot be changed at run time");
	bad("n1.port=1", "n1.port cannot be changed at run time");
	bad("extent_size=8M", "extent_size cannot be changed at run time");
	bad("n2.rack.lend=off", "can only be set on n2.rack itself");
	bad("a\nb=1", "control characters");
}

static void test_values(void **state)
{
	char longest[400];

	bad("lend=some", "lend = \"some\" is not acceptable (expected auto, off, or a size such as 256M)");
	bad("lend=", "lend = \"\"");
	bad("lend=2M", "lend is less than one extent");
	bad("quota=2M", "quota is less than one extent");
	bad("n1.quota=2M", "quota is less than one extent");
	bad("quota=default", "quota = \"default\"");
	bad("bandwidth=1M", "bandwidth = \"1M\"");
	bad("bandwidth=default", "bandwidth = \"default\"");
	bad("n2.rack.weight=0", "(expected 1 ... 100)");
	bad("n2.rack.priority=-1", "(expected 0 ... 9)");
	bad("reserve=99999999999999999999", "reserve = ");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	bad(longest, "an assignment of 399 bytes");
}

static void test_all_or_none(void **state)
{
	assert_int_equal(set("lend=64M", "colour=red"), -EINVAL);
	assert_memory_equal(&conf, &before, sizeof(conf));
	assert_int_equal(set("lend=64M", "quota=2M"), -EINVAL);
	assert_memory_equal(&conf, &before, sizeof(conf));
	assert_int_equal(set("lend=64M", "n1.lend=off"), -EINVAL);
	assert_non_null(strstr(error, "n1.lend is set twice"));
	assert_memory_equal(&conf, &before, sizeof(conf));
	assert_int_equal(set("quota=64M", "n1.quota=64M"), 0);
}

static char listed[1024];

static void note(void *ctx, const char *name, const char *value, const char *loaded)
{
	size_t len = strlen(listed);

	snprintf(listed + len, sizeof(listed) - len, "%s=%s%s%s\n", name, value, loaded ? " not " : "",
		 loaded ? loaded : "");
}

static void test_list(void **state)
{
	listed[0] = 0;
	assert_int_equal(set("lend=1536K", NULL), -EINVAL);
	assert_int_equal(set("lend=1025M", "n2.rack.weight=7"), 0);
	settings_each(&conf, &before, 1, note, NULL);
	assert_string_equal(
		listed,
		"lend=1025M not auto\nreserve=auto\nquota=off\nbandwidth=off\n"
		"n1.quota=default\nn1.bandwidth=default\nn1.weight=10\nn1.priority=0\n"
		"n2.rack.quota=default\nn2.rack.bandwidth=default\nn2.rack.weight=7 not 30\nn2.rack.priority=0\n");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good), TEST(test_unknown), TEST(test_values), TEST(test_all_or_none), TEST(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
