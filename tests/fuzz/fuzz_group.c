// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_group - libFuzzer target: what anybody can say in corosync's group, and who is in it.
 *
 * Input: a sequence of messages: from whom each is, its bytes, and who is there then. A node is a member only if one process
 * of it is there and says of itself what cluster.conf says.
 */
#include "daemon/group.h"
#include "tests/fuzz/fuzz.h"

#define SELF 1
#define NODES 3
#define MESSAGES 16
#define NOW 100000

#define NODE(number)                                                                                                   \
	"node:\nname = n" number "\nnumber = " number "\naddress = 10.0.0.1" number "\nport = 7700\ncluster = demo\n"

static const char file[] = "cluster:\nname = demo\n" NODE("0") NODE("1") NODE("2");

static struct conf conf;
static struct group group;
static unsigned int in_corosync, in_group; /* of gather_group()'s, by bit */

/* Some of these are in corosync's membership and its group, until others are; the last two are no node's. */
static void gather_group(unsigned int corosync, unsigned int in_the_group)
{
	static const uint32_t all[] = { 0, SELF, 2, 9, 300 };
	unsigned int i, nodes_len = 0, members_len = 0;
	struct group_process members[6];
	uint32_t nodes[5], left[R2NET_MAX_NODES];
	char text[GROUP_TEXT_LEN];

	if (corosync == in_corosync && in_the_group == in_group)
		return;
	in_corosync = corosync;
	in_group = in_the_group;
	for (i = 0; i < 5; i++) {
		if (!(in_corosync & 1 << i))
			nodes[nodes_len++] = all[i];
		if (!(in_group & 1 << i))
			members[members_len++] = (struct group_process){ all[i], 10 + i };
	}
	if (in_group & 1 << 5)
		members[members_len++] = (struct group_process){ 2, 99 };
	check(group_set_nodes(&group, nodes, nodes_len, NOW, left) <= NODES + 1);
	group_set_members(&group, members, members_len, NOW);
	check(group_has_stranger(&group, &conf, text) == !(in_group & 1 << 3 && in_group & 1 << 4));
}

/* What somebody in corosync's group says: he is taken only for who he is. */
static void hear_group(struct input *in)
{
	struct group_process from = { take_u8(in) % 4, 10 + take_u8(in) % 4 };
	uint8_t own[GROUP_MESSAGE_MAX];
	const struct group_node *node;
	char text[GROUP_TEXT_LEN];
	unsigned int who;
	size_t len;
	const uint8_t *bytes = take(in, take_u16(in) % (GROUP_MESSAGE_MAX + 2), &len);

	who = take_u16(in) & 0x3f1f;
	gather_group(who & 0xff, who >> 8);
	if (!len) { /* as this daemon would say it there */
		struct offer offer = { .lender_instance = 1, .owner_instance = 2, .data_port = 3 };

		len = group_message(&conf, &conf.nodes[from.node % NODES], &offer, own);
		bytes = own;
	}
	node = group_take_message(&group, from, bytes, len);
	/* Only of a process that is in the group. */
	check(!node || (from.node < NODES && node == &group.nodes[from.node] && from.pid == 10 + from.node &&
			!(in_group & 1 << from.node)));
	for (unsigned int i = 0; i < NODES; i++) {
		enum group_fault fault = group_judge(&group, &conf, &conf.nodes[i], NOW, text);
		const struct group_said *said = &group.nodes[i].said;

		check((fault == GROUP_OK) == !*text);
		check(fault != GROUP_OK || (!strcmp(said->name, conf.nodes[i].name) && said->number == i &&
					    !strcmp(said->cluster, conf.cluster)));
	}
	check(!node || bytes != own || group_judge(&group, &conf, &conf.nodes[from.node], 0, text) == GROUP_OK ||
	      group.nodes[from.node].processes > 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input in = { input, size };
	char error[CONF_ERROR_LEN];

	if (!conf.nodes_len)
		check(!conf_parse("fuzz", file, strlen(file), &conf, error));
	group_reset(&group);
	in_corosync = in_group = ~0U;
	for (unsigned int i = 0; in.len && i < MESSAGES; i++)
		hear_group(&in);
	return 0;
}
