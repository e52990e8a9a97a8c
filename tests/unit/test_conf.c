// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cluster.conf: what a good file becomes, and what each kind of bad one gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/conf.h"
#include "daemon/conf_key.h"

#define CLUSTER "cluster:\n\tname = demo\n"
#define NODE(name, number, address, port)                                                                              \
	"node:\n\tname = " name "\n\tnumber = " number "\n\taddress = " address "\n\tport = " port                     \
	"\n\tcluster = demo\n"
#define N1 NODE("n1", "1", "10.77.0.1", "7700")
#define N2 NODE("n2", "2", "10.77.0.2", "7700")

static struct conf conf;
static char error[CONF_ERROR_LEN];

static int parse(const char *text)
{
	return conf_parse("f", text, strlen(text), &conf, error);
}

/* Parsing @text fails with a line that begins with @start and contains @fragment and what was expected. */
static void check_bad(const char *text, size_t len, const char *start, const char *fragment)
{
	memset(error, 0, sizeof(error));
	if (conf_parse("f", text, len, &conf, error) != -EINVAL)
		fail_msg("accepted: %s", text);
	if (strncmp(error, start, strlen(start)) || !strstr(error, fragment) || !strstr(error, "(expected "))
		fail_msg("\"%s\" does not begin with \"%s\" or does not contain \"%s\"", error, start, fragment);
	assert_null(strchr(error, '\n'));
}

static void bad(const char *text, const char *start, const char *fragment)
{
	check_bad(text, strlen(text), start, fragment);
}

static void test_defaults(void **state)
{
	assert_int_equal(parse(CLUSTER N1), 0);
	assert_string_equal(conf.cluster, "demo");
	assert_string_equal(conf.membership, "static");
	assert_int_equal(conf.extent_size, 4 << 20);
	assert_int_equal(conf.connections, 2);
	assert_int_equal(conf.window, 32);
	assert_int_equal(conf.deadline_ms, 3000);
	assert_int_equal(conf.slow_deadline_ms, 30000);
	assert_int_equal(conf.hold_time_ms, 4 * 3600 * 1000);
	assert_string_equal(conf.compressor, "");
	assert_string_equal(conf.allocator, "");
	assert_int_equal(conf.local_max_percent, 0);
	assert_int_equal(conf.nodes_len, 1);
	assert_string_equal(conf.nodes[0].name, "n1");
	assert_string_equal(conf.nodes[0].address, "10.77.0.1");
	assert_int_equal(conf.nodes[0].number, 1);
	assert_int_equal(conf.nodes[0].port, 7700);
	assert_int_equal(conf.nodes[0].data_port, 7701);
	assert_int_equal(conf.nodes[0].lend, CONF_LEND_AUTO);
	assert_int_equal(conf.nodes[0].reserve, 0);
	assert_int_equal(conf.nodes[0].weight, 10);
	assert_int_equal(conf.nodes[0].priority, 0);
	assert_true(conf_quota(&conf, 1) == CONF_NO_QUOTA);
	assert_true(conf_bandwidth(&conf, 1) == CONF_NO_BANDWIDTH);
}

static void test_bandwidths(void **state)
{
	assert_int_equal(parse("cluster:\n\tname = demo\n\tbandwidth = 100M\n" N1 "\tbandwidth = off\n" N2
			       "\tbandwidth = 8M\n" NODE("n3", "3", "10.77.0.3", "7700") "\tbandwidth = default\n"),
			 0);
	assert_true(conf_bandwidth(&conf, 1) == CONF_NO_BANDWIDTH);
	assert_int_equal(conf_bandwidth(&conf, 2), 8 << 20);
	assert_int_equal(conf_bandwidth(&conf, 3), 100 << 20);
	assert_int_equal(conf_bandwidth(&conf, 4), 100 << 20); /* a node that is not in the file */
	assert_int_equal(parse(CLUSTER "\tbandwidth = 0\n" N1 "\tbandwidth = 0\n"), 0);
	assert_true(conf.bandwidth == CONF_NO_BANDWIDTH && conf_bandwidth(&conf, 1) == CONF_NO_BANDWIDTH);

	/* With more in flight, or less time for it, there has to be more. */
	assert_int_equal(conf_least_bandwidth(&conf), 8 << 20);
	bad(CLUSTER "\tbandwidth = 8M\n\tconnections = 15\n\twindow = 64\n" N1,
	    "f:", "a bandwidth is too low for connections, window and slow_deadline (expected at least 8454912 bytes");
	bad(CLUSTER "\tslow_deadline = 1s\n\tdeadline = 1s\n" N1 "\tbandwidth = 16M\n",
	    "f:", "expected at least 16909824 bytes a second, or off");
	assert_int_equal(parse(CLUSTER "\tslow_deadline = 1s\n\tdeadline = 1s\n" N1 "\tbandwidth = 17M\n"), 0);
}

static void test_all_keys(void **state)
{
	assert_int_equal(
		parse("# a comment\r\n"
		      "node: # before its cluster\n"
		      "  name=n-1.example\n  number = 0\n  address = 192.168.1.9\n  port = 1\n  data_port = 9\n"
		      "  cluster = demo\n  lend = 256M\n"
		      "\n"
		      "cluster:\n"
		      "\tname = demo\n\tnode_count = 2 # checked\n\tmembership = static\n\textent_size = 64MiB\n"
		      "\tconnections = 15\n\twindow = 64\n\tdeadline = 500ms\n\tslow_deadline = 2m\n"
		      "\thold_time = 1h\n\tcompressor = lzo-rle\n\tallocator = zbud\n\tlocal_max_percent = 20\n"
		      "\tremotify_percent = 20\n\tlow_water = 1G\n" NODE("n2", "254", "10.0.0.1",
									 "65534") "\tlend = off"),
		0);
	assert_int_equal(conf.nodes_len, 2);
	assert_int_equal(conf.node_count, 2);
	assert_int_equal(conf.extent_size, 64 << 20);
	assert_int_equal(conf.connections, 15);
	assert_int_equal(conf.window, 64);
	assert_int_equal(conf.deadline_ms, 500);
	assert_int_equal(conf.slow_deadline_ms, 120000);
	assert_int_equal(conf.hold_time_ms, 3600000);
	assert_string_equal(conf.compressor, "lzo-rle");
	assert_string_equal(conf.allocator, "zbud");
	assert_int_equal(conf.low_water, 1 << 30);
	assert_int_equal(conf.nodes[0].lend, CONF_LEND_SIZE);
	assert_int_equal(conf.nodes[0].lend_bytes, 256 << 20);
	assert_int_equal(conf.nodes[0].data_port, 9);
	assert_int_equal(conf.nodes[1].lend, CONF_LEND_OFF);
	assert_ptr_equal(conf_node_by_name(&conf, "n2"), &conf.nodes[1]);
	assert_ptr_equal(conf_node_by_number(&conf, 0), &conf.nodes[0]);
	assert_null(conf_node_by_name(&conf, "n3"));
	assert_null(conf_node_by_number(&conf, 3));
}

static void test_quotas(void **state)
{
	assert_int_equal(parse("cluster:\n\tname = demo\n\tquota = 1G\n" N1 "\tquota = off\n" N2
			       "\tquota = 64M\n\tweight = 100\n\tpriority = 9\n\treserve = 1M\n" NODE(
				       "n3", "3", "10.77.0.3", "7700") "\treserve = auto\n\tquota = default\n"),
			 0);
	assert_true(conf_quota(&conf, 1) == CONF_NO_QUOTA);
	assert_int_equal(conf_quota(&conf, 2), 64 << 20);
	assert_int_equal(conf_quota(&conf, 3), 1 << 30);
	assert_int_equal(conf_quota(&conf, 4), 1 << 30); /* a node that is not in the file */
	assert_int_equal(conf.nodes[1].weight, 100);
	assert_int_equal(conf.nodes[1].priority, 9);
	assert_int_equal(conf.nodes[1].reserve, 1 << 20);
	assert_int_equal(conf.nodes[2].reserve, 0);
}

static void test_keep_on_restart(void **state)
{
	assert_int_equal(parse(CLUSTER N1 "\tkeep_on_restart = on\n" N2), 0);
	assert_true(conf_keeps(&conf.nodes[0]));
	assert_false(conf_keeps(&conf.nodes[1]));
	assert_int_equal(parse(CLUSTER N1 "\tkeep_on_restart = off\n" N2), 0);
	assert_false(conf_keeps(&conf.nodes[0]));
	bad(CLUSTER N1 "\tkeep_on_restart = yes\n",
	    "f:9:", "keep_on_restart = \"yes\" is not acceptable (expected one of on, off)");
}

static void test_example(void **state)
{
	if (conf_load("configs/cluster.conf", &conf, error))
		fail_msg("%s", error);
	assert_int_equal(conf.nodes_len, 3);
}

static void test_form(void **state)
{
	bad("", "f:0:", "empty file");
	bad("\n\n# only a comment\n", "f:0:", "no \"cluster:\" stanza");
	bad(CLUSTER, "f:0:", "no \"node:\" stanza");
	bad(N1, "f:0:", "no \"cluster:\" stanza");
	bad("\tname = demo\n", "f:1:", "key \"name\" outside a stanza");
	bad("heartbeat:\n", "f:1:", "unknown stanza \"heartbeat:\"");
	bad(CLUSTER CLUSTER N1, "f:3:", "second \"cluster:\" stanza");
	bad(CLUSTER "\tcolour = red\n" N1, "f:3:", "unknown key \"colour\"");
	bad(CLUSTER N1 "\tip_port = 1\n", "f:9:", "unknown key \"ip_port\"");
	bad(CLUSTER "\tname = demo\n", "f:3:", "\"name\" given twice");
	bad(CLUSTER "hello\n", "f:3:", "\"hello\" is neither a stanza nor a key");
	bad(CLUSTER "\tname\n", "f:3:", "\"name\" is neither");
}

static void test_binary(void **state)
{
	static const char elf[] = "\177ELF\2\1\1\0\0\0\0";

	check_bad(elf, sizeof(elf), "f:1:", "not a text file");
	check_bad("cluster:\n\0", 10, "f:2:", "not a text file");
}

static void test_long_line(void **state)
{
	char text[2 * CONF_LINE_MAX + 64] = "cluster:\n";

	memset(text + strlen(text), '#', CONF_LINE_MAX);
	strcat(text, "\n\tname = demo\n" N1);
	assert_int_equal(parse(text), 0);
	memset(text + strlen("cluster:\n"), '#', CONF_LINE_MAX + 1);
	bad(text, "f:2:", "line of ");
}

static void test_nodes(void **state)
{
	bad(CLUSTER "node:\n\tname = n1\n\taddress = 10.0.0.1\n\tport = 1\n\tcluster = demo\n",
	    "f:3:", "without \"number\"");
	bad(CLUSTER "node:\n", "f:3:", "without \"name\"");
	bad(CLUSTER N1 NODE("n1", "2", "10.77.0.2", "7700"), "f:9:", "duplicate node name \"n1\"");
	bad(CLUSTER N1 NODE("n2", "1", "10.77.0.2", "7700"), "f:9:", "duplicate node number 1");
	bad(CLUSTER N1 NODE("n2", "2", "10.77.0.1", "7700"), "f:9:", "duplicate address 10.77.0.1:7700");
	bad(CLUSTER N1 NODE("n2", "2", "10.77.0.1", "7701"), "f:9:", "duplicate address 10.77.0.1:7701");
	bad(CLUSTER N1 "\tdata_port = 7700\n", "f:3:", "data_port = port");
	bad(CLUSTER NODE("n1", "1", "10.77.0.1", "65535"), "f:3:", "leaves no data_port");
	bad(CLUSTER N1 "\tlend = 2M\n", "f:3:", "lend is less than one extent");
	bad("cluster:\n\tname = other\n" N1, "f:3:", "is of cluster \"demo\"");
	bad("cluster:\n\tname = demo\n\tnode_count = 3\n" N1 N2, "f:1:", "node_count = 3 but the file has 2 nodes");
	assert_int_equal(parse(CLUSTER N1 NODE("n2", "2", "10.77.0.1", "7800")), 0);
}

static void test_values(void **state)
{
	static const struct {
		const char *line, *fragment;
	} cluster[] = {
		{ "\tnode_count = 0\n", "node_count = \"0\"" },
		{ "\tnode_count = 256\n", "node_count = \"256\"" },
		{ "\tmembership = paxos\n", "membership = \"paxos\"" },
		{ "\tmembership = static, corosync\n", "membership = \"static, corosync\"" },
		{ "\textent_size = 3M\n", "extent_size = \"3M\"" },
		{ "\textent_size = 1M\n", "extent_size = \"1M\"" },
		{ "\textent_size = 128M\n", "extent_size = \"128M\"" },
		{ "\textent_size = 4X\n", "extent_size = \"4X\"" },
		{ "\textent_size = 99999999999999999999\n", "extent_size" },
		{ "\textent_size = 17592186044416T\n", "extent_size" },
		{ "\tconnections = 16\n", "connections = \"16\"" },
		{ "\tconnections = two\n", "connections = \"two\"" },
		{ "\tconnections = \n", "connections = \"\"" },
		{ "\twindow = 65\n", "window = \"65\"" },
		{ "\twindow = -1\n", "window = \"-1\"" },
		{ "\tdeadline = 3\n", "deadline = \"3\"" },
		{ "\tdeadline = 99ms\n", "deadline = \"99ms\"" },
		{ "\tdeadline = 61s\n", "deadline = \"61s\"" },
		{ "\tslow_deadline = 2s\n", "slow_deadline is shorter than deadline" },
		{ "\thold_time = forever\n", "hold_time = \"forever\"" },
		{ "\tcompressor = lz\n", "compressor = \"lz\"" },
		{ "\tcompressor = lzo, lz4\n", "compressor = \"lzo, lz4\"" },
		{ "\tcompressor = lzo, lzo-rle, lz4, zstd\n", "compressor = \"lzo, lzo-rle, lz4, zstd\"" },
		{ "\tallocator = slab\n", "allocator = \"slab\"" },
		{ "\tlocal_max_percent = 51\n", "local_max_percent = \"51\"" },
		{ "\tlocal_max_percent = 5\n\tremotify_percent = 6\n", "remotify_percent is over local_max_percent" },
		{ "\tlow_water = 512K\n", "low_water = \"512K\"" },
		{ "\tquota = 1M\n", "quota = \"1M\"" },
		{ "\tquota = 2M\n", "quota is less than one extent" },
		{ "\tquota = auto\n", "quota = \"auto\"" },
		{ "\tquota = default\n", "quota = \"default\"" },
		{ "\tbandwidth = 7M\n",
		  "bandwidth = \"7M\" is not acceptable (expected bytes a second from 8M, or off)" },
		{ "\tbandwidth = default\n", "bandwidth = \"default\"" },
	};
	char text[512];

	for (unsigned int i = 0; i < sizeof(cluster) / sizeof(cluster[0]); i++) {
		snprintf(text, sizeof(text), CLUSTER "%s" N1, cluster[i].line);
		bad(text, "f:", cluster[i].fragment);
	}
	snprintf(text, sizeof(text), CLUSTER "\tmembership = corosync\n" N1);
	assert_int_equal(parse(text), 0);
	assert_string_equal(conf.membership, "corosync");
	bad(CLUSTER "\tmembership = corosync\n" NODE("n0", "0", "10.77.0.1", "7700"), "f:4:", "corosync's nodeid");
	bad("cluster:\n\tname = a b\n" N1, "f:2:", "name = \"a b\"");
	bad("cluster:\n\tname = ../x\n" N1, "f:2:", "name = \"../x\"");
}

static void test_node_values(void **state)
{
	bad(CLUSTER NODE("n1", "255", "10.77.0.1", "7700"), "f:5:", "(expected 0 ... 254)");
	bad(CLUSTER NODE("n1", "one", "10.77.0.1", "7700"), "f:5:", "number = \"one\"");
	bad(CLUSTER NODE("n1", "1", "10.77.0.256", "7700"), "f:6:", "address = \"10.77.0.256\"");
	bad(CLUSTER NODE("n1", "1", "n1.example", "7700"), "f:6:", "address = \"n1.example\"");
	bad(CLUSTER NODE("n1", "1", "0.0.0.0", "7700"), "f:6:", "address = \"0.0.0.0\"");
	bad(CLUSTER NODE("n1", "1", "224.0.0.1", "7700"), "f:6:", "address = \"224.0.0.1\"");
	bad(CLUSTER NODE("n1", "1", "10.77.0.1", "0"), "f:7:", "port = \"0\" is not acceptable (expected 1 ... 65535)");
	bad(CLUSTER NODE("n1", "1", "10.77.0.1", "65536"), "f:7:", "port = \"65536\"");
	bad(CLUSTER N1 "\tlend = some\n", "f:9:", "lend = \"some\"");
	bad(CLUSTER N1 "\tlend = 1M\n", "f:9:", "lend = \"1M\"");
	bad(CLUSTER N1 "\tlend = 1025T\n", "f:9:", "lend = \"1025T\"");
	bad(CLUSTER N1 "\treserve = off\n", "f:9:", "reserve = \"off\"");
	bad(CLUSTER N1 "\treserve = 0\n", "f:9:", "reserve = \"0\"");
	bad(CLUSTER N1 "\tquota = 2M\n", "f:3:", "quota is less than one extent");
	bad(CLUSTER N1 "\tquota = most\n", "f:9:", "quota = \"most\"");
	bad(CLUSTER N1 "\tweight = 0\n", "f:9:", "weight = \"0\"");
	bad(CLUSTER N1 "\tweight = 101\n", "f:9:", "weight = \"101\"");
	bad(CLUSTER N1 "\tpriority = 10\n", "f:9:", "priority = \"10\"");
	bad(CLUSTER NODE("n_234567890123456789012345678901234567890123456789012345678901234", "1", "10.77.0.1", "7700"),
	    "f:4:", "name = ");
}

static void test_a_refused_value_changes_nothing(void **state)
{
	static const char *const values[] = { "1M", "1025T", "3", "most", "" };
	const struct conf_key *lend = conf_key_find(&conf_node_stanza, "lend");
	struct conf_node node = { .lend = CONF_LEND_SIZE, .lend_bytes = 64 << 20 }, before = node;

	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_false(conf_key_parse(lend, &node, values[i]));
		assert_memory_equal(&node, &before, sizeof(node));
	}
}

static void test_300_nodes(void **state)
{
	char *text = malloc(300 * 200);
	size_t len = sprintf(text, "%s", CLUSTER);

	for (unsigned int i = 0; i < 300; i++)
		len += sprintf(text + len,
			       "node:\n\tname = n%u\n\tnumber = %u\n\taddress = 10.77.%u.%u\n\tport = 7700\n"
			       "\tcluster = demo\n",
			       i, i, i / 200, i % 200 + 1);
	bad(text, "f:1533:", "too many nodes (expected at most 255)");
	*strstr(text, "node:\n\tname = n255\n") = 0;
	assert_int_equal(parse(text), 0);
	assert_int_equal(conf.nodes_len, 255);
	free(text);
}

static void test_load(void **state)
{
	char path[] = "/tmp/test_conf.XXXXXX", line[CONF_ERROR_LEN];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(conf_load(path, &conf, error), -EINVAL);
	assert_non_null(strstr(error, ":0: empty file"));
	assert_int_equal(write(fd, CLUSTER N1, strlen(CLUSTER N1)), strlen(CLUSTER N1));
	assert_int_equal(conf_load(path, &conf, error), 0);
	assert_int_equal(ftruncate(fd, CONF_FILE_MAX + 1), 0);
	assert_int_equal(conf_load(path, &conf, error), -EINVAL);
	assert_non_null(strstr(error, ":0: file over"));
	close(fd);
	chmod(path, 0);
	if (!geteuid() && seteuid(65534))
		skip();
	assert_int_equal(conf_load(path, &conf, error), -EINVAL);
	snprintf(line, sizeof(line), "%s:0: Permission denied (expected a readable file)", path);
	assert_string_equal(error, line);
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
	unlink(path);
	assert_int_equal(conf_load(path, &conf, error), -EINVAL);
	assert_non_null(strstr(error, ":0: No such file"));
	assert_int_equal(conf_load("/tmp", &conf, error), -EINVAL);
	assert_non_null(strstr(error, "/tmp:0: Is a directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_keep_on_restart),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_quotas),
		cmocka_unit_test(test_bandwidths),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_node_values),
		cmocka_unit_test(test_300_nodes),
		cmocka_unit_test(test_a_refused_value_changes_nothing),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
