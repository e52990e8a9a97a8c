// SPDX-License-Identifier: GPL-2.0-or-later
/* Who gets a data connection of a real lender process: recorded, altered, reflected and foreign openings do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/proof.h"
#include "tests/unit/lender_fixture.h"

#define BITS(type) (8 * sizeof(type))

static struct wire_hello good_hello(void)
{
	struct wire_hello hello;

	wire_hello_fill(&hello, OWNER, INSTANCE, TOKEN, next_conn++, R2NET_ROLE_DATA);
	return hello;
}

/* Connects, says @hello and gets the CHALLENGE. Returns the socket. */
static int begin(const struct wire_hello *hello, struct proof_said *said)
{
	int fd = wire_connect(lender.port);

	assert_true(fd >= 0);
	said->hello = hello->hello;
	assert_int_equal(wire_challenge(fd, hello, &said->challenge), 0);
	return fd;
}

/* Ends an opening with @proof. Returns the status; the connection is over unless it is R2NET_OK. */
static int end(int fd, const struct r2net_proof *proof)
{
	struct r2net_welcome welcome;
	int status = wire_prove(fd, proof, &welcome);

	if (status != R2NET_OK)
		assert_true(wire_ended(fd));
	close(fd);
	return status;
}

static void flip(void *bytes, unsigned int bit)
{
	((uint8_t *)bytes)[bit / 8] ^= 1 << bit % 8;
}

static void recorded_opening_is_refused(void **state)
{
	struct wire_hello hello = good_hello();
	struct r2net_welcome welcome;
	struct r2net_proof recorded;
	struct proof_said said, again;
	int fd = begin(&hello, &said);

	proof_of_owner(hello.token, &said, recorded.proof);
	assert_int_equal(wire_prove(fd, &recorded, &welcome), R2NET_OK);
	/* While the first is there, and when it is gone. */
	assert_int_equal(end(begin(&hello, &again), &recorded), R2NET_EPERM);
	close(fd);
	wait_for_connections(0);
	assert_int_equal(end(begin(&hello, &again), &recorded), R2NET_EPERM);
	assert_memory_not_equal(&said.challenge, &again.challenge, sizeof(again.challenge));
	assert_true(wire_lender_log_count(&lender, "it does not prove to have the token") > 0);
	assert_int_equal(wire_status(lender.door).refused_hello, 2);
}

static void every_bit_of_a_proof_counts(void **state)
{
	struct wire_hello hello = good_hello();
	struct r2net_proof proof;
	struct proof_said said;
	unsigned int bit;
	int fd;

	for (bit = 0; bit < BITS(proof); bit += 7) {
		fd = begin(&hello, &said);
		proof_of_owner(hello.token, &said, proof.proof);
		flip(&proof, bit);
		assert_int_equal(end(fd, &proof), R2NET_EPERM);
	}
	memset(&proof, 0, sizeof(proof));
	assert_int_equal(end(begin(&hello, &said), &proof), R2NET_EPERM);
	/* None of them has used the number up. */
	fd = begin(&hello, &said);
	proof_of_owner(hello.token, &said, proof.proof);
	assert_int_equal(end(fd, &proof), R2NET_OK);
}

/* Who is in between changes a bit of HELLO: some are refused at once, for what they say, and all others by the proof. */
static void every_bit_of_hello_is_proven(void **state)
{
	struct wire_hello hello = good_hello(), altered;
	struct r2net_proof proof;
	struct proof_said said = { .hello = hello.hello };
	unsigned int bit, challenged = 0;
	int fd, status;

	for (bit = 0; bit < BITS(hello.hello); bit++) {
		altered = hello;
		flip(&altered.hello, bit);
		fd = wire_connect(lender.port);
		status = wire_challenge(fd, &altered, &said.challenge);
		if (status) {
			assert_int_equal(status, R2NET_EINVAL);
			close(fd);
			continue;
		}
		proof_of_owner(hello.token, &said, proof.proof);
		assert_int_equal(end(fd, &proof), R2NET_EPERM);
		challenged++;
	}
	assert_true(challenged > BITS(hello.hello.nonce) + BITS(hello.hello.conn));
	assert_int_equal(wire_status(lender.door).connections, 0);
}

static void tokens_are_for_one_owner_each(void **state)
{
	struct wire_hello hello = good_hello(), other;
	struct r2net_proof proof;
	struct proof_said said;
	int fd = begin(&hello, &said);

	wire_hello_fill(&other, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	proof_of_owner(other.token, &said, proof.proof);
	assert_int_equal(end(fd, &proof), R2NET_EPERM);
	fd = begin(&other, &said);
	proof_of_owner(hello.token, &said, proof.proof);
	assert_int_equal(end(fd, &proof), R2NET_EPERM);
	/* An owner that was never admitted has no token: zeroes are none. */
	wire_hello_fill(&other, 9, INSTANCE, 0, 1, R2NET_ROLE_DATA);
	fd = begin(&other, &said);
	proof_of_owner(other.token, &said, proof.proof);
	assert_int_equal(end(fd, &proof), R2NET_EPERM);
}

/* What the lender says is no proof of the owner's: not its own proof, nor its nonce as ours. */
static void reflected_proof_is_refused(void **state)
{
	struct wire_hello hello = good_hello();
	struct r2net_welcome welcome;
	struct r2net_proof proof;
	struct proof_said said;
	int fd = begin(&hello, &said);

	proof_of_owner(hello.token, &said, proof.proof);
	assert_int_equal(wire_prove(fd, &proof, &welcome), R2NET_OK);
	close(fd);
	assert_memory_not_equal(welcome.proof, proof.proof, sizeof(proof.proof));

	hello = good_hello();
	memcpy(hello.hello.nonce, said.challenge.nonce, sizeof(hello.hello.nonce));
	memcpy(proof.proof, welcome.proof, sizeof(proof.proof));
	assert_int_equal(end(begin(&hello, &said), &proof), R2NET_EPERM);
	fd = begin(&hello, &said);
	proof_of_lender(hello.token, &said, &welcome, proof.proof);
	assert_int_equal(end(fd, &proof), R2NET_EPERM);
}

static void lender_proves_all_that_it_says(void **state)
{
	struct wire_hello hello = good_hello();
	struct r2net_welcome welcome, altered;
	uint8_t expected[R2NET_PROOF_LEN];
	struct r2net_proof proof;
	struct proof_said said;
	unsigned int bit;
	int fd = begin(&hello, &said);

	proof_of_owner(hello.token, &said, proof.proof);
	assert_int_equal(wire_prove(fd, &proof, &welcome), R2NET_OK);
	close(fd);
	proof_of_lender(hello.token, &said, &welcome, expected);
	assert_true(proof_equal(expected, welcome.proof));
	for (bit = 0; bit < 8 * offsetof(struct r2net_welcome, proof); bit++) {
		altered = welcome;
		flip(&altered, bit);
		proof_of_lender(hello.token, &said, &altered, expected);
		assert_false(proof_equal(expected, welcome.proof));
	}
}

/* Instead of a PROOF. */
static void nothing_is_served_before_the_proof(void **state)
{
	struct lender_lease made = lease(SIZE);
	struct r2net_item item = wire_item(&made, 0, 64);
	uint64_t malformed = wire_status(lender.door).malformed;
	struct wire_hello hello = good_hello();
	struct proof_said said;
	struct {
		struct r2net_hdr hdr;
		struct r2net_proof proof;
	} frame = { .hdr = wire_header(R2NET_PROOF, 0, sizeof(frame.proof), 2) };
	struct {
		struct r2net_hdr hdr;
		struct r2net_hello hello;
	} again = { .hdr = wire_header(R2NET_HELLO, 0, sizeof(again.hello), 1), .hello = hello.hello };
	int fds[5], i;

	for (i = 0; i < 5; i++)
		fds[i] = begin(&hello, &said);
	assert_true(wire_write(fds[0], 1, &item, 1, payload));
	assert_true(wire_read(fds[1], 1, &item, 1));
	assert_true(wire_ping(fds[2], 1));
	assert_true(wire_send(fds[3], &frame, sizeof(frame))); /* of another tag */
	assert_true(wire_send(fds[4], &again, sizeof(again))); /* at once: at the header the connection ends */
	for (i = 0; i < 5; i++) {
		assert_true(wire_ended(fds[i]));
		close(fds[i]);
	}
	assert_int_equal(wire_status(lender.door).malformed, malformed + 5);
	assert_int_equal(wire_status(lender.door).write_items, 0);
	assert_int_equal(wire_status(lender.door).read_items, 0);
}

/* A byte now and then keeps nobody waiting for longer. */
static void slow_openings_end_in_time(void **state)
{
	const struct timespec pause = { .tv_nsec = 400000000 };
	struct wire_hello hello = good_hello();
	struct r2net_hdr hdr = wire_header(R2NET_PROOF, 0, sizeof(struct r2net_proof), 1);
	struct proof_said said;
	int fd = begin(&hello, &said);
	unsigned int i;

	for (i = 0; i < sizeof(hdr) && wire_send(fd, (uint8_t *)&hdr + i, 1); i++)
		nanosleep(&pause, NULL);
	assert_true(i <= 17); /* seven seconds of them at most, however slow this process is */
	close(fd);
	wait_for_connections(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LENDER(recorded_opening_is_refused),	 WITH_LENDER(every_bit_of_a_proof_counts),
		WITH_LENDER(every_bit_of_hello_is_proven),	 WITH_LENDER(tokens_are_for_one_owner_each),
		WITH_LENDER(reflected_proof_is_refused),	 WITH_LENDER(lender_proves_all_that_it_says),
		WITH_LENDER(nothing_is_served_before_the_proof), WITH_LENDER(slow_openings_end_in_time),
	};

	return cmocka_run_group_tests_name("lender auth", tests, NULL, NULL);
}
