/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corosync - the connection to this node's corosync: a process group (libcpg) and quorum (libquorum).
 *
 * corosync may be absent, end, hang and come back at any time: connecting is tried again without end, in a thread of its
 * own because the libraries may wait there. Everything else is on the loop and never waits.
 */
#ifndef _RAMSTER_COROSYNC_H
#define _RAMSTER_COROSYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/group.h"

#define COROSYNC_RETRY_MIN_MS 200
#define COROSYNC_RETRY_MAX_MS 2000
#define COROSYNC_WHY_LEN 128

struct corosync;

struct corosync_events {
	/* Connected, and joining the group if @node, our nodeid, is the number that was expected; else only following quorum. */
	void (*opened)(void *ctx, uint32_t node);
	/* It ended, or could not be reached: once for each try. */
	void (*closed)(void *ctx, const char *why);
	/* A node that has a process in the group left corosync's membership; members() follows. */
	void (*node_left)(void *ctx, uint32_t node);
	/* The processes that are in the group now. @joined: some of them are new. */
	void (*members)(void *ctx, const struct group_process *members, size_t len, bool joined);
	/* The nodes that are in corosync's membership now, and whether they have quorum. */
	void (*quorum)(void *ctx, bool quorate, const uint32_t *nodes, size_t len);
	/* A process of the group has sent this. Nothing is known of it. */
	void (*message)(void *ctx, struct group_process from, const void *bytes, size_t len);
};

/**
 * corosync_new - connect to corosync, and again whenever the connection ends
 * @group: name of the process group to join; copied, at most CPG_MAX_NAME_LENGTH bytes are used
 * @node: the nodeid that this node is expected to have
 *
 * Events come on the loop, none before this returns. Returns NULL if memory is short.
 */
struct corosync *corosync_new(uv_loop_t *loop, const char *group, uint32_t node, const struct corosync_events *events,
			      void *ctx);

/* Ends the session, as if corosync had: closed() is called, and it is tried again. @why: a literal */
void corosync_give_up(struct corosync *corosync, const char *why);

/* Leaves the group. What a hung corosync still holds stays allocated: the process is about to end. */
void corosync_free(struct corosync *corosync);

/* Sends a message to all processes of the group. Returns 0, -EAGAIN if it cannot take one now, or -ENOTCONN. */
int corosync_send(struct corosync *corosync, const void *bytes, size_t len);

#endif
