// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dataconn - the opening of one data connection.
 *
 * Not a byte more than the ANSWER is read: what follows is the module's.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/dataconn.h"

struct hello_frame {
	struct r2net_hdr hdr;
	struct r2net_hello hello;
};

struct welcome_frame {
	struct r2net_hdr hdr;
	struct r2net_result result;
	struct r2net_welcome welcome;
};

#define REFUSAL_LEN offsetof(struct welcome_frame, welcome)

struct dataconn {
	uv_poll_t poll;
	uv_timer_t timer;
	int handles; /* still open */
	int fd;
	int failed; /* at once, told by the timer */
	dataconn_done_fn done;
	void *ctx;
	struct hello_frame hello;
	struct welcome_frame welcome;
	size_t got; /* bytes of it */
};

static void on_closed(uv_handle_t *handle)
{
	struct dataconn *conn = handle->data;

	if (!--conn->handles)
		free(conn);
}

static void close_handles(struct dataconn *conn)
{
	uv_close((uv_handle_t *)&conn->timer, on_closed);
	if (conn->handles == 2)
		uv_close((uv_handle_t *)&conn->poll, on_closed);
}

static void finish(struct dataconn *conn, int error, const char *why)
{
	struct dataconn_result result = { .fd = -1, .error = error, .why = why };

	close_handles(conn);
	if (error) {
		if (conn->fd >= 0)
			close(conn->fd);
	} else {
		result.fd = conn->fd;
		result.window = le16_to_cpu(conn->welcome.welcome.window);
		result.lender_instance = le64_to_cpu(conn->welcome.welcome.lender_instance);
	}
	conn->done(conn->ctx, &result);
}

static void judge(struct dataconn *conn)
{
	const struct r2net_welcome *welcome = &conn->welcome.welcome;
	uint32_t window = le16_to_cpu(welcome->window);

	if (le16_to_cpu(welcome->version) != R2NET_VERSION || welcome->features || !welcome->lender_instance ||
	    !window || window > le16_to_cpu(conn->hello.hello.window))
		finish(conn, -EPROTO, "the lender's welcome is not acceptable");
	else
		finish(conn, 0, NULL);
}

/* The header and the result have arrived: the end, unless the welcome is to follow. */
static void judge_result(struct dataconn *conn)
{
	const __u32 expect = sizeof(struct r2net_welcome);
	const struct r2net_hdr *hdr = &conn->welcome.hdr;

	if (!r2net_answer_valid(hdr) || hdr->tag != conn->hello.hdr.tag ||
	    !r2net_results_valid(hdr, &conn->welcome.result, &expect, 1)) {
		finish(conn, -EPROTO, "what answers there is no lender");
		return;
	}
	switch (le32_to_cpu(conn->welcome.result.status)) {
	case R2NET_OK:
		return;
	case R2NET_EPERM:
		finish(conn, -EPERM, "the lender does not know the token");
		break;
	case R2NET_EAGAIN:
		finish(conn, -ECONNREFUSED, "the lender has too many connections");
		break;
	default:
		finish(conn, -ECONNREFUSED, "the lender refused: version, node numbers or connection number");
		break;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dataconn *conn = poll->data;
	size_t want = conn->got < REFUSAL_LEN ? REFUSAL_LEN : sizeof(conn->welcome);
	ssize_t len;

	len = recv(conn->fd, (char *)&conn->welcome + conn->got, want - conn->got, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		int err = len ? errno : ECONNRESET;

		finish(conn, -err, len ? strerror(err) : "the lender closed the connection at HELLO");
		return;
	}
	conn->got += len;
	if (conn->got == REFUSAL_LEN)
		judge_result(conn);
	else if (conn->got == sizeof(conn->welcome))
		judge(conn);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct dataconn *conn = poll->data;
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err && send(conn->fd, &conn->hello, sizeof(conn->hello), MSG_NOSIGNAL) != sizeof(conn->hello))
		err = errno;
	if (!err)
		err = -uv_poll_start(poll, UV_READABLE, on_readable);
	if (err)
		finish(conn, -err, strerror(err));
}

static void on_timer(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	if (conn->failed)
		finish(conn, -conn->failed, strerror(conn->failed));
	else
		finish(conn, -ETIMEDOUT, "no answer within 3 s");
}

/* Returns 0, or errno. */
static int dial(struct dataconn *conn, uv_loop_t *loop, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	struct sockaddr_in source = *from;
	int one = 1, ret;

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conn->fd < 0)
		return errno;
	source.sin_port = 0;
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(conn->fd, (struct sockaddr *)&source, sizeof(source)) ||
	    (connect(conn->fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS))
		return errno;
	ret = uv_poll_init(loop, &conn->poll, conn->fd);
	if (ret)
		return -ret;
	conn->poll.data = conn;
	conn->handles++;
	return -uv_poll_start(&conn->poll, UV_WRITABLE, on_connected);
}

struct dataconn *dataconn_open(uv_loop_t *loop, const struct sockaddr_in *from, const struct sockaddr_in *to,
			       const struct r2net_hello *hello, dataconn_done_fn done, void *ctx)
{
	struct dataconn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->done = done;
	conn->ctx = ctx;
	conn->hello.hello = *hello;
	conn->hello.hdr = (struct r2net_hdr){
		.magic = cpu_to_le32(R2NET_MAGIC),
		.version = R2NET_VERSION,
		.type = R2NET_HELLO,
		.length = cpu_to_le32(sizeof(*hello)),
		.tag = cpu_to_le64(le32_to_cpu(hello->conn)),
	};
	uv_timer_init(loop, &conn->timer);
	conn->timer.data = conn;
	conn->handles = 1;
	conn->failed = dial(conn, loop, from, to);
	uv_timer_start(&conn->timer, on_timer, conn->failed ? 0 : DATACONN_DEADLINE_MS, 0);
	return conn;
}

void dataconn_abandon(struct dataconn *conn)
{
	if (!conn)
		return;
	close_handles(conn);
	if (conn->fd >= 0)
		close(conn->fd);
}
