/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame - messages on a byte stream: 4 bytes of length, big endian, then that many bytes. Pure.
 */
#ifndef _RAMSTER_FRAME_H
#define _RAMSTER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER 4
#define FRAME_LIMIT_PEER (64U << 10) /* bytes of a message between daemons */
#define FRAME_LIMIT_TOOL (1U << 20) /* bytes of a message to the tool */

/* Zero-initialised but for @limit. @bytes is owned by the reader. */
struct frame_reader {
	uint32_t limit; /* the longest message accepted */
	uint8_t *bytes;
	size_t head, len, cap; /* unread: len bytes from head on */
};

/**
 * frame_header - write the header of a message of @len bytes, 1 ... 2^32 - 1
 */
void frame_header(uint8_t header[FRAME_HEADER], uint32_t len);

/**
 * frame_push - append bytes that arrived
 *
 * Returns 0, or -ENOMEM.
 */
int frame_push(struct frame_reader *reader, const uint8_t *bytes, size_t len);

/**
 * frame_next - the next whole message
 * @message: set to its bytes, valid until the next call on this reader
 *
 * Returns its length, 0 if more bytes are needed, or -EBADMSG: the length is 0 or over the limit, and the stream
 * cannot be read any further.
 */
int64_t frame_next(struct frame_reader *reader, const uint8_t **message);

/* Frees the reader's memory. */
void frame_free(struct frame_reader *reader);

#endif
