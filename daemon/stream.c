// SPDX-License-Identifier: GPL-2.0-or-later
/* stream - see stream.h. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stream.h"

struct write {
	uv_write_t request;
	uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
	free(request->data);
}

int stream_send(uv_stream_t *stream, const void *bytes, size_t len)
{
	struct write *w;
	uv_buf_t buf;
	int ret;

	if (uv_stream_get_write_queue_size(stream) + len > STREAM_QUEUE_MAX)
		return -ENOBUFS;
	w = malloc(sizeof(*w) + len);
	if (!w)
		return -ENOMEM;
	memcpy(w->bytes, bytes, len);
	w->request.data = w;
	buf = uv_buf_init((char *)w->bytes, len);
	ret = uv_write(&w->request, stream, &buf, 1, on_written);
	if (ret)
		free(w);
	return ret;
}
