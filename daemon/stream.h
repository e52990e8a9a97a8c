/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream - sending on a stream of libuv, with a bounded queue. */
#ifndef _RAMSTER_STREAM_H
#define _RAMSTER_STREAM_H

#include <stddef.h>
#include <uv.h>

#define STREAM_QUEUE_MAX (4U << 20) /* bytes that may wait to be sent: whoever reads slower is cut off */

/* What waits to be sent on a stream, zero-initialised but for @emptied; it has to live as long as the stream. */
struct stream_queue {
	size_t bytes; /* of memory */
	void (*emptied)(uv_stream_t *stream); /* all of it has left; or NULL */
};

/**
 * stream_send - send a copy of bytes
 *
 * On the loop's thread, as @queue's emptied(), which never comes from in here. A failure that comes later ends the
 * stream's reading, too, and is told there. Returns 0, -ENOBUFS if STREAM_QUEUE_MAX would be passed, -ENOMEM, or libuv's
 * -errno.
 */
int stream_send(uv_stream_t *stream, struct stream_queue *queue, const void *bytes, size_t len);

#endif
