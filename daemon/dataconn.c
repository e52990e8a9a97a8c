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
#include "daemon/proof.h"

/* What comes from the lender: first a CHALLENGE, or an ANSWER that refuses, and then an ANSWER. */
struct incoming {
	struct r2net_hdr hdr;
	union {
		struct r2net_challenge challenge;
		struct {
			struct r2net_result result;
			struct r2net_welcome welcome; /* if the result is R2NET_OK */
		};
	};
};

#define HEADER_LEN sizeof(struct r2net_hdr)
#define CHALLENGE_LEN (HEADER_LEN + sizeof(struct r2net_challenge))
#define REFUSAL_LEN (HEADER_LEN + sizeof(struct r2net_result))
#define ANSWER_LEN (REFUSAL_LEN + sizeof(struct r2net_welcome))
_Static_assert(sizeof(struct incoming) == ANSWER_LEN, "no padding");

struct dataconn {
	uv_poll_t poll;
	uv_timer_t timer;
	int handles; /* still open */
	int fd;
	int failed; /* at once, told by the timer */
	dataconn_done_fn done;
	void *ctx;
	uint8_t token[R2NET_TOKEN_LEN];
	struct proof_said said;
	bool challenged; /* CHALLENGE was answered */
	struct incoming in;
	size_t got, want; /* bytes of @in */
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
		result.window = le16_to_cpu(conn->in.welcome.window);
		result.lender_instance = le64_to_cpu(conn->in.welcome.lender_instance);
	}
	explicit_bzero(conn->token, sizeof(conn->token));
	conn->done(conn->ctx, &result);
}

static __le64 tag(const struct dataconn *conn)
{
	return cpu_to_le64(le32_to_cpu(conn->said.hello.conn));
}

/* Sends a frame of the opening. Returns 0, or errno. */
static int put(struct dataconn *conn, enum r2net_type type, const void *payload, size_t len)
{
	struct {
		struct r2net_hdr hdr;
		uint8_t payload[sizeof(struct r2net_hello)];
	} frame = {
		.hdr = { .magic = cpu_to_le32(R2NET_MAGIC),
			 .version = R2NET_VERSION,
			 .type = type,
			 .length = cpu_to_le32(len),
			 .tag = tag(conn) },
	};

	memcpy(frame.payload, payload, len);
	len += sizeof(frame.hdr);
	return send(conn->fd, &frame, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : errno;
}

/* The lender's proof comes before anything that it says is believed. */
static void judge_welcome(struct dataconn *conn)
{
	const struct r2net_welcome *welcome = &conn->in.welcome;
	uint32_t window = le16_to_cpu(welcome->window);
	uint8_t proof[R2NET_PROOF_LEN];

	proof_of_lender(conn->token, &conn->said, welcome, proof);
	if (!proof_equal(proof, welcome->proof))
		finish(conn, -EPROTO, "what answers there does not prove to be the lender");
	else if (le16_to_cpu(welcome->version) != R2NET_VERSION || welcome->features || !welcome->lender_instance ||
		 !window || window > le16_to_cpu(conn->said.hello.window))
		finish(conn, -EPROTO, "the lender's welcome is not acceptable");
	else
		finish(conn, 0, NULL);
}

/* Header and result of an ANSWER have arrived: the end, unless the welcome is to follow. */
static void judge_result(struct dataconn *conn)
{
	const __u32 welcome = sizeof(struct r2net_welcome);
	uint32_t status = le32_to_cpu(conn->in.result.status);

	if (!r2net_results_valid(&conn->in.hdr, &conn->in.result, &welcome, 1) ||
	    (status == R2NET_OK && !conn->challenged)) {
		finish(conn, -EPROTO, "what answers there is no lender");
		return;
	}
	switch (status) {
	case R2NET_OK:
		conn->want = ANSWER_LEN;
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

static void judge_header(struct dataconn *conn)
{
	const struct r2net_hdr *hdr = &conn->in.hdr;

	if (hdr->tag == tag(conn) && !conn->challenged && r2net_opening_valid(hdr, R2NET_CHALLENGE))
		conn->want = CHALLENGE_LEN;
	else if (hdr->tag == tag(conn) && r2net_answer_valid(hdr))
		conn->want = REFUSAL_LEN;
	else
		finish(conn, -EPROTO, "what answers there is no lender");
}

static void prove(struct dataconn *conn)
{
	struct r2net_proof proof = { 0 };
	int err;

	conn->said.challenge = conn->in.challenge;
	conn->challenged = true;
	conn->got = 0;
	conn->want = HEADER_LEN;
	proof_of_owner(conn->token, &conn->said, proof.proof);
	err = put(conn, R2NET_PROOF, &proof, sizeof(proof));
	if (err)
		finish(conn, -err, strerror(err));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dataconn *conn = poll->data;
	ssize_t len;

	len = recv(conn->fd, (char *)&conn->in + conn->got, conn->want - conn->got, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		int err = len ? errno : ECONNRESET;

		finish(conn, -err, len ? strerror(err) : "the lender closed the connection at HELLO");
		return;
	}
	conn->got += len;
	if (conn->got < conn->want)
		return;
	if (conn->got == HEADER_LEN)
		judge_header(conn);
	else if (conn->got == REFUSAL_LEN)
		judge_result(conn);
	else if (conn->got == ANSWER_LEN)
		judge_welcome(conn);
	else
		prove(conn);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct dataconn *conn = poll->data;
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err)
		err = put(conn, R2NET_HELLO, &conn->said.hello, sizeof(conn->said.hello));
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
			       const struct r2net_hello *hello, const uint8_t *token, dataconn_done_fn done, void *ctx)
{
	struct dataconn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->done = done;
	conn->ctx = ctx;
	conn->said.hello = *hello;
	memcpy(conn->token, token, sizeof(conn->token));
	conn->want = HEADER_LEN;
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
	explicit_bzero(conn->token, sizeof(conn->token));
	close_handles(conn);
	if (conn->fd >= 0)
		close(conn->fd);
}
