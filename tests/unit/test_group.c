// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who is in the group of corosync: what it says of itself is compared with cluster.conf, and nothing of it is trusted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control.h"
#include "daemon/group.h"

#define NOW 100000

static const char file[] = "cluster:\n\tname = demo\n\tmembership = corosync\n"
			   "node:\n\tname = n1\n\tnumber = 1\n\taddress = 10.0.0.1\n\tport = 7700\n\tcluster = demo\n"
			   "node:\n\tname = n2\n\tnumber = 2\n\taddress = 10.0.0.2\n\tport = 7700\n\tcluster = demo\n";

static struct conf conf;
static struct group group;
static char text[GROUP_TEXT_LEN];

static int setup(void **state)
{
	char error[CONF_ERROR_LEN];

	group_reset(&group);
	return conf_parse("test", file, strlen(file), &conf, error);
}

static enum group_fault judge(unsigned int number)
{
	return group_judge(&group, &conf, conf_node_by_number(&conf, number), NOW + 12000, text);
}

static void join(uint32_t node, uint32_t pid)
{
	const uint32_t nodes[] = { 1, 2 };
	const struct group_process members[] = { { 1, 100 }, { node, pid } };
	uint32_t left[R2NET_MAX_NODES];

	group_set_nodes(&group, nodes, 2, NOW, left);
	group_set_members(&group, members, 2, NOW);
}

/* Node 2 says what a node of that configuration would say. */
static struct group_node *say(const char *cluster, const char *name, uint64_t number)
{
	struct conf theirs = conf;
	struct conf_node self = { .number = number };
	struct offer offer = {
		.free = 1 << 20, .lender_instance = 7, .owner_instance = 8, .data_port = 9, .borrowing = 1
	};
	uint8_t bytes[GROUP_MESSAGE_MAX];
	size_t len;

	strcpy(theirs.cluster, cluster);
	strcpy(self.name, name);
	len = group_message(&theirs, &self, &offer, bytes);
	assert_in_range(len, 1, GROUP_MESSAGE_MAX);
	return group_take_message(&group, (struct group_process){ 2, 200 }, bytes, len);
}

static void test_comes_and_goes(void **state)
{
	const uint32_t alone[] = { 1 };
	const struct group_process me[] = { { 1, 100 } };
	uint32_t left[R2NET_MAX_NODES];

	assert_int_equal(judge(2), GROUP_ABSENT);
	assert_non_null(strstr(text, "node 2"));
	group_set_nodes(&group, (const uint32_t[]){ 1, 2 }, 2, NOW, left);
	assert_int_equal(judge(2), GROUP_NO_PROCESS);
	join(2, 200);
	assert_int_equal(judge(2), GROUP_SILENT);
	assert_non_null(say("demo", "n2", 2));
	assert_int_equal(judge(2), GROUP_OK);
	assert_string_equal(text, "");
	assert_int_equal(group.nodes[2].said.offer.free, 1 << 20);
	assert_int_equal(group.nodes[2].said.offer.lender_instance, 7);
	assert_int_equal(group.nodes[2].said.offer.borrowing, 1);

	/* Its process alone. */
	group_set_members(&group, me, 1, NOW);
	assert_int_equal(judge(2), GROUP_LEFT);
	assert_non_null(strstr(text, "12 s ago"));
	join(2, 200);
	assert_int_equal(judge(2), GROUP_SILENT);
	say("demo", "n2", 2);

	/* The node. */
	assert_int_equal(group_set_nodes(&group, alone, 1, NOW, left), 1);
	assert_int_equal(left[0], 2);
	assert_false(group_node_left(&group, 2, NOW));
	group_set_members(&group, me, 1, NOW + 5000);
	assert_int_equal(judge(2), GROUP_LEFT_COROSYNC);
	assert_non_null(strstr(text, "12 s ago"));
	join(2, 201);
	assert_int_equal(judge(2), GROUP_SILENT);

	group_reset(&group);
	assert_int_equal(judge(2), GROUP_ABSENT);
}

static void test_another_process_has_said_nothing(void **state)
{
	join(2, 200);
	say("demo", "n2", 2);
	join(2, 300);
	assert_int_equal(judge(2), GROUP_SILENT);
	assert_null(say("demo", "n2", 2)); /* of the old one, which is gone */
	assert_int_equal(judge(2), GROUP_SILENT);
}

static void test_faults_name_both_sides(void **state)
{
	const struct group_process twice[] = { { 1, 100 }, { 2, 200 }, { 2, 201 } };

	join(2, 200);
	say("other", "n2", 2);
	assert_int_equal(judge(2), GROUP_CLUSTER);
	assert_non_null(strstr(text, "\"other\""));
	assert_non_null(strstr(text, "\"demo\""));
	say("demo", "n2", 3);
	assert_int_equal(judge(2), GROUP_NUMBER);
	assert_non_null(strstr(text, "node 3"));
	say("demo", "n7", 2);
	assert_int_equal(judge(2), GROUP_NAME);
	assert_non_null(strstr(text, "\"n7\""));
	say("demo", "n2", 2);
	assert_int_equal(judge(2), GROUP_OK);
	group_set_members(&group, twice, 3, NOW);
	assert_int_equal(judge(2), GROUP_TWICE);
}

static void test_another_protocol(void **state)
{
	Ramster__Member member = RAMSTER__MEMBER__INIT;
	Ramster__Advertise offer = RAMSTER__ADVERTISE__INIT;
	uint8_t bytes[256];
	size_t len;

	join(2, 200);
	member.protocol = CONTROL_PROTOCOL + 1;
	member.offer = &offer;
	len = ramster__member__pack(&member, bytes);
	group_take_message(&group, (struct group_process){ 2, 200 }, bytes, len);
	assert_int_equal(judge(2), GROUP_PROTOCOL);

	/* Without what it is for. */
	member.offer = NULL;
	len = ramster__member__pack(&member, bytes);
	group_take_message(&group, (struct group_process){ 2, 200 }, bytes, len);
	assert_int_equal(judge(2), GROUP_MALFORMED);
}

static void test_rubbish(void **state)
{
	static uint8_t bytes[2 * GROUP_MESSAGE_MAX];

	join(2, 200);
	srand(1);
	for (unsigned int i = 0; i < 20000; i++) {
		size_t len = rand() % 200;

		for (size_t j = 0; j < len; j++)
			bytes[j] = rand();
		assert_non_null(group_take_message(&group, (struct group_process){ 2, 200 }, bytes, len));
		assert_int_not_equal(judge(2), GROUP_OK);
		for (const char *c = text; *c; c++)
			assert_in_range(*c, ' ', '~');
	}
	memset(bytes, 0, sizeof(bytes));
	group_take_message(&group, (struct group_process){ 2, 200 }, bytes, sizeof(bytes));
	assert_int_equal(judge(2), GROUP_MALFORMED);
	say("demo", "n2", 2);
	assert_int_equal(judge(2), GROUP_OK);
}

static void test_strangers(void **state)
{
	const struct group_process unknown[] = { { 1, 100 }, { 9, 900 } };
	const struct group_process impossible[] = { { 1, 100 }, { 0xffffffff, 900 } };

	join(2, 200);
	assert_false(group_has_stranger(&group, &conf, text));
	group_set_members(&group, unknown, 2, NOW);
	assert_true(group_has_stranger(&group, &conf, text));
	assert_non_null(strstr(text, "node 9 "));
	group_set_members(&group, impossible, 2, NOW);
	assert_true(group_has_stranger(&group, &conf, text));
	assert_non_null(strstr(text, "node 4294967295 "));
	assert_null(group_take_message(&group, (struct group_process){ 0xffffffff, 900 }, "", 0));
	join(2, 200);
	assert_false(group_has_stranger(&group, &conf, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_comes_and_goes, setup),
		cmocka_unit_test_setup(test_another_process_has_said_nothing, setup),
		cmocka_unit_test_setup(test_faults_name_both_sides, setup),
		cmocka_unit_test_setup(test_another_protocol, setup),
		cmocka_unit_test_setup(test_rubbish, setup),
		cmocka_unit_test_setup(test_strangers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
