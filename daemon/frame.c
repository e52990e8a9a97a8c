// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * frame - messages on a byte stream.
 *
 * The reader's buffer holds what arrived and is not yet consumed; it never grows past one message of the
 * limit and one read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/frame.h"

void frame_header(uint8_t header[FRAME_HEADER], uint32_t len)
{
	len = htonl(len);
	memcpy(header, &len, FRAME_HEADER);
}

int frame_push(struct frame_reader *reader, const uint8_t *bytes, size_t len)
{
	uint8_t *grown;

	if (reader->head) {
		memmove(reader->bytes, reader->bytes + reader->head, reader->len);
		reader->head = 0;
	}
	if (reader->len + len > reader->cap) {
		grown = realloc(reader->bytes, reader->len + len);
		if (!grown)
			return -ENOMEM;
		reader->bytes = grown;
		reader->cap = reader->len + len;
	}
	memcpy(reader->bytes + reader->len, bytes, len);
	reader->len += len;
	return 0;
}

int64_t frame_next(struct frame_reader *reader, const uint8_t **message)
{
	uint32_t len;

	if (reader->len < FRAME_HEADER)
		return 0;
	memcpy(&len, reader->bytes + reader->head, FRAME_HEADER);
	len = ntohl(len);
	if (!len || len > reader->limit)
		return -EBADMSG;
	if (reader->len < FRAME_HEADER + len)
		return 0;
	*message = reader->bytes + reader->head + FRAME_HEADER;
	reader->head += FRAME_HEADER + len;
	reader->len -= FRAME_HEADER + len;
	return len;
}

void frame_free(struct frame_reader *reader)
{
	free(reader->bytes);
	*reader = (struct frame_reader){ .limit = reader->limit };
}
