/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport - a byte stream to another process, behind a small table, so that control connections do not know what
 * carries them. All calls and events are on the loop's thread.
 */
#ifndef _RAMSTER_TRANSPORT_H
#define _RAMSTER_TRANSPORT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct auth;
struct transport;

/* How a transport comes to its end. */
enum transport_end {
	TRANSPORT_LOST, /* failed, or closed by the other side */
	TRANSPORT_UNPROVEN, /* the other side did not prove to be a node of the cluster */
};

/* transport_ops.close() may be called from any of them. */
struct transport_events {
	void (*opened)(void *ctx); /* of connect(): the other side has proven who it is, and bytes can be sent now */
	void (*received)(void *ctx, const uint8_t *bytes, size_t len);
	void (*sent)(void *ctx); /* of a unix socket, or NULL: all that was sent has left */
	void (*ended)(void *ctx, const char *why, enum transport_end end); /* close() is still due */
};

/* What a connection leads to. */
struct transport_target {
	struct sockaddr_in from; /* the port is ignored */
	struct sockaddr_in to;
	const struct auth *auth; /* what to prove; has to live as long as the transport. NULL: nothing */
	unsigned int node; /* who has to be there, if something is to be proven */
};

struct transport_ops {
	const char *name;
	/* Returns NULL and sets *error to -errno if it fails at once; later failures come as ended(). */
	struct transport *(*connect)(uv_loop_t *loop, const struct transport_target *target,
				     const struct transport_events *events, void *ctx, int *error);
	/*
	 * Takes the connection that waits at a listener, open; NULL if it cannot be had. Nothing is received before the
	 * other side has proven what @auth (as in transport_target) asks for.
	 */
	struct transport *(*accept)(uv_stream_t *listener, const struct auth *auth,
				    const struct transport_events *events, void *ctx);
	/* Sends a copy of the bytes. Returns 0, or -errno: the transport is useless then. */
	int (*send)(struct transport *transport, const void *bytes, size_t len);
	/* Who is at the other end, for messages; *address is set to its IPv4 address, or 0 if it has none. */
	void (*remote)(struct transport *transport, struct in_addr *address);
	/* Of a unix socket its descriptor, by which the kernel tells who is at the other end; else -1. */
	int (*socket)(struct transport *transport);
	/* The node that the other end has proven to be, and the id of the key; -1 and NULL where nothing is proven. */
	int (*node)(struct transport *transport);
	const char *(*key)(struct transport *transport);
	/* No event comes after this. What was sent is still delivered if the socket takes it at once. */
	void (*close)(struct transport *transport);
};

extern const struct transport_ops transport_tcp;
extern const struct transport_ops transport_tls; /* over TCP; transport_tls.c */
extern const struct transport_ops transport_unix; /* accept() only */

#endif
