// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport - plain TCP and unix sockets by libuv.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/stream.h"
#include "daemon/transport.h"

struct transport {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	uv_connect_t connect;
	struct stream_queue queue;
	const struct transport_events *events; /* NULL once closed */
	void *ctx;
	uint8_t buffer[16384];
};

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct transport *t = handle->data;

	*buf = uv_buf_init((char *)t->buffer, sizeof(t->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct transport *t = stream->data;

	if (!t->events || !len)
		return;
	if (len > 0) {
		t->events->received(t->ctx, t->buffer, len);
		return;
	}
	uv_read_stop(stream);
	t->events->ended(t->ctx, len == UV_EOF ? "closed by the other side" : uv_strerror(len), TRANSPORT_LOST);
}

static void on_connect(uv_connect_t *request, int status)
{
	struct transport *t = request->data;

	if (!t->events)
		return;
	if (!status)
		status = uv_read_start(&t->stream, give_buffer, on_read);
	if (status)
		t->events->ended(t->ctx, uv_strerror(status), TRANSPORT_LOST);
	else
		t->events->opened(t->ctx);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void transport_close(struct transport *t)
{
	t->events = NULL;
	uv_close(&t->handle, on_closed);
}

static struct transport *transport_new(const struct transport_events *events, void *ctx)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->events = events;
	t->ctx = ctx;
	t->connect.data = t;
	return t;
}

static struct transport *tcp_connect(uv_loop_t *loop, const struct transport_target *target,
				     const struct transport_events *events, void *ctx, int *error)
{
	struct transport *t = transport_new(events, ctx);
	struct sockaddr_in source = target->from;

	*error = -ENOMEM;
	if (!t)
		return NULL;
	*error = uv_tcp_init(loop, &t->tcp);
	if (*error) {
		free(t);
		return NULL;
	}
	t->handle.data = t;
	source.sin_port = 0;
	*error = uv_tcp_bind(&t->tcp, (struct sockaddr *)&source, 0);
	if (!*error)
		*error = uv_tcp_connect(&t->connect, &t->tcp, (const struct sockaddr *)&target->to, on_connect);
	if (*error) {
		transport_close(t);
		return NULL;
	}
	uv_tcp_nodelay(&t->tcp, 1);
	return t;
}

/* The rest of accept(), for a transport whose handle is initialised. */
static struct transport *take(uv_stream_t *listener, struct transport *t)
{
	t->handle.data = t;
	if (uv_accept(listener, &t->stream) || uv_read_start(&t->stream, give_buffer, on_read)) {
		transport_close(t);
		return NULL;
	}
	return t;
}

static struct transport *tcp_accept(uv_stream_t *listener, const struct auth *auth,
				    const struct transport_events *events, void *ctx)
{
	struct transport *t = transport_new(events, ctx);

	if (!t)
		return NULL;
	if (uv_tcp_init(listener->loop, &t->tcp)) {
		free(t);
		return NULL;
	}
	t = take(listener, t);
	if (t)
		uv_tcp_nodelay(&t->tcp, 1);
	return t;
}

static void on_emptied(uv_stream_t *stream)
{
	struct transport *t = stream->data;

	if (t->events && t->events->sent)
		t->events->sent(t->ctx);
}

static struct transport *unix_accept(uv_stream_t *listener, const struct auth *auth,
				     const struct transport_events *events, void *ctx)
{
	struct transport *t = transport_new(events, ctx);

	if (!t)
		return NULL;
	t->queue.emptied = on_emptied;
	if (uv_pipe_init(listener->loop, &t->pipe, 0)) {
		free(t);
		return NULL;
	}
	return take(listener, t);
}

static int transport_send(struct transport *t, const void *bytes, size_t len)
{
	return stream_send(&t->stream, &t->queue, bytes, len);
}

static void tcp_remote(struct transport *t, struct in_addr *address)
{
	struct sockaddr_in sin = { 0 };
	int len = sizeof(sin);

	uv_tcp_getpeername(&t->tcp, (struct sockaddr *)&sin, &len);
	*address = sin.sin_addr;
}

static void unix_remote(struct transport *t, struct in_addr *address)
{
	address->s_addr = 0;
}

static int no_socket(struct transport *t)
{
	return -1;
}

static int unix_socket(struct transport *t)
{
	uv_os_fd_t fd;

	return uv_fileno(&t->handle, &fd) ? -1 : fd;
}

static int no_node(struct transport *t)
{
	return -1;
}

static const char *no_key(struct transport *t)
{
	return NULL;
}

const struct transport_ops transport_tcp = {
	.name = "tcp",
	.connect = tcp_connect,
	.accept = tcp_accept,
	.send = transport_send,
	.remote = tcp_remote,
	.socket = no_socket,
	.node = no_node,
	.key = no_key,
	.close = transport_close,
};

const struct transport_ops transport_unix = {
	.name = "unix",
	.accept = unix_accept,
	.send = transport_send,
	.remote = unix_remote,
	.socket = unix_socket,
	.node = no_node,
	.key = no_key,
	.close = transport_close,
};
