/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connection - one accepted socket of the data wire and the thread that serves it.
 *
 * The thread says HELLO, joins its owner, serves its role until the peer ends it, breaks the protocol or somebody shuts
 * it, and leaves. All I/O here blocks, with MSG_WAITALL and the socket's timeouts, so that whatever comes back short ends
 * the connection; it is of a few bytes, and the bulk goes by transfer.h. The structure lives on the thread's stack; others
 * reach it only under its owner's lock, between owner_join() and owner_leave().
 */
#ifndef _RAMSTER_LENDER_CONNECTION_H
#define _RAMSTER_LENDER_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proto/r2net.h"

#define CONNECTION_HELLO_MS 5000 /* for the whole opening, from HELLO to PROOF */
#define CONNECTION_FRAME_MS 30000 /* for the rest of a frame that has begun, and for sending an answer */

struct connection {
	int fd;
	const char *peer; /* address, for messages */
	uint32_t owner; /* node number; this and the next four are set by HELLO */
	uint64_t instance;
	uint32_t number; /* FENCE names it */
	enum r2net_role role;
	unsigned int frame_ms; /* for a transfer: CONNECTION_FRAME_MS; a test may have less patience */
	int wake; /* control: eventfd, readable when a connection of this owner has left; else -1 */
	struct connection *next; /* of this owner; under its lock */
	atomic_bool shut; /* no further request may be served */
	_Atomic uint32_t pinned[R2NET_MAX_ITEMS]; /* data: extents whose pins it has or is about to take; 0 is none */
};

/**
 * connection_start - serve a socket in a thread of its own
 * @fd: a connected stream socket; owned by the connection from here on
 * @address: of its other end
 *
 * When too many have not proven anything yet, the oldest of them is shut for it, or it is refused, closed and counted
 * (pending.h).
 */
void connection_start(int fd, const struct sockaddr_storage *address);

/**
 * connection_begin - wait, for as long as it takes, for the beginning of the next frame
 * @buffer: room for @length
 *
 * Returns how many bytes came at once, 1 ... @length, or 0 if the peer ended.
 */
size_t connection_begin(struct connection *conn, void *buffer, size_t length);

/**
 * connection_receive - the next bytes of a frame, all of them
 * @buffer: room for @length
 *
 * Returns false if the peer ended or CONNECTION_FRAME_MS passed first.
 */
bool connection_receive(struct connection *conn, void *buffer, size_t length);

/**
 * connection_receive_until - the same, by a time
 * @deadline_ms: of monotonic_ms()
 */
bool connection_receive_until(struct connection *conn, void *buffer, size_t length, uint64_t deadline_ms);

/**
 * connection_pause - wait for so long, or until the connection is shut or has failed
 *
 * Nothing is received meanwhile. Any lock or turn would be held.
 */
void connection_pause(struct connection *conn, uint64_t ns);

/**
 * connection_send - a whole frame, in one call
 *
 * Returns false if the peer ended or did not take it within CONNECTION_FRAME_MS.
 */
bool connection_send(struct connection *conn, struct iovec *iov, unsigned int count);

/**
 * connection_answer - the answer to a request of one item without payload
 * @tag: of the request, as received
 *
 * Returns as connection_send() does.
 */
bool connection_answer(struct connection *conn, __le64 tag, enum r2net_status status);

/**
 * connection_malformed - count and report a frame that ends this connection
 * @what: what was wrong with it
 *
 * Says nothing if the connection was shut from here: then frames are cut short as a matter of course.
 */
void connection_malformed(struct connection *conn, const char *what);

#endif
