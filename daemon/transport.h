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

#define TRANSPORT_QUEUE_MAX (4U << 20) /* bytes that may wait to be sent: whoever reads slower is cut off */

struct transport;

/* transport_ops.close() may be called from any of them. */
struct transport_events {
	void (*opened)(void *ctx); /* of connect(): bytes can be sent now */
	void (*received)(void *ctx, const uint8_t *bytes, size_t len);
	void (*ended)(void *ctx, const char *why); /* failed or closed by the other side; close() is still due */
};

struct transport_ops {
	const char *name;
	/*
	 * Connects from one address (its port is ignored) to another. Returns NULL and sets *error to -errno if it
	 * fails at once; later failures come as ended().
	 */
	struct transport *(*connect)(uv_loop_t *loop, const struct sockaddr_in *from, const struct sockaddr_in *to,
				     const struct transport_events *events, void *ctx, int *error);
	/* Takes the connection that waits at a listener, open; NULL if it cannot be had. */
	struct transport *(*accept)(uv_stream_t *listener, const struct transport_events *events, void *ctx);
	/* Sends a copy of the bytes. Returns 0, or -errno: the transport is useless then. */
	int (*send)(struct transport *transport, const void *bytes, size_t len);
	/* Who is at the other end, for messages; *address is set to its IPv4 address, or 0 if it has none. */
	void (*remote)(struct transport *transport, struct in_addr *address);
	/* The user at the other end, or (uid_t)-1 if that is not known. */
	uid_t (*user)(struct transport *transport);
	/* No event comes after this. What was sent is still delivered if the socket takes it at once. */
	void (*close)(struct transport *transport);
};

extern const struct transport_ops transport_tcp;
extern const struct transport_ops transport_unix; /* accept() only */

#endif
