// SPDX-License-Identifier: GPL-2.0-or-later
/* The side door of a real lender process, and what its commands and FENCE do to connections in the middle of work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/lease.h"
#include "tests/unit/lender_fixture.h"

/* Sends a WRITE of a page and a byte but for the byte, which has no lease: once that is counted the page is pinned. */
static void write_all_but_one(int fd, const struct lender_lease *made)
{
	uint64_t stale = wire_status(lender.door).stale;
	time_t until = time(NULL) + WIRE_TIMEOUT_S;
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[2];
		uint8_t page[4096];
	} frame = { .hdr = wire_header(R2NET_WRITE, 2, sizeof(frame.items) + sizeof(frame.page) + 1, 5),
		    .items = { wire_item(made, 0, sizeof(frame.page)), wire_item(made, 0, 1) } };

	frame.items[1].generation = 0;
	assert_true(wire_send(fd, &frame, sizeof(frame)));
	while (wire_status(lender.door).stale == stale)
		assert_true(time(NULL) <= until);
}

static void write_last_one(int fd)
{
	uint64_t tag;

	assert_true(wire_send(fd, "x", 1));
	assert_int_equal(wire_answer(fd, &tag, statuses, NULL, NULL), 2);
	assert_int_equal(tag, 5);
	assert_int_equal(statuses[0], R2NET_OK);
	assert_int_equal(statuses[1], R2NET_ESTALE);
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void ping_is_answered(void **state)
{
	int fd = join(R2NET_ROLE_CONTROL);
	uint64_t tag;

	for (tag = 1; tag < 100; tag++) {
		assert_true(wire_ping(fd, tag << 40));
		expect_answer(fd, tag << 40, R2NET_OK);
	}
	close(fd);
}

/* A window of them at once, then so many a second, in their order. */
static void a_flood_of_pings_is_slowed_down(void **state)
{
	enum { FLOOD = 3 * R2NET_MAX_WINDOW };
	int fd = join(R2NET_ROLE_CONTROL);
	uint64_t begin = monotonic_ms(), tag;

	for (tag = 0; tag < FLOOD; tag++)
		assert_true(wire_ping(fd, tag));
	for (tag = 0; tag < FLOOD; tag++)
		expect_answer(fd, tag, R2NET_OK);
	/* After the first window each brings a quarter of a second, but for what has passed until the last is looked at. */
	assert_true(monotonic_ms() - begin >= 400);
	close(fd);
}

static void fence_ends_a_connection_in_the_middle_of_a_write(void **state)
{
	struct lender_lease made = lease(SIZE);
	int control = join(R2NET_ROLE_CONTROL), data = join(R2NET_ROLE_DATA);
	uint32_t number;

	number = next_conn - 1;
	write_all_but_one(data, &made);
	assert_true(wire_ping(control, 10));
	expect_answer(control, 10, R2NET_OK);
	assert_true(wire_fence(control, 11, number));
	expect_answer(control, 11, R2NET_OK);
	assert_true(wire_ended(data));
	close(data);
	assert_int_equal(wire_status(lender.door).connections, 1);
	assert_int_equal(join_status(INSTANCE, TOKEN, number), R2NET_EINVAL);
	/* Ended from here: the frame cut short is not held against the owner. */
	assert_int_equal(wire_status(lender.door).malformed, 0);
	close(control);
}

static void fence_bars_a_number_that_never_came(void **state)
{
	int control = join(R2NET_ROLE_CONTROL);

	assert_true(wire_fence(control, 1, 40));
	expect_answer(control, 1, R2NET_OK);
	assert_int_equal(join_status(INSTANCE, TOKEN, 40), R2NET_EINVAL);
	assert_int_equal(join_status(INSTANCE, TOKEN, 39), R2NET_OK);
	assert_true(wire_fence(control, 2, 39));
	expect_answer(control, 2, R2NET_OK);
	close(control);
}

static void fence_far_ahead_bars_no_other_number(void **state)
{
	static const uint32_t far[] = { 1U << 20, 1U << 31, UINT32_MAX };
	int control = join(R2NET_ROLE_CONTROL);

	for (unsigned int i = 0; i < 3; i++) {
		assert_true(wire_fence(control, i, far[i]));
		expect_answer(control, i, R2NET_OK);
		assert_int_equal(join_status(INSTANCE, TOKEN, far[i]), R2NET_EINVAL);
		assert_int_equal(join_status(INSTANCE, TOKEN, next_conn++), R2NET_OK);
	}
	close(control);
}

static void fence_spares_control_connections(void **state)
{
	int control = join(R2NET_ROLE_CONTROL), other = join(R2NET_ROLE_CONTROL);

	assert_true(wire_fence(control, 1, next_conn - 1));
	expect_answer(control, 1, R2NET_EINVAL);
	assert_true(wire_fence(control, 2, next_conn - 2));
	expect_answer(control, 2, R2NET_EINVAL);
	assert_true(wire_ping(other, 3));
	expect_answer(other, 3, R2NET_OK);
	close(control);
	close(other);
}

static void fences_of_many_connections_are_all_answered(void **state)
{
	int control = join(R2NET_ROLE_CONTROL), data[R2NET_MAX_CONNS - 1];
	unsigned int i, first = next_conn;
	uint64_t tag, seen = 0;

	for (i = 0; i < R2NET_MAX_CONNS - 1; i++)
		data[i] = join(R2NET_ROLE_DATA);
	for (i = 0; i < R2NET_MAX_CONNS - 1; i++)
		assert_true(wire_fence(control, i, first + i));
	for (i = 0; i < R2NET_MAX_CONNS - 1; i++) {
		assert_int_equal(wire_answer(control, &tag, statuses, NULL, NULL), 1);
		assert_int_equal(statuses[0], R2NET_OK);
		seen |= 1ULL << tag;
	}
	assert_int_equal(seen, (1ULL << (R2NET_MAX_CONNS - 1)) - 1);
	for (i = 0; i < R2NET_MAX_CONNS - 1; i++) {
		assert_true(wire_ended(data[i]));
		close(data[i]);
	}
	close(control);
}

static void release_waits_for_a_write_that_ends_soon(void **state)
{
	struct lender_request request = {
		.protocol = LENDER_PROTOCOL, .command = LENDER_RELEASE, .owner = OWNER, .instance = INSTANCE, .count = 1
	};
	struct lender_lease made = lease(SIZE);
	int data = join(R2NET_ROLE_DATA), other = join(R2NET_ROLE_DATA);
	struct r2net_item item = wire_item(&made, 8192, 4096);
	struct lender_reply reply;

	write_all_but_one(data, &made);
	request.leases[0] = made;
	assert_int_equal(send(lender.door, &request, sizeof(request), 0), sizeof(request));
	/* Once the lease is closed nobody else gets in. */
	do {
		assert_true(wire_read(other, 9, &item, 1));
		assert_int_equal(wire_answer(other, &(uint64_t){ 0 }, statuses, back, NULL), 1);
	} while (statuses[0] == R2NET_OK);
	assert_int_equal(statuses[0], R2NET_ESTALE);
	write_last_one(data);
	assert_int_equal(recv(lender.door, &reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply.error, 0);
	assert_int_equal(reply.count, 1);
	assert_int_equal(reply.status.lent, 0);
	assert_int_equal(reply.status.connections, 2);
	close(data);
	close(other);
}

static void release_shuts_a_write_that_does_not_end(void **state)
{
	struct lender_lease made = lease(SIZE), kept = lease(SIZE);
	int data = join(R2NET_ROLE_DATA), other = join(R2NET_ROLE_DATA), control = join(R2NET_ROLE_CONTROL);
	struct r2net_item item = wire_item(&kept, 0, 4096);

	write_all_but_one(data, &made);
	assert_true(wire_ping(control, 1));
	expect_answer(control, 1, R2NET_OK);
	assert_int_equal(wire_release(lender.door, &made, 1), 1);
	assert_int_equal(wire_status(lender.door).lent, SIZE);
	assert_true(wire_ended(data));
	assert_true(wire_write(other, 2, &item, 1, payload));
	expect_answer(other, 2, R2NET_OK);
	assert_int_equal(wire_release(lender.door, &made, 1), 0);
	close(data);
	close(other);
	close(control);
}

static uint64_t release_ms(const struct lender_lease *made)
{
	uint64_t begin = monotonic_ms();

	assert_int_equal(wire_release(lender.door, made, 1), 1);
	return monotonic_ms() - begin;
}

/* Others are. */
static void an_owner_that_was_waited_for_in_vain_is_not_soon_again(void **state)
{
	struct lender_lease first = lease(SIZE), second = lease(SIZE), others;
	int data[] = { join(R2NET_ROLE_DATA), join(R2NET_ROLE_DATA), -1 };

	data[2] = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	assert_int_equal(wire_lease(lender.door, OTHER_OWNER, INSTANCE, SIZE, 1, &others), 1);
	write_all_but_one(data[0], &first);
	write_all_but_one(data[1], &second);
	write_all_but_one(data[2], &others);
	assert_true(release_ms(&first) >= LEASE_GRACE_MS);
	assert_true(release_ms(&second) < LEASE_GRACE_MS / 2);
	assert_true(release_ms(&others) >= LEASE_GRACE_MS);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(wire_ended(data[i]));
		close(data[i]);
	}
}

/* The owner asks for more than it takes: the lender's thread is stuck in sending, with pins. */
static void release_shuts_a_read_that_nobody_takes(void **state)
{
	struct lender_lease made = lease(SIZE);
	struct r2net_item items[R2NET_MAX_ITEMS];
	int data = join(R2NET_ROLE_DATA), small = 4096;
	unsigned int i;
	time_t until;

	setsockopt(data, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (i = 0; i < R2NET_MAX_ITEMS; i++)
		items[i] = wire_item(&made, i * 8192, R2NET_MAX_ITEM_LEN);
	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		assert_true(wire_read(data, i, items, R2NET_MAX_ITEMS));
	until = time(NULL) + WIRE_TIMEOUT_S;
	while (wire_status(lender.door).read_items == 0)
		assert_true(time(NULL) <= until);
	assert_int_equal(wire_release(lender.door, &made, 1), 1);
	assert_int_equal(wire_status(lender.door).lent, 0);
	close(data);
}

static void expel_ends_everything(void **state)
{
	struct lender_request request = { .command = LENDER_EXPEL, .owner = OWNER, .instance = INSTANCE };
	int data = join(R2NET_ROLE_DATA), control = join(R2NET_ROLE_CONTROL);
	struct lender_lease made[LENDER_TURN_LEASES + 3], others;
	struct lender_reply reply;

	assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, SIZE, LENDER_TURN_LEASES + 3, made),
			 LENDER_TURN_LEASES + 3);
	assert_int_equal(wire_lease(lender.door, OWNER + 1, INSTANCE, SIZE, 1, &others), 1);
	write_all_but_one(data, &made[0]);
	assert_int_equal(wire_door(lender.door, &request, &reply), 0);
	assert_int_equal(reply.count, LENDER_TURN_LEASES);
	assert_int_equal(reply.status.connections, 0);
	assert_true(wire_ended(data));
	assert_true(wire_ended(control));
	assert_int_equal(join_status(INSTANCE, TOKEN, next_conn), R2NET_EPERM);
	assert_int_equal(wire_door(lender.door, &request, &reply), 0);
	assert_int_equal(reply.count, 3);
	assert_int_equal(reply.status.lent, SIZE);
	assert_int_equal(wire_door(lender.door, &request, &reply), 0);
	assert_int_equal(reply.count, 0);
	/* Admitted again, its old numbers stay used. */
	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE, TOKEN), 0);
	assert_int_equal(join_status(INSTANCE, TOKEN, 1), R2NET_EINVAL);
	assert_int_equal(wire_release(lender.door, &others, 1), 1);
	close(data);
	close(control);
}

static void admit_replaces_the_token(void **state)
{
	int data = join(R2NET_ROLE_DATA);

	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE, TOKEN + 1), 0);
	assert_int_equal(join_status(INSTANCE, TOKEN, next_conn), R2NET_EPERM);
	assert_int_equal(join_status(INSTANCE, TOKEN + 1, next_conn++), R2NET_OK);
	/* The same instance keeps its connections; a new one ends them and starts its numbers anew. */
	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE + 1, TOKEN), 0);
	assert_true(wire_ended(data));
	assert_int_equal(join_status(INSTANCE, TOKEN, next_conn), R2NET_EPERM);
	assert_int_equal(join_status(INSTANCE + 1, TOKEN, 1), R2NET_OK);
	close(data);
}

static void leases_are_limited_and_listed(void **state)
{
	struct lender_request list = { .command = LENDER_LIST }, limit = { .command = LENDER_LIMIT, .limit = SIZE };
	struct lender_lease made[LENDER_MAX_LEASES];
	struct lender_reply reply;
	unsigned int i;

	assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, SIZE, LENDER_MAX_LEASES, made), LIMIT / SIZE);
	assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, SIZE, 1, made + LIMIT / SIZE), 0);
	assert_int_equal(wire_door(lender.door, &limit, &reply), 0);
	assert_int_equal(reply.status.limit, SIZE);
	assert_int_equal(reply.status.lent, LIMIT);
	assert_int_equal(reply.status.extents, LIMIT / SIZE);
	assert_int_equal(wire_door(lender.door, &list, &reply), 0);
	assert_int_equal(reply.count, LIMIT / SIZE);
	assert_int_equal(reply.cursor, 0);
	for (i = 0; i < reply.count; i++)
		assert_memory_equal(&reply.leases[i], &made[i], sizeof(made[i]));
	assert_int_equal(wire_release(lender.door, made, LIMIT / SIZE), LIMIT / SIZE);
	limit.limit = LIMIT;
	assert_int_equal(wire_door(lender.door, &limit, &reply), 0);
}

static void bad_packets_change_nothing(void **state)
{
	struct lender_request good = { .protocol = LENDER_PROTOCOL,
				       .command = LENDER_LEASE,
				       .owner = OWNER,
				       .instance = INSTANCE,
				       .count = 1,
				       .extent_size = SIZE };
	struct lender_request bad;
	static uint8_t big[sizeof(good) + 1];
	struct lender_reply reply;
	size_t lengths[] = { 1, sizeof(good) - 1, sizeof(big) };
	unsigned int i;

	memcpy(big, &good, sizeof(good));
	for (i = 0; i < 3; i++) {
		assert_int_equal(send(lender.door, big, lengths[i], 0), lengths[i]);
		assert_int_equal(recv(lender.door, &reply, sizeof(reply), 0), sizeof(reply));
		assert_int_equal(reply.error, -EINVAL);
	}
	bad = good;
	bad.protocol = LENDER_PROTOCOL + 1;
	assert_int_equal(send(lender.door, &bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(recv(lender.door, &reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply.error, -EINVAL);

#define SPOILED(spoil)                                                                                                 \
	do {                                                                                                           \
		bad = good;                                                                                            \
		spoil;                                                                                                 \
		assert_int_equal(wire_door(lender.door, &bad, &reply), -EINVAL);                                       \
		assert_int_equal(reply.count, 0);                                                                      \
		assert_int_equal(reply.status.lent, 0);                                                                \
	} while (0)
	SPOILED(bad.command = 0);
	SPOILED(bad.command = LENDER_OWNERS + 1);
	SPOILED(bad.owner = R2NET_MAX_NODES);
	SPOILED(bad.instance = 0);
	SPOILED(bad.count = 0);
	SPOILED(bad.count = LENDER_MAX_LEASES + 1);
	SPOILED(bad.extent_size = 0);
	SPOILED(bad.extent_size = SIZE + 1);
	SPOILED(bad.extent_size = R2NET_EXTENT_MAX + R2NET_EXTENT_MIN);
	SPOILED((bad.command = LENDER_RELEASE, bad.count = LENDER_MAX_LEASES + 1));
	SPOILED((bad.command = LENDER_ADMIT, bad.owner = UINT32_MAX));
	SPOILED((bad.command = LENDER_EXPEL, bad.instance = 0));
	SPOILED((bad.command = LENDER_LIST, bad.cursor = UINT32_MAX));
#undef SPOILED
}

static unsigned long kib_of(const char *key)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", lender.pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kib = strtoul(line + strlen(key), NULL, 10);
	fclose(file);
	return kib;
}

static void memory_is_lent_unlocked_and_given_back(void **state)
{
	unsigned long size = LIMIT >> 10, rss = kib_of("VmRSS:"), locked = kib_of("VmLck:"), lent;
	struct lender_lease made[2];

	assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, LIMIT / 2, 2, made), 2);
	lent = kib_of("VmRSS:");
	assert_true(lent >= rss + size);
	assert_int_equal(kib_of("VmLck:"), locked);
	assert_int_equal(wire_release(lender.door, made, 2), 2);
	assert_true(kib_of("VmRSS:") <= lent - size + size / 8);
}

static void two_lenders_do_not_share_a_path(void **state)
{
	struct wire_lender twin = lender;

	assert_false(wire_lender_restart(&twin, "0"));
	assert_int_equal(wire_lender_log_count(&lender, "another lender is running"), 1);

	/* One that was killed leaves its socket behind; the next takes the path over, as another instance. */
	twin.pid = lender.pid;
	assert_int_equal(kill(lender.pid, SIGKILL), 0);
	assert_int_equal(waitpid(lender.pid, NULL, 0), lender.pid);
	close(lender.door);
	assert_true(wire_lender_restart(&lender, "64M"));
	assert_int_not_equal(twin.pid, lender.pid);
	assert_int_not_equal(wire_status(lender.door).instance, 0);
}

/* Returns from a child what a command by user 65533 gets: 0 for a closed door. */
static int stranger(void)
{
	struct lender_request request = { .command = LENDER_STATUS };
	struct lender_reply reply;
	int door;

	if (setgid(65533) || setuid(65533))
		return 2;
	door = wire_door_connect(&lender);
	if (door < 0)
		return 3;
	return wire_door(door, &request, &reply) == -EIO ? 0 : 4;
}

static void strangers_are_refused(void **state)
{
	char path[128];
	struct stat st;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/door", lender.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	if (geteuid() != 0)
		skip();
	/* Even if somebody opens the path to all. */
	assert_int_equal(chmod(lender.dir, 0711), 0);
	assert_int_equal(chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0)
		_exit(stranger());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Else it would keep open what the test wrote to. */
static void a_lender_ends_with_its_test(void **state)
{
	static const char *const names[] = { "door", "door.lock", "log" };
	struct wire_lender own = { 0 };
	struct pollfd end = { .events = POLLIN };
	int ends[2], status, ended;
	char path[128];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	end.fd = ends[0];
	pid = fork();
	if (pid == 0) {
		if (wire_lender_start(&own, "1M") && write(ends[1], &own, sizeof(own)) == sizeof(own))
			raise(SIGKILL);
		_exit(EXIT_FAILURE);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(ends[0], &own, sizeof(own)), sizeof(own));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ended = poll(&end, 1, WIRE_TIMEOUT_S * 1000);
	if (!ended)
		kill(own.pid, SIGKILL);
	assert_int_equal(ended, 1);
	assert_int_equal(read(ends[0], path, 1), 0);
	close(ends[0]);
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", own.dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(own.dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LENDER(ping_is_answered),
		WITH_LENDER(a_flood_of_pings_is_slowed_down),
		WITH_LENDER(fence_ends_a_connection_in_the_middle_of_a_write),
		WITH_LENDER(fence_bars_a_number_that_never_came),
		WITH_LENDER(fence_far_ahead_bars_no_other_number),
		WITH_LENDER(fence_spares_control_connections),
		WITH_LENDER(fences_of_many_connections_are_all_answered),
		WITH_LENDER(release_waits_for_a_write_that_ends_soon),
		WITH_LENDER(release_shuts_a_write_that_does_not_end),
		WITH_LENDER(an_owner_that_was_waited_for_in_vain_is_not_soon_again),
		WITH_LENDER(release_shuts_a_read_that_nobody_takes),
		WITH_LENDER(expel_ends_everything),
		WITH_LENDER(admit_replaces_the_token),
		WITH_LENDER(leases_are_limited_and_listed),
		WITH_LENDER(bad_packets_change_nothing),
		WITH_LENDER(memory_is_lent_unlocked_and_given_back),
		WITH_LENDER(two_lenders_do_not_share_a_path),
		WITH_LENDER(strangers_are_refused),
		cmocka_unit_test(a_lender_ends_with_its_test),
	};

	return cmocka_run_group_tests_name("lender door", tests, NULL, NULL);
}
