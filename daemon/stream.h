/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream - sending on a stream of libuv, with a bounded queue. */
#ifndef _RAMSTER_STREAM_H
#define _RAMSTER_STREAM_H

#include <stddef.h>
#include <uv.h>

#define STREAM_QUEUE_MAX (4U << 20) /* bytes that may wait to be sent: whoever reads slower is cut off */

/**
 * stream_send - send a copy of bytes
 *
 * On the loop's thread. A failure that comes later ends the stream's reading, too, and is told there. Returns 0, -ENOBUFS
 * if STREAM_QUEUE_MAX would be passed, -ENOMEM, or libuv's -errno.
 */
int stream_send(uv_stream_t *stream, const void *bytes, size_t len);

#endif
