// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport_tls - TLS over TCP, by libuv.
 *
 * Who connects offers its newest key. If the other side does not know that one yet, the same transport connects anew
 * and offers the older one: while a new key file goes from node to node, either side may have it first.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/stream.h"
#include "daemon/tls.h"
#include "daemon/transport.h"

struct transport {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct stream_queue queue;
	const struct transport_events *events; /* NULL once closed */
	void *ctx;
	const struct auth *auth;
	struct transport_target target; /* of connect() */
	bool connects;
	unsigned int offered; /* which of our keys; of connect() */
	struct tls *tls; /* of accept(): NULL until the first byte came, as most who only knock never send any */
	bool open; /* the handshake is over */
	bool again; /* being closed in order to connect anew */
};

/* One read of one transport at a time, and nothing of it is kept. */
static uint8_t cipher[16384], plain[TLS_RECORD_MAX];

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	*buf = uv_buf_init((char *)cipher, sizeof(cipher));
}

static void end(struct transport *t, const char *why, enum transport_end how)
{
	uv_read_stop((uv_stream_t *)&t->tcp);
	t->events->ended(t->ctx, why, how);
}

/* ---- Sending ---- */

static int send_cipher(void *ctx, const void *bytes, size_t len)
{
	struct transport *t = ctx;

	return stream_send((uv_stream_t *)&t->tcp, &t->queue, bytes, len);
}

static int tls_send(struct transport *t, const void *bytes, size_t len)
{
	return t->open ? tls_write(t->tls, bytes, len) : -ENOTCONN;
}

/* ---- Receiving ---- */

static void on_closed(uv_handle_t *handle);

/* Returns whether the handshake is over and the transport is still there. */
static bool shake_hands(struct transport *t)
{
	int ret = tls_handshake(t->tls);

	if (ret == -EAGAIN)
		return false;
	if (ret && tls_key_unknown(t->tls) && t->offered + 1 < t->auth->keys.len) {
		t->again = true;
		uv_close((uv_handle_t *)&t->tcp, on_closed);
		return false;
	}
	if (ret) {
		end(t, tls_why(t->tls), TRANSPORT_UNPROVEN);
		return false;
	}
	t->open = true;
	if (t->connects)
		t->events->opened(t->ctx);
	return t->events;
}

static void hand_over(struct transport *t)
{
	ssize_t len;

	while (t->events) {
		len = tls_read(t->tls, plain);
		if (len == -EAGAIN)
			return;
		if (len > 0)
			t->events->received(t->ctx, plain, len);
		else
			end(t, len ? tls_why(t->tls) : "closed by the other side", TRANSPORT_LOST);
		if (len <= 0)
			return;
	}
}

static void on_lost(struct transport *t, int error)
{
	if (!t->open && t->connects && error == UV_EOF)
		end(t, "closed by the other side before it proved who it is (authkey = off there?)",
		    TRANSPORT_UNPROVEN);
	else
		end(t, error == UV_EOF ? "closed by the other side" : uv_strerror(error), TRANSPORT_LOST);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct transport *t = stream->data;

	if (!t->events || t->again || !len)
		return;
	if (len < 0) {
		on_lost(t, len);
		return;
	}
	if (!t->tls)
		t->tls = tls_accept(t->auth, send_cipher, t);
	if (!t->tls) {
		end(t, "out of memory", TRANSPORT_LOST);
		return;
	}
	tls_input(t->tls, cipher, len);
	if (t->open || shake_hands(t))
		hand_over(t);
}

/* ---- Begin and end ---- */

static void on_connect(uv_connect_t *request, int status)
{
	struct transport *t = request->data;

	if (!t->events)
		return;
	if (!status)
		status = uv_read_start((uv_stream_t *)&t->tcp, give_buffer, on_read);
	if (!status && t->offered >= t->auth->keys.len)
		t->offered = 0; /* the file was read again meanwhile */
	if (!status)
		t->tls = tls_connect(t->auth, t->target.node, t->offered, send_cipher, t);
	if (status)
		end(t, uv_strerror(status), TRANSPORT_LOST);
	else if (!t->tls)
		end(t, "out of memory", TRANSPORT_LOST);
	else
		shake_hands(t);
}

/* Returns 0, or -errno; the handle is to be closed in either case. */
static int dial(struct transport *t)
{
	struct sockaddr_in source = t->target.from;
	int ret;

	source.sin_port = 0;
	ret = uv_tcp_bind(&t->tcp, (struct sockaddr *)&source, 0);
	if (!ret)
		ret = uv_tcp_connect(&t->connect, &t->tcp, (const struct sockaddr *)&t->target.to, on_connect);
	if (!ret)
		uv_tcp_nodelay(&t->tcp, 1);
	return ret;
}

static void connect_again(struct transport *t)
{
	uv_loop_t *loop = t->tcp.loop;
	int ret;

	t->again = false;
	t->offered++;
	uv_tcp_init(loop, &t->tcp); /* cannot fail: it makes no socket */
	t->tcp.data = t;
	ret = dial(t);
	if (ret)
		t->events->ended(t->ctx, uv_strerror(ret), TRANSPORT_LOST);
}

static void on_closed(uv_handle_t *handle)
{
	struct transport *t = handle->data;

	tls_free(t->tls);
	t->tls = NULL;
	if (t->events)
		connect_again(t);
	else
		free(t);
}

static void tls_close(struct transport *t)
{
	t->events = NULL;
	if (t->open)
		tls_bye(t->tls);
	if (!t->again)
		uv_close((uv_handle_t *)&t->tcp, on_closed);
}

static struct transport *transport_new(uv_loop_t *loop, const struct auth *auth, const struct transport_events *events,
				       void *ctx)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->events = events;
	t->ctx = ctx;
	t->auth = auth;
	t->connect.data = t;
	if (uv_tcp_init(loop, &t->tcp)) {
		free(t);
		return NULL;
	}
	t->tcp.data = t;
	return t;
}

static struct transport *tls_dial(uv_loop_t *loop, const struct transport_target *target,
				  const struct transport_events *events, void *ctx, int *error)
{
	struct transport *t = transport_new(loop, target->auth, events, ctx);

	*error = -ENOMEM;
	if (!t)
		return NULL;
	t->connects = true;
	t->target = *target;
	*error = dial(t);
	if (!*error)
		return t;
	tls_close(t);
	return NULL;
}

static struct transport *tls_take(uv_stream_t *listener, const struct auth *auth, const struct transport_events *events,
				  void *ctx)
{
	struct transport *t = transport_new(listener->loop, auth, events, ctx);

	if (!t)
		return NULL;
	if (uv_accept(listener, (uv_stream_t *)&t->tcp) ||
	    uv_read_start((uv_stream_t *)&t->tcp, give_buffer, on_read)) {
		tls_close(t);
		return NULL;
	}
	uv_tcp_nodelay(&t->tcp, 1);
	return t;
}

static void remote(struct transport *t, struct in_addr *address)
{
	struct sockaddr_in sin = { 0 };
	int len = sizeof(sin);

	uv_tcp_getpeername(&t->tcp, (struct sockaddr *)&sin, &len);
	*address = sin.sin_addr;
}

static int no_socket(struct transport *t)
{
	return -1;
}

static int node(struct transport *t)
{
	return t->open ? (int)tls_node(t->tls) : -1;
}

static const char *key(struct transport *t)
{
	return t->open ? tls_key(t->tls) : NULL;
}

const struct transport_ops transport_tls = {
	.name = "tls",
	.connect = tls_dial,
	.accept = tls_take,
	.send = tls_send,
	.remote = remote,
	.socket = no_socket,
	.node = node,
	.key = key,
	.close = tls_close,
};
