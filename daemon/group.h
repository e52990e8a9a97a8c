/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * group - who is in RAMster's process group of corosync, and whether it is who it says. Pure.
 *
 * Numbers that corosync gives are nodeids: they must be the nodes' numbers in cluster.conf. Each process says in its
 * messages who it is; one that does not fit is no member, and the fault stands until it says something else.
 */
#ifndef _RAMSTER_GROUP_H
#define _RAMSTER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf.h"
#include "daemon/offer.h"

#define GROUP_MESSAGE_MAX 4096 /* bytes of one message */
#define GROUP_TEXT_LEN 256

enum group_fault {
	GROUP_OK,
	GROUP_ABSENT, /* corosync has not seen the node since we are connected */
	GROUP_LEFT_COROSYNC, /* the node was in its membership, and is not any more */
	GROUP_NO_PROCESS, /* the node is there, but its ramsterd is not in the group */
	GROUP_LEFT, /* its ramsterd was in the group, and is not any more */
	GROUP_SILENT, /* it has not said who it is yet */
	GROUP_TWICE, /* two processes of one node */
	GROUP_MALFORMED,
	GROUP_PROTOCOL,
	GROUP_CLUSTER,
	GROUP_NUMBER,
	GROUP_NAME,
};

struct group_process {
	uint32_t node; /* corosync's nodeid */
	uint32_t pid;
};

/* What a process has said last. */
struct group_said {
	bool something;
	bool malformed;
	uint32_t protocol;
	uint32_t number;
	char cluster[CONF_NAME_LEN]; /* printable; cut off */
	char name[CONF_NAME_LEN];
	struct offer offer;
};

struct group_node {
	bool in_corosync; /* in corosync's membership */
	unsigned int processes; /* of it in the group */
	uint32_t pid; /* of one of them */
	bool left_corosync, left_group; /* at @left_ms, since we are connected */
	uint64_t left_ms;
	struct group_said said;
};

struct group {
	struct group_node nodes[R2NET_MAX_NODES]; /* by nodeid */
	unsigned int strangers; /* processes in the group whose nodeid no node can have */
	uint32_t stranger; /* the nodeid of one of them */
};

/* Nothing is known any more: the connection to corosync ended. */
void group_reset(struct group *group);

/* The processes that are in the group now. */
void group_set_members(struct group *group, const struct group_process *members, size_t len, uint64_t now_ms);

/*
 * The nodes that are in corosync's membership now. @left: set to the nodeids of those that were and are not any more.
 * Returns how many these are.
 */
unsigned int group_set_nodes(struct group *group, const uint32_t *nodes, size_t len, uint64_t now_ms,
			     uint32_t left[R2NET_MAX_NODES]);

/* A node is not in corosync's membership any more. Returns whether it was. */
bool group_node_left(struct group *group, uint32_t node, uint64_t now_ms);

/*
 * Takes a message. Returns the node that it changes something of, or NULL: the sender is not in the group, or no node can
 * have its nodeid.
 */
struct group_node *group_take_message(struct group *group, struct group_process from, const void *bytes, size_t len);

/**
 * group_judge - why a node is no member, as far as corosync knows
 * @node: one of @conf
 * @text: that in words, "" with GROUP_OK
 */
enum group_fault group_judge(const struct group *group, const struct conf *conf, const struct conf_node *node,
			     uint64_t now_ms, char text[GROUP_TEXT_LEN]);

/* A process in the group whose nodeid is no node of @conf: says so in @text and returns true. */
bool group_has_stranger(const struct group *group, const struct conf *conf, char text[GROUP_TEXT_LEN]);

/**
 * group_message - what this node says
 * @bytes: filled in
 *
 * Returns the length, at most GROUP_MESSAGE_MAX.
 */
size_t group_message(const struct conf *conf, const struct conf_node *self, const struct offer *offer,
		     uint8_t bytes[GROUP_MESSAGE_MAX]);

#endif
