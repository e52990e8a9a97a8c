/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acceptor - listens on a stream of libuv, and takes one connection in each round of the loop: whoever connects without
 * end must not keep the loop from its timers and its other connections.
 */
#ifndef _RAMSTER_ACCEPTOR_H
#define _RAMSTER_ACCEPTOR_H

#include <stdbool.h>
#include <uv.h>

#define ACCEPTOR_RETRY_MS 100 /* after one that could not be taken */

struct acceptor;

/**
 * acceptor_new - listen
 * @stream: bound; it stays the caller's, but for its @data
 * @take: accepts the connection that waits at the stream, and may close it at once. Returns false if there was no memory
 *	  for it: it goes on waiting, and is tried again
 *
 * On the loop's thread, as @take. Returns NULL with *error set to -errno.
 */
struct acceptor *acceptor_new(uv_stream_t *stream, int backlog, bool (*take)(void *ctx), void *ctx, int *error);

/* No connection is taken any more; to be called before @stream is closed. NULL is fine. */
void acceptor_free(struct acceptor *acceptor);

#endif
