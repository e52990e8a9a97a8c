// SPDX-License-Identifier: GPL-2.0-or-later
/* The owner's side of a data connection's opening, with lenders that are none: over a real loop and socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/dataconn.h"
#include "daemon/proof.h"

#define CONN 7
#define WINDOW 32
#define INSTANCE 0x77

/* The lender's end, and what the owner's came to. */
struct fixture {
	uv_loop_t loop;
	int listener, fd;
	struct sockaddr_in address;
	struct proof_said said;
	struct r2net_proof proof; /* the owner's, as received */
	bool done;
	struct dataconn_result result;
};

static const uint8_t token[R2NET_TOKEN_LEN] = "a token";

static void on_done(void *ctx, const struct dataconn_result *result)
{
	struct fixture *f = ctx;

	f->done = true;
	f->result = *result;
}

static void settle(struct fixture *f)
{
	for (unsigned int i = 0; i < 20; i++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(200);
	}
}

static void put(struct fixture *f, const void *bytes, size_t len)
{
	assert_int_equal(send(f->fd, bytes, len, MSG_NOSIGNAL), len);
	settle(f);
}

static void take(struct fixture *f, enum r2net_type type, void *payload, size_t len)
{
	struct r2net_hdr hdr;

	settle(f);
	assert_int_equal(recv(f->fd, &hdr, sizeof(hdr), MSG_WAITALL), sizeof(hdr));
	assert_true(r2net_opening_valid(&hdr, type));
	assert_int_equal(le64_to_cpu(hdr.tag), CONN);
	assert_int_equal(recv(f->fd, payload, len, MSG_WAITALL), len);
}

static struct r2net_hdr header(enum r2net_type type, unsigned int items, uint32_t length)
{
	return (struct r2net_hdr){ .magic = cpu_to_le32(R2NET_MAGIC),
				   .version = R2NET_VERSION,
				   .type = type,
				   .items = cpu_to_le16(items),
				   .length = cpu_to_le32(length),
				   .tag = cpu_to_le64(CONN) };
}

static int setup(void **state)
{
	struct r2net_hello hello = { .conn = cpu_to_le32(CONN), .window = cpu_to_le16(WINDOW), .nonce = { 1, 2, 3 } };
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(f->address);
	int on = 1;

	*state = f;
	uv_loop_init(&f->loop);
	f->address = from;
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(f->listener, (struct sockaddr *)&f->address, len) || listen(f->listener, 1) ||
	    getsockname(f->listener, (struct sockaddr *)&f->address, &len) ||
	    !dataconn_open(&f->loop, &from, &f->address, &hello, token, on_done, f))
		return -1;
	f->fd = accept(f->listener, NULL, NULL);
	setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	take(f, R2NET_HELLO, &f->said.hello, sizeof(f->said.hello));
	return memcmp(&f->said.hello, &hello, sizeof(hello));
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	close(f->fd);
	close(f->listener);
	settle(f);
	assert_true(f->done);
	if (!f->result.error)
		close(f->result.fd);
	ret = uv_loop_close(&f->loop);
	free(f);
	return ret;
}

static void challenge(struct fixture *f)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_challenge challenge;
	} frame = { .hdr = header(R2NET_CHALLENGE, 0, sizeof(frame.challenge)), .challenge.nonce = { 4, 5, 6 } };

	f->said.challenge = frame.challenge;
	put(f, &frame, sizeof(frame));
}

static void challenge_and_take_proof(struct fixture *f)
{
	uint8_t expected[R2NET_PROOF_LEN];

	challenge(f);
	take(f, R2NET_PROOF, &f->proof, sizeof(f->proof));
	proof_of_owner(token, &f->said, expected);
	assert_memory_equal(f->proof.proof, expected, sizeof(expected));
	assert_false(f->done);
}

struct answer {
	struct r2net_hdr hdr;
	struct r2net_result result;
	struct r2net_welcome welcome;
};

/* A welcome that is proven by @token. */
static struct answer welcome(struct fixture *f, const uint8_t *with, uint32_t window)
{
	struct answer answer = {
		.hdr = header(R2NET_ANSWER, 1, sizeof(answer) - sizeof(answer.hdr)),
		.result = { .status = cpu_to_le32(R2NET_OK), .length = cpu_to_le32(sizeof(answer.welcome)) },
		.welcome = { .version = cpu_to_le16(R2NET_VERSION),
			     .window = cpu_to_le16(window),
			     .lender_instance = cpu_to_le64(INSTANCE) },
	};

	proof_of_lender(with, &f->said, &answer.welcome, answer.welcome.proof);
	return answer;
}

static void expect_failure(struct fixture *f, int error, const char *why)
{
	assert_true(f->done);
	assert_int_equal(f->result.error, error);
	assert_non_null(strstr(f->result.why, why));
	assert_int_equal(f->result.fd, -1);
}

static void refuse(struct fixture *f, enum r2net_status status)
{
	struct answer answer = { .hdr = header(R2NET_ANSWER, 1, sizeof(answer.result)),
				 .result.status = cpu_to_le32(status) };

	put(f, &answer, offsetof(struct answer, welcome));
}

static void lender_is_taken(void **state)
{
	struct fixture *f = *state;
	struct answer answer;
	char bytes[sizeof(answer) + 1], more;

	challenge_and_take_proof(f);
	answer = welcome(f, token, WINDOW - 1);
	memcpy(bytes, &answer, sizeof(answer));
	bytes[sizeof(answer)] = '!';
	/* In pieces, with a byte behind that is the module's. */
	put(f, bytes, 30);
	put(f, bytes + 30, 40);
	put(f, bytes + 70, sizeof(bytes) - 70);
	assert_true(f->done);
	assert_int_equal(f->result.error, 0);
	assert_int_equal(f->result.window, WINDOW - 1);
	assert_int_equal(f->result.lender_instance, INSTANCE);
	assert_int_equal(recv(f->result.fd, &more, 1, MSG_DONTWAIT), 1);
	assert_int_equal(more, '!');
}

static void who_has_no_token_is_no_lender(void **state)
{
	static const uint8_t other[R2NET_TOKEN_LEN] = "another";
	struct fixture *f = *state;
	struct answer answer;

	challenge_and_take_proof(f);
	answer = welcome(f, other, WINDOW);
	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "does not prove to be the lender");
}

static void own_proof_sent_back_proves_nothing(void **state)
{
	struct fixture *f = *state;
	struct answer answer;

	challenge_and_take_proof(f);
	answer = welcome(f, token, WINDOW);
	memcpy(answer.welcome.proof, f->proof.proof, sizeof(answer.welcome.proof));
	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "does not prove to be the lender");
}

static void altered_welcome_is_refused(void **state)
{
	struct fixture *f = *state;
	struct answer answer;

	challenge_and_take_proof(f);
	answer = welcome(f, token, WINDOW);
	answer.welcome.lender_instance ^= cpu_to_le64(1);
	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "does not prove to be the lender");
}

static void proven_nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	struct answer answer;

	challenge_and_take_proof(f);
	answer = welcome(f, token, WINDOW + 1);
	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "welcome is not acceptable");
}

/* The welcome of another opening, which was recorded. */
static void recorded_welcome_is_refused(void **state)
{
	struct fixture *f = *state;
	struct proof_said now;
	struct answer answer;

	challenge_and_take_proof(f);
	now = f->said;
	f->said.hello.nonce[0] ^= 1;
	answer = welcome(f, token, WINDOW);
	f->said = now;
	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "does not prove to be the lender");
}

static void welcome_without_a_challenge_is_refused(void **state)
{
	struct fixture *f = *state;
	struct answer answer = welcome(f, token, WINDOW);

	put(f, &answer, sizeof(answer));
	expect_failure(f, -EPROTO, "no lender");
}

static void one_challenge_is_answered(void **state)
{
	struct fixture *f = *state;

	challenge_and_take_proof(f);
	challenge(f);
	expect_failure(f, -EPROTO, "no lender");
}

static void garbage_is_refused(void **state)
{
	struct fixture *f = *state;

	put(f, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	expect_failure(f, -EPROTO, "no lender");
}

static void refusals_say_why(void **state)
{
	struct fixture *f = *state;

	challenge_and_take_proof(f);
	refuse(f, R2NET_EPERM);
	expect_failure(f, -EPERM, "does not know the token");
}

static void refusals_may_come_at_once(void **state)
{
	struct fixture *f = *state;

	refuse(f, R2NET_EINVAL);
	expect_failure(f, -ECONNREFUSED, "the lender refused");
}

static void end_is_noticed(void **state)
{
	struct fixture *f = *state;

	challenge_and_take_proof(f);
	shutdown(f->fd, SHUT_RDWR);
	settle(f);
	expect_failure(f, -ECONNRESET, "closed the connection");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lender_is_taken),
		TEST(who_has_no_token_is_no_lender),
		TEST(own_proof_sent_back_proves_nothing),
		TEST(altered_welcome_is_refused),
		TEST(proven_nonsense_is_refused),
		TEST(recorded_welcome_is_refused),
		TEST(welcome_without_a_challenge_is_refused),
		TEST(one_challenge_is_answered),
		TEST(garbage_is_refused),
		TEST(refusals_say_why),
		TEST(refusals_may_come_at_once),
		TEST(end_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
