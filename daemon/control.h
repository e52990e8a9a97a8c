/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control - a connection that carries Messages of ramster.proto: framing, packing and their checks. All calls and events
 * are on the loop's thread.
 */
#ifndef _RAMSTER_CONTROL_H
#define _RAMSTER_CONTROL_H

#include <netinet/in.h>
#include <stdint.h>

#include "proto/ramster.pb-c.h"
#include "daemon/transport.h"

#define CONTROL_PROTOCOL 1U

struct control;

/* How a connection comes to its end. */
enum control_end {
	CONTROL_LOST, /* failed, or closed by the other side */
	CONTROL_UNPROVEN, /* the other side did not prove to be a node of the cluster */
	CONTROL_MALFORMED, /* it sent what is no message */
};

/* control_close() may be called from any of them. */
struct control_events {
	void (*opened)(void *ctx); /* of control_connect() */
	void (*message)(void *ctx, const Ramster__Message *message); /* valid during the call; has a body */
	void (*sent)(void *ctx); /* of a unix socket, or NULL: all messages that were sent have left */
	void (*ended)(void *ctx, const char *why, enum control_end end); /* control_close() is still due */
};

/**
 * control_connect - connect to another daemon
 * @error: set to -errno when NULL is returned
 */
struct control *control_connect(const struct transport_ops *ops, uv_loop_t *loop, const struct transport_target *target,
				const struct control_events *events, void *ctx, int *error);

/**
 * control_accept - take the connection that waits at a listener
 * @auth: what the other side has to prove, as in struct transport_target; or NULL
 * @limit: the longest message accepted, bytes
 *
 * Returns NULL if it is gone or memory is short.
 */
struct control *control_accept(const struct transport_ops *ops, uv_stream_t *listener, const struct auth *auth,
			       uint32_t limit, const struct control_events *events, void *ctx);

/* Lets others hear the events from now on. */
void control_hand_over(struct control *control, const struct control_events *events, void *ctx);

/**
 * control_send - pack and send a message
 *
 * Returns 0, or -errno; the connection is then of no more use to the caller.
 */
int control_send(struct control *control, const Ramster__Message *message);

/* Sends Refuse with this reason, as far as that is possible; control_close() is still due. */
void control_refuse(struct control *control, const char *reason);

/* The same, because whoever asks may not. */
void control_deny(struct control *control, const char *reason);

/* The other side's IPv4 address, or 0. */
struct in_addr control_remote(struct control *control);

/* Of a unix socket its descriptor, for access.h; else -1. */
int control_socket(struct control *control);

/* The node that the other end has proven to be, and the id of the key; -1 and NULL where nothing is proven. */
int control_node(struct control *control);
const char *control_key(struct control *control);

/* Ends it; no event comes afterwards. NULL is fine. */
void control_close(struct control *control);

#endif
