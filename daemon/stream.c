// SPDX-License-Identifier: GPL-2.0-or-later
/* stream - see stream.h. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stream.h"

struct write {
	uv_write_t request;
	struct stream_queue *queue;
	size_t size; /* of all this */
	uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
	struct write *w = request->data;
	struct stream_queue *queue = w->queue;
	uv_stream_t *stream = request->handle;

	queue->bytes -= w->size;
	free(w);
	if (!status && !queue->bytes && queue->emptied)
		queue->emptied(stream);
}

int stream_send(uv_stream_t *stream, struct stream_queue *queue, const void *bytes, size_t len)
{
	size_t size = sizeof(struct write) + len;
	struct write *w;
	uv_buf_t buf;
	int ret;

	if (queue->bytes + size > STREAM_QUEUE_MAX)
		return -ENOBUFS;
	w = malloc(size);
	if (!w)
		return -ENOMEM;
	w->queue = queue;
	w->size = size;
	memcpy(w->bytes, bytes, len);
	w->request.data = w;
	buf = uv_buf_init((char *)w->bytes, len);
	ret = uv_write(&w->request, stream, &buf, 1, on_written);
	if (ret)
		free(w);
	else
		queue->bytes += size;
	return ret;
}
