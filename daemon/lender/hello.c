// SPDX-License-Identifier: GPL-2.0-or-later
/* hello - see hello.h. */
#include <sys/eventfd.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/hello.h"
#include "daemon/lender/nonce.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"

/* An opening, as far as it has come. */
struct opening {
	uint64_t deadline_ms;
	__le64 tag; /* HELLO's */
	struct proof_said said;
};

static struct log_limit refused_limit = LOG_LIMIT_STRANGERS;

/* Reads the next frame: its header, then what follows. Returns false, counted and reported, if it is not such a one. */
static bool receive(struct connection *conn, struct opening *opening, enum r2net_type type, void *payload,
		    size_t length)
{
	struct r2net_hdr hdr;

	if (!connection_receive_until(conn, &hdr, sizeof(hdr), opening->deadline_ms)) {
		count_add(refused_hello, 1);
		log_limited(&refused_limit, LOG_WARNING, "%s: closed: it ended or sent no %s within %d s", conn->peer,
			    type == R2NET_HELLO ? "HELLO" : "PROOF", CONNECTION_HELLO_MS / 1000);
		return false;
	}
	if (type == R2NET_HELLO)
		opening->tag = hdr.tag;
	if (!r2net_opening_valid(&hdr, type) || hdr.tag != opening->tag) {
		connection_malformed(conn, type == R2NET_HELLO ? "the first frame is not a HELLO"
							       : "CHALLENGE is not answered by a PROOF");
		return false;
	}
	if (connection_receive_until(conn, payload, length, opening->deadline_ms))
		return true;
	connection_malformed(conn, "HELLO or PROOF cut short");
	return false;
}

static const char *refusal(enum r2net_status status)
{
	switch (status) {
	case R2NET_EPERM:
		return "it does not prove to have the token of this owner and instance";
	case R2NET_EAGAIN:
		return "too many connections";
	default:
		return "version, node numbers, role, window or connection number not acceptable";
	}
}

/* Checks what HELLO alone can tell. */
static enum r2net_status take(struct connection *conn, const struct r2net_hello *hello)
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
	return R2NET_OK;
}

static bool challenge(struct connection *conn, struct opening *opening)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_challenge challenge;
	} frame = {
		.hdr = { .magic = cpu_to_le32(R2NET_MAGIC),
			 .version = R2NET_VERSION,
			 .type = R2NET_CHALLENGE,
			 .length = cpu_to_le32(sizeof(frame.challenge)),
			 .tag = opening->tag },
	};
	struct iovec iov = { .iov_base = &frame, .iov_len = sizeof(frame) };

	if (!nonce_make(opening->said.challenge.nonce))
		return false;
	frame.challenge = opening->said.challenge;
	return connection_send(conn, &iov, 1);
}

/* Joins the owner, if that was proven. */
static enum r2net_status join(struct connection *conn, const struct opening *opening, const struct r2net_proof *proof,
			      struct r2net_welcome *welcome)
{
	*welcome = (struct r2net_welcome){ .version = cpu_to_le16(R2NET_VERSION),
					   .window = opening->said.hello.window,
					   .lender_instance = cpu_to_le64(self.instance) };
	if (conn->role == R2NET_ROLE_CONTROL) {
		conn->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (conn->wake < 0)
			return R2NET_EAGAIN;
	}
	return owner_join(conn, &opening->said, proof, welcome);
}

static bool send_welcome(struct connection *conn, __le64 tag, const struct r2net_welcome *welcome)
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
		.welcome = *welcome,
	};
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };

	return connection_send(conn, &iov, 1);
}

static bool refuse(struct connection *conn, __le64 tag, enum r2net_status status)
{
	count_add(refused_hello, 1);
	log_limited(&refused_limit, LOG_WARNING, "%s: HELLO of node %u refused: %s", conn->peer, conn->owner,
		    refusal(status));
	connection_answer(conn, tag, status);
	return false;
}

bool hello_exchange(struct connection *conn)
{
	struct opening opening = { .deadline_ms = monotonic_ms() + CONNECTION_HELLO_MS };
	struct r2net_hello *hello = &opening.said.hello;
	struct r2net_welcome welcome;
	enum r2net_status status;
	struct r2net_proof proof;

	if (!receive(conn, &opening, R2NET_HELLO, hello, sizeof(*hello)))
		return false;
	status = take(conn, hello);
	if (status != R2NET_OK)
		return refuse(conn, opening.tag, status);
	if (!challenge(conn, &opening)) {
		count_add(refused_hello, 1);
		return false;
	}
	if (!receive(conn, &opening, R2NET_PROOF, &proof, sizeof(proof)))
		return false;
	status = join(conn, &opening, &proof, &welcome);
	if (status != R2NET_OK)
		return refuse(conn, opening.tag, status);
	if (send_welcome(conn, opening.tag, &welcome))
		return true;
	owner_leave(conn);
	return false;
}
