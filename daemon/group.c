// SPDX-License-Identifier: GPL-2.0-or-later
/* group - see group.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/group.h"
#include "daemon/log.h"

void group_reset(struct group *group)
{
	memset(group, 0, sizeof(*group));
}

static bool among(uint32_t node, const uint32_t *nodes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (nodes[i] == node)
			return true;
	return false;
}

bool group_node_left(struct group *group, uint32_t node, uint64_t now_ms)
{
	struct group_node *n = node < R2NET_MAX_NODES ? &group->nodes[node] : NULL;

	if (!n || !n->in_corosync)
		return false;
	n->in_corosync = false;
	n->left_corosync = true;
	n->left_ms = now_ms;
	return true;
}

unsigned int group_set_nodes(struct group *group, const uint32_t *nodes, size_t len, uint64_t now_ms,
			     uint32_t left[R2NET_MAX_NODES])
{
	unsigned int left_len = 0;

	for (uint32_t i = 0; i < R2NET_MAX_NODES; i++) {
		if (among(i, nodes, len)) {
			group->nodes[i].in_corosync = true;
			group->nodes[i].left_corosync = false;
		} else if (group_node_left(group, i, now_ms)) {
			left[left_len++] = i;
		}
	}
	return left_len;
}

static void count_processes(struct group *group, const struct group_process *members, size_t len)
{
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		group->nodes[i].processes = 0;
	group->strangers = 0;
	for (size_t i = 0; i < len; i++) {
		if (members[i].node >= R2NET_MAX_NODES) {
			group->strangers++;
			group->stranger = members[i].node;
			continue;
		}
		group->nodes[members[i].node].processes++;
	}
}

/* What a process said that is gone is nothing that another one has said. */
static void forget_gone(struct group_node *node, uint32_t number, const struct group_process *members, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (members[i].node == number && members[i].pid == node->pid)
			return;
	node->said = (struct group_said){ 0 };
	for (size_t i = 0; i < len; i++)
		if (members[i].node == number)
			node->pid = members[i].pid;
}

void group_set_members(struct group *group, const struct group_process *members, size_t len, uint64_t now_ms)
{
	bool was[R2NET_MAX_NODES];

	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		was[i] = group->nodes[i].processes;
	count_processes(group, members, len);
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		struct group_node *node = &group->nodes[i];

		forget_gone(node, i, members, len);
		if (node->processes) {
			node->in_corosync = true;
			node->left_corosync = false;
			node->left_group = false;
		} else if (was[i]) {
			node->left_group = true;
			if (!node->left_corosync)
				node->left_ms = now_ms;
		}
	}
}

static void copy_name(char to[CONF_NAME_LEN], const char *from)
{
	snprintf(to, CONF_NAME_LEN, "%.*s", CONF_NAME_LEN - 1, from);
	log_printable(to);
}

struct group_node *group_take_message(struct group *group, struct group_process from, const void *bytes, size_t len)
{
	struct group_node *node = from.node < R2NET_MAX_NODES ? &group->nodes[from.node] : NULL;
	Ramster__Member *m;

	if (!node || !node->processes || node->pid != from.pid)
		return NULL;
	m = len <= GROUP_MESSAGE_MAX ? ramster__member__unpack(NULL, len, bytes) : NULL;
	node->said = (struct group_said){ .something = true, .malformed = !m || !m->offer };
	if (m && m->offer) {
		node->said.protocol = m->protocol;
		node->said.number = m->node;
		copy_name(node->said.cluster, m->cluster);
		copy_name(node->said.name, m->name);
		node->said.offer = offer_unpack(m->offer);
	}
	if (m)
		ramster__member__free_unpacked(m, NULL);
	return node;
}

static enum group_fault __attribute__((format(printf, 3, 4)))
fault(char text[GROUP_TEXT_LEN], enum group_fault which, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, GROUP_TEXT_LEN, fmt, ap);
	va_end(ap);
	return which;
}

/* What its process has said against what cluster.conf says of the nodeid that it has. */
static enum group_fault judge_said(const struct group_said *said, const struct conf *conf, const struct conf_node *node,
				   char text[GROUP_TEXT_LEN])
{
	if (!said->something)
		return fault(text, GROUP_SILENT, "in corosync's group, but it has not said yet who it is");
	if (said->malformed)
		return fault(text, GROUP_MALFORMED, "it sent corosync's group something that is no message");
	if (said->protocol != CONTROL_PROTOCOL)
		return fault(text, GROUP_PROTOCOL, "it speaks control protocol %" PRIu32 ", this node speaks %u",
			     said->protocol, CONTROL_PROTOCOL);
	if (strcmp(said->cluster, conf->cluster))
		return fault(text, GROUP_CLUSTER, "it is of cluster \"%s\", this node of \"%s\"", said->cluster,
			     conf->cluster);
	if (said->number != node->number)
		return fault(text, GROUP_NUMBER,
			     "corosync has it as node %" PRIu64 ", but it says to be node %" PRIu32
			     ": compare cluster.conf and the nodelist of corosync.conf",
			     node->number, said->number);
	if (strcmp(said->name, node->name))
		return fault(text, GROUP_NAME,
			     "node %" PRIu64 " calls itself \"%s\" and is \"%s\" here: compare cluster.conf",
			     node->number, said->name, node->name);
	return fault(text, GROUP_OK, "%s", "");
}

enum group_fault group_judge(const struct group *group, const struct conf *conf, const struct conf_node *node,
			     uint64_t now_ms, char text[GROUP_TEXT_LEN])
{
	const struct group_node *n = &group->nodes[node->number];
	uint64_t ago = (now_ms - n->left_ms) / 1000;

	if (!n->processes && n->left_corosync)
		return fault(text, GROUP_LEFT_COROSYNC, "left corosync's membership %" PRIu64 " s ago", ago);
	if (!n->processes && !n->in_corosync)
		return fault(text, GROUP_ABSENT, "corosync has no node %" PRIu64 " in its membership", node->number);
	if (!n->processes && n->left_group)
		return fault(text, GROUP_LEFT, "its ramsterd left corosync's group %" PRIu64 " s ago", ago);
	if (!n->processes)
		return fault(text, GROUP_NO_PROCESS,
			     "in corosync's membership, but its ramsterd is not in the group of cluster \"%s\"",
			     conf->cluster);
	if (n->processes > 1)
		return fault(text, GROUP_TWICE, "%u processes of this node are in corosync's group", n->processes);
	return judge_said(&n->said, conf, node, text);
}

bool group_has_stranger(const struct group *group, const struct conf *conf, char text[GROUP_TEXT_LEN])
{
	uint32_t number = group->stranger;
	bool found = group->strangers;

	for (unsigned int i = 0; i < R2NET_MAX_NODES && !found; i++) {
		found = group->nodes[i].processes && !conf_node_by_number(conf, i);
		number = i;
	}
	if (found)
		snprintf(text, GROUP_TEXT_LEN,
			 "node %" PRIu32
			 " of corosync is in the group, but not in cluster.conf: compare it with the nodelist "
			 "of corosync.conf",
			 number);
	return found;
}

size_t group_message(const struct conf *conf, const struct conf_node *self, const struct offer *offer,
		     uint8_t bytes[GROUP_MESSAGE_MAX])
{
	Ramster__Member message = RAMSTER__MEMBER__INIT;
	Ramster__Advertise body;

	offer_pack(offer, &body);
	message.protocol = CONTROL_PROTOCOL;
	message.cluster = (char *)conf->cluster;
	message.node = self->number;
	message.name = (char *)self->name;
	message.offer = &body;
	return ramster__member__pack(&message, bytes);
}
