// SPDX-License-Identifier: GPL-2.0-or-later
/* What a real lender process does with frames that are none, and with crowds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/pending.h"
#include "tests/unit/lender_fixture.h"

/* Sends @length bytes in @role (0: before HELLO) and expects the connection's end, counted and logged once. */
static void expect_malformed(unsigned int role, const void *bytes, size_t length)
{
	uint64_t before = wire_status(lender.door).malformed;
	int fd = role ? join(role) : wire_connect(lender.port);

	assert_true(wire_send(fd, bytes, length));
	assert_true(wire_ended(fd));
	close(fd);
	assert_int_equal(wire_status(lender.door).malformed, before + 1);
}

#define SPOILS 9

static void spoil(struct r2net_hdr *hdr, unsigned int how)
{
	switch (how) {
	case 0:
		hdr->magic = ~hdr->magic;
		break;
	case 1:
		hdr->version = R2NET_VERSION + 1;
		break;
	case 2:
		hdr->type = 0;
		break;
	case 3:
		hdr->type = 99;
		break;
	case 4:
		hdr->type = R2NET_ANSWER;
		break;
	case 5:
		hdr->items = 0xffff;
		break;
	case 6:
		hdr->length = UINT32_MAX;
		break;
	case 7:
		hdr->length = cpu_to_le32(le32_to_cpu(hdr->length) + 1);
		break;
	default:
		hdr->reserved = 1;
	}
}

static void malformed_headers_end_their_connection(void **state)
{
	const struct r2net_hdr good[] = {
		[0] = wire_header(R2NET_HELLO, 0, sizeof(struct r2net_hello), 1),
		[R2NET_ROLE_DATA] = wire_header(R2NET_READ, 1, sizeof(struct r2net_item), 1),
		[R2NET_ROLE_CONTROL] = wire_header(R2NET_PING, 0, 0, 1),
	};
	unsigned int role, how;

	for (role = 0; role <= R2NET_ROLE_CONTROL; role++) {
		for (how = 0; how < SPOILS; how++) {
			struct r2net_hdr *hdr = (struct r2net_hdr *)payload;

			memset(payload, 0, 4096);
			*hdr = good[role];
			spoil(hdr, how);
			expect_malformed(role, payload, sizeof(*hdr));
			expect_malformed(role, payload, 4096);
		}
	}
}

static void frames_of_another_role_end_their_connection(void **state)
{
	const struct r2net_hdr ping = wire_header(R2NET_PING, 0, 0, 1);
	const struct r2net_hdr fence = wire_header(R2NET_FENCE, 0, sizeof(struct r2net_fence), 1);
	const struct r2net_hdr hello = wire_header(R2NET_HELLO, 0, sizeof(struct r2net_hello), 1);
	const struct r2net_hdr read = wire_header(R2NET_READ, 1, sizeof(struct r2net_item), 1);
	const struct r2net_hdr write = wire_header(R2NET_WRITE, 1, sizeof(struct r2net_item) + 8, 1);
	const struct r2net_hdr *wrong[] = { &ping, &fence, &hello, &read, &write };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		if (i != 2)
			expect_malformed(0, wrong[i], sizeof(*wrong[i]));
		if (i < 3)
			expect_malformed(R2NET_ROLE_DATA, wrong[i], sizeof(*wrong[i]));
		if (i >= 2)
			expect_malformed(R2NET_ROLE_CONTROL, wrong[i], sizeof(*wrong[i]));
	}
}

static void bad_fences_end_their_connection(void **state)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_fence fence;
	} frame = { .hdr = wire_header(R2NET_FENCE, 0, sizeof(frame.fence), 1) };
	uint64_t before = wire_status(lender.door).malformed;
	int fd = join(R2NET_ROLE_CONTROL);

	assert_true(wire_send(fd, &frame, sizeof(frame) - 1));
	shutdown(fd, SHUT_WR);
	assert_true(wire_ended(fd));
	assert_int_equal(wire_status(lender.door).malformed, before + 1);
	close(fd);
	frame.fence.reserved = 1;
	expect_malformed(R2NET_ROLE_CONTROL, &frame, sizeof(frame));
}

static void bad_lengths_end_their_connection(void **state)
{
	static const struct {
		enum r2net_type type;
		unsigned int items;
		uint32_t lengths[2], frame; /* bytes of payload in the frame's length */
	} bad[] = {
		{ R2NET_WRITE, 1, { 0 }, 8 },
		{ R2NET_WRITE, 1, { R2NET_MAX_ITEM_LEN + 1 }, R2NET_MAX_ITEM_LEN },
		{ R2NET_WRITE, 1, { UINT32_MAX }, R2NET_MAX_ITEM_LEN },
		{ R2NET_WRITE, 1, { 8 }, 9 },
		{ R2NET_WRITE, 1, { 9 }, 8 },
		{ R2NET_WRITE, 2, { 8, 0 }, 8 },
		{ R2NET_WRITE, 2, { UINT32_MAX, 9 }, 8 },
		{ R2NET_READ, 1, { 0 }, 0 },
		{ R2NET_READ, 1, { R2NET_MAX_ITEM_LEN + 1 }, 0 },
		{ R2NET_READ, 2, { 8, UINT32_MAX }, 0 },
	};
	struct lender_lease made = lease(SIZE);
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[2];
	} frame;
	unsigned int i, k;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t table = bad[i].items * sizeof(struct r2net_item);

		frame.hdr = wire_header(bad[i].type, bad[i].items, table + bad[i].frame, 1);
		for (k = 0; k < bad[i].items; k++)
			frame.items[k] = wire_item(&made, 0, bad[i].lengths[k]);
		expect_malformed(R2NET_ROLE_DATA, &frame, sizeof(frame.hdr) + table);
	}
	assert_true(wire_lender_log_count(&lender, "malformed frame") > 0);
	assert_true(wire_lender_log_count(&lender, "malformed frame") <= i);
}

/* Cuts a WRITE of two items at every interesting byte and hangs up. */
static void frames_cut_short_end_their_connection(void **state)
{
	static const size_t cuts[] = { 1, 23, 24, 25, 39, 40, 41, 55, 56, 57, 56 + 8, 56 + 15 };
	uint64_t before = wire_status(lender.door).malformed;
	struct lender_lease made = lease(SIZE);
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[2];
		uint8_t payload[16];
	} frame = { .hdr = wire_header(R2NET_WRITE, 2, 2 * sizeof(struct r2net_item) + 16, 1),
		    .items = { wire_item(&made, 0, 8), wire_item(&made, 8, 8) } };
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		fd = join(R2NET_ROLE_DATA);
		assert_true(wire_send(fd, &frame, cuts[i]));
		shutdown(fd, SHUT_WR);
		assert_true(wire_ended(fd));
		close(fd);
		assert_int_equal(wire_status(lender.door).malformed, before + i + 1);
	}
	/* Between frames it is a good end. */
	fd = join(R2NET_ROLE_DATA);
	shutdown(fd, SHUT_WR);
	assert_true(wire_ended(fd));
	close(fd);
	assert_int_equal(wire_status(lender.door).malformed, before + i);
}

static void garbage_is_survived(void **state)
{
	unsigned int i;

	for (i = 0; i < 300; i++) {
		int fd = i % 3 ? join(i % 3) : wire_connect(lender.port);
		fill_payload(4096);
		if (i % 2) /* some get past the header's first checks */
			memcpy(payload,
			       &(struct r2net_hdr){ .magic = cpu_to_le32(R2NET_MAGIC), .version = R2NET_VERSION }, 5);
		wire_send(fd, payload, 1 + random() % 4096);
		shutdown(fd, SHUT_WR);
		assert_true(wire_ended(fd));
		close(fd);
	}
	wait_for_connections(0);
}

/* Sockets that say nothing, from this address: who says HELLO is served while they are there. */
static void idle_sockets_keep_nobody_out(void **state)
{
	enum { IDLE = PENDING_OF_ADDRESS + 8 };
	uint64_t refused = wire_status(lender.door).refused_hello;
	time_t until = time(NULL) + WIRE_TIMEOUT_S;
	int idle[IDLE], fds[8];
	unsigned int i;

	for (i = 0; i < IDLE; i++) {
		idle[i] = wire_connect(lender.port);
		assert_true(idle[i] >= 0);
	}
	/* The oldest have given way; as many as there may be are left. */
	for (i = 0; i < IDLE - PENDING_OF_ADDRESS; i++)
		assert_true(wire_ended(idle[i]));
	for (i = 0; i < 8; i++)
		fds[i] = join(i % 2 ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA);
	assert_int_equal(wire_status(lender.door).connections, 8);
	assert_int_equal(recv(idle[IDLE - 1], &i, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	while (wire_status(lender.door).refused_hello < refused + IDLE - PENDING_OF_ADDRESS + 1)
		assert_true(time(NULL) <= until);
	for (i = 0; i < 8; i++)
		close(fds[i]);
	for (i = 0; i < IDLE; i++)
		close(idle[i]);
	assert_true(wire_lender_log_count(&lender, "from there have not proven anything yet: the oldest is") > 0);
	wait_for_connections(0);
}

/* A thousand sockets that never finish their HELLO. */
static void flood_is_survived(void **state)
{
	enum { FLOOD = 1000 };
	static int fds[FLOOD];
	struct rlimit limit = { .rlim_cur = FLOOD + 100, .rlim_max = FLOOD + 100 };
	time_t until;
	unsigned int i;
	int fd;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < FLOOD; i++) {
		fds[i] = wire_connect(lender.port);
		assert_true(fds[i] >= 0);
		wire_send(fds[i], "r2n1", 4);
	}
	until = time(NULL) + WIRE_TIMEOUT_S;
	do {
		assert_true(time(NULL) <= until);
		fd = wire_join(lender.port, OWNER, INSTANCE, TOKEN, next_conn++, R2NET_ROLE_DATA);
	} while (fd < 0);
	close(fd);
	while (wire_status(lender.door).refused_hello < FLOOD)
		assert_true(time(NULL) <= until);
	for (i = 0; i < FLOOD; i++)
		close(fds[i]);
	assert_true(wire_lender_log_count(&lender, "closed: ") < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LENDER(malformed_headers_end_their_connection),
		WITH_LENDER(frames_of_another_role_end_their_connection),
		WITH_LENDER(bad_fences_end_their_connection),
		WITH_LENDER(bad_lengths_end_their_connection),
		WITH_LENDER(frames_cut_short_end_their_connection),
		WITH_LENDER(garbage_is_survived),
		WITH_LENDER(idle_sockets_keep_nobody_out),
		WITH_LENDER(flood_is_survived),
	};

	return cmocka_run_group_tests_name("lender hostile", tests, NULL, NULL);
}
