/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ramsterd - what the parts of the daemon share. There is one thread: everything here belongs to the loop's.
 */
#ifndef _RAMSTER_RAMSTERD_H
#define _RAMSTER_RAMSTERD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/auth.h"
#include "daemon/conf.h"
#include "daemon/giveback.h"
#include "daemon/kernel.h"
#include "daemon/number.h"
#include "daemon/repatriate.h"
#include "daemon/sidedoor.h"
#include "daemon/transport.h"
#include "daemon/watch.h"

struct donor;
struct lend;
struct lent_group;
struct listener;
struct membership_ops;
struct owners;
struct peer;
struct revoke;
struct roll;
struct tool;

struct ramsterd {
	uv_loop_t *loop;
	uv_timer_t tick; /* each second, or sooner */
	bool soon; /* the tick is about to run */
	uint64_t started_ms; /* uv_now() */
	uv_signal_t signals[3];
	const char *conf_path;
	char drain_path[128]; /* a file that is there while this node is drained; gone after a boot */
	const char *node_name; /* by which the local node is found; NULL: the host's name */
	struct conf *conf; /* in force; replaced whole at a reload, and when settings are changed */
	struct conf *loaded; /* as cluster.conf was read last */
	const struct conf_node *self; /* in @conf */
	struct kernel *kernel;
	int kernel_error; /* of the last reading, 0 or -errno */
	struct kernel_view view; /* of the last tick; view.instance is 0 without the module */
	const char *refused_setting; /* of @conf, that the module does not take; NULL: there is none */
	struct sidedoor *door;
	const struct membership_ops *membership;
	struct auth *auth; /* what control connections have to prove; NULL: nothing (authkey = off) */
	struct roll *roll; /* membership_corosync.c's own; NULL with another membership */
	struct peer *peers[R2NET_MAX_NODES]; /* by node number; NULL: not in @conf, or the local node */
	struct lend *lend; /* what this node lends */
	struct lent_group *lent_group; /* by what the module knows it */
	struct donor *donor; /* to whom */
	struct revoke *revoke; /* who has to give back */
	struct owners *owners; /* what they have had, and may have at a time */
	struct listener *listener;
	struct tool *tool;
	struct repatriate repatriate;
	struct watch watch;
	bool evict; /* giveback.c: all pages are to come home */
	struct kept kept[R2NET_MAX_NODES]; /* giveback.c, by node */
	unsigned int spare_seconds; /* giveback.c: for how long there has been too much remote space */
	uint64_t spare_ms; /* of its last second */
	struct number numbers; /* of data connections */
	uint64_t sessions; /* control connections that came up */
	uint64_t control_malformed; /* control connections ended by a malformed frame; since start */
	uint64_t control_refused; /* control connections refused by us; since start */
};

/* Runs the tick soon instead of at its next second. */
void ramsterd_tick_soon(struct ramsterd *d);

/* For what counts seconds: whether one has passed since the last that did, which is set to now then. @at_ms: 0 at first. */
bool ramsterd_second(const struct ramsterd *d, uint64_t *at_ms);

/* Reads the module's state and acts on its coming and going. */
void ramsterd_read_kernel(struct ramsterd *d);

/* A node's control port as an address. */
struct sockaddr_in ramsterd_address(const struct conf_node *node);

/* What carries control connections. */
const struct transport_ops *ramsterd_transport(const struct ramsterd *d);

/* Fills a buffer with random bytes. */
void ramsterd_random(void *bytes, size_t len);

#define for_each_peer(d, peer)                                                                                         \
	for (unsigned int peer##_i = 0; peer##_i < R2NET_MAX_NODES; peer##_i++)                                        \
		if ((peer = (d)->peers[peer##_i]))

#endif
