// SPDX-License-Identifier: GPL-2.0-or-later
/* hello - see hello.h. */
#include <sys/eventfd.h>

#include "daemon/lender/hello.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"

static struct log_limit refused_limit = LOG_LIMIT(10, 1000);

/* Reads HELLO. Returns false if nothing can be answered. */
static bool receive(struct connection *conn, struct r2net_hdr *hdr, struct r2net_hello *hello)
{
	if (!connection_receive(conn, hdr, sizeof(*hdr))) {
		count_add(refused_hello, 1);
		log_limited(&refused_limit, LOG_WARNING, "%s: closed: it ended or sent no HELLO within %d s",
			    conn->peer, CONNECTION_HELLO_MS / 1000);
		return false;
	}
	if (!r2net_request_valid(hdr, 0)) {
		connection_malformed(conn, "the first frame is not a HELLO");
		return false;
	}
	if (!connection_receive(conn, hello, sizeof(*hello))) {
		connection_malformed(conn, "HELLO cut short");
		return false;
	}
	return true;
}

static const char *refusal(enum r2net_status status)
{
	switch (status) {
	case R2NET_EPERM:
		return "its token is not valid for this owner and instance";
	case R2NET_EAGAIN:
		return "too many connections";
	default:
		return "version, node numbers, role, window or connection number not acceptable";
	}
}

/* Checks a HELLO and joins the owner. */
static enum r2net_status join(struct connection *conn, const struct r2net_hello *hello)
{
	unsigned int role = le16_to_cpu(hello->role), window = le16_to_cpu(hello->window);

	conn->owner = le32_to_cpu(hello->owner);
	conn->instance = le64_to_cpu(hello->owner_instance);
	conn->number = le32_to_cpu(hello->conn);
	conn->role = role;
	if (le16_to_cpu(hello->version_min) > R2NET_VERSION || le16_to_cpu(hello->version_max) < R2NET_VERSION)
		return R2NET_EINVAL;
	if (conn->owner >= R2NET_MAX_NODES || le32_to_cpu(hello->donor) != self.node || !conn->instance)
		return R2NET_EINVAL;
	if (role != R2NET_ROLE_DATA && role != R2NET_ROLE_CONTROL)
		return R2NET_EINVAL;
	if (window < 1 || window > R2NET_MAX_WINDOW)
		return R2NET_EINVAL;
	if (role == R2NET_ROLE_CONTROL) {
		conn->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (conn->wake < 0)
			return R2NET_EAGAIN;
	}
	return owner_join(conn, hello->token);
}

static bool welcome(struct connection *conn, __le64 tag, __le16 window)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_result result;
		struct r2net_welcome welcome;
	} answer = {
		.hdr = { .magic = cpu_to_le32(R2NET_MAGIC),
			 .version = R2NET_VERSION,
			 .type = R2NET_ANSWER,
			 .items = cpu_to_le16(1),
			 .length = cpu_to_le32(sizeof(answer) - sizeof(answer.hdr)),
			 .tag = tag },
		.result = { .status = cpu_to_le32(R2NET_OK), .length = cpu_to_le32(sizeof(answer.welcome)) },
		.welcome = { .version = cpu_to_le16(R2NET_VERSION),
			     .window = window,
			     .lender_instance = cpu_to_le64(self.instance) },
	};
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };

	return connection_send(conn, &iov, 1);
}

bool hello_exchange(struct connection *conn)
{
	enum r2net_status status;
	struct r2net_hello hello;
	struct r2net_hdr hdr;

	if (!receive(conn, &hdr, &hello))
		return false;
	status = join(conn, &hello);
	if (status != R2NET_OK) {
		count_add(refused_hello, 1);
		log_limited(&refused_limit, LOG_WARNING, "%s: HELLO of node %u refused: %s", conn->peer, conn->owner,
			    refusal(status));
		connection_answer(conn, hdr.tag, status);
		return false;
	}
	if (welcome(conn, hdr.tag, hello.window))
		return true;
	owner_leave(conn);
	return false;
}
