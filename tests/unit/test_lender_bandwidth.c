// SPDX-License-Identifier: GPL-2.0-or-later
/* What a real lender process does with an owner whose bandwidth is limited, and with the others meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/greedy.h"
#include "tests/unit/lender_fixture.h"

#define MIB (1U << 20)
#define RATE LENDER_MIN_BANDWIDTH /* so that a slow machine has time for more */
#define SECONDS 4 /* of a measurement: a quarter of one more can have been kept for it */
#define TRIES patience(3) /* of one, where the machine may stand still meanwhile */

#define wait_until(condition)                                                                                          \
	for (time_t until = time(NULL) + WIRE_TIMEOUT_S; !(condition);)                                                \
	assert_true(time(NULL) <= until)

/* One owner's threads, each with a connection and a lease. Static, because a test that fails leaves them running. */
struct load {
	pthread_t threads[2];
	struct lender_lease leases[2];
	int fds[2];
	_Atomic unsigned int next;
	atomic_bool over;
	_Atomic uint64_t bytes; /* whole frames and answers */
};

static int set_bandwidth(uint32_t owner, uint64_t rate)
{
	struct lender_request request = { .command = LENDER_BANDWIDTH, .owner = owner, .limit = rate };
	struct lender_reply reply;

	return wire_door(lender.door, &request, &reply);
}

/* What the lender says of an owner; all zero if nothing. */
static struct lender_owner look(uint32_t owner)
{
	struct lender_request request = { .command = LENDER_OWNERS };
	struct lender_owner none = { 0 };
	struct lender_reply reply;

	do {
		assert_int_equal(wire_door(lender.door, &request, &reply), 0);
		assert_true(reply.count <= LENDER_MAX_OWNERS);
		for (unsigned int i = 0; i < reply.count; i++)
			if (reply.owners[i].owner == owner)
				return reply.owners[i];
		request.cursor = reply.cursor;
	} while (request.cursor);
	return none;
}

/* READs and WRITEs of as many pages as go into one, in turn, one at a time. */
static void *ask(void *argument)
{
	struct load *load = argument;
	unsigned int self = atomic_fetch_add(&load->next, 1);
	int fd = load->fds[self];
	static uint8_t pages[GREEDY_BYTES];
	struct greedy_frame frame;
	uint32_t results[R2NET_MAX_ITEMS];
	uint64_t tag;

	greedy_read(&frame, &load->leases[self]);
	while (!atomic_load(&load->over)) {
		if (!wire_send(fd, &frame, sizeof(frame)) ||
		    greedy_drop(fd, GREEDY_ANSWER, MSG_WAITALL) != (ssize_t)GREEDY_ANSWER)
			break;
		atomic_fetch_add(&load->bytes, sizeof(frame) + GREEDY_ANSWER);
		if (!wire_write(fd, 1, frame.items, R2NET_MAX_ITEMS, pages) ||
		    wire_answer(fd, &tag, results, NULL, NULL) != R2NET_MAX_ITEMS)
			break;
		atomic_fetch_add(&load->bytes, sizeof(frame) + GREEDY_ANSWER);
	}
	return NULL;
}

static void load_start(struct load *load, uint32_t owner, uint8_t token)
{
	memset(load, 0, sizeof(*load));
	assert_int_equal(wire_lease(lender.door, owner, INSTANCE, SIZE, 2, load->leases), 2);
	for (unsigned int i = 0; i < 2; i++) {
		load->fds[i] = wire_join(lender.port, owner, INSTANCE, token, next_conn++, R2NET_ROLE_DATA);
		assert_true(load->fds[i] >= 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&load->threads[i], NULL, ask, load), 0);
}

static void load_stop(struct load *load)
{
	atomic_store(&load->over, true);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(load->threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++)
		close(load->fds[i]);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Bytes a second of a load for a while, as a share of RATE: rather too few, if this process has to wait for a CPU. */
static double measure(struct load *load)
{
	const struct timespec time = { .tv_sec = SECONDS };
	double from = now();
	uint64_t before = atomic_load(&load->bytes), bytes;

	nanosleep(&time, NULL);
	bytes = atomic_load(&load->bytes) - before;
	return bytes / (now() - from) / RATE;
}

static void an_owner_gets_its_bandwidth_and_no_more(void **state)
{
	static struct load limited, other;
	struct lender_owner seen;
	uint64_t others, throttled;
	double share, times;
	unsigned int i;

	assert_int_equal(set_bandwidth(OWNER, RATE), 0);
	load_start(&limited, OWNER, TOKEN);
	load_start(&other, OTHER_OWNER, OTHER_TOKEN);
	wait_until(look(OWNER).throttled_ms); /* what it had in advance is gone */
	for (i = 0; i < TRIES; i++) {
		others = atomic_load(&other.bytes);
		throttled = look(OWNER).throttled_ms;
		share = measure(&limited);
		times = (atomic_load(&other.bytes) - others) / (share * SECONDS * RATE);
		seen = look(OWNER);
		print_message("%.1f %% of the bandwidth, the other: %.1f times as much\n", 100 * share, times);
		assert_true(share < 1.1);
		if (share > 0.7 && times > 3 && seen.throttled_ms - throttled > SECONDS * 500)
			break;
	}
	assert_true(i < TRIES);
	assert_int_equal(seen.bandwidth, RATE);
	assert_int_equal(look(OTHER_OWNER).throttled_ms, 0);
	load_stop(&limited);
	load_stop(&other);
	assert_int_equal(look(OWNER).in_bytes + look(OWNER).out_bytes, atomic_load(&limited.bytes));
}

static void bandwidth_changes_while_it_is_used(void **state)
{
	static struct load load;
	uint64_t throttled;

	load_start(&load, OWNER, TOKEN);
	wait_until(atomic_load(&load.bytes) >= 64 * MIB);
	assert_int_equal(look(OWNER).throttled_ms, 0);
	assert_int_equal(set_bandwidth(OWNER, LENDER_MIN_BANDWIDTH), 0);
	wait_until(look(OWNER).throttled_ms >= 100);
	assert_int_equal(set_bandwidth(OWNER, 0), 0);
	throttled = look(OWNER).throttled_ms;
	wait_until(atomic_load(&load.bytes) >= 256 * MIB); /* half a minute's at that bandwidth */
	assert_true(look(OWNER).throttled_ms - throttled < patience(1000));
	load_stop(&load);
}

/* Its connections wait in the lender, with many requests more behind them. */
static void who_waits_for_bandwidth_can_be_ended(void **state)
{
	struct lender_request request = { .command = LENDER_EXPEL, .owner = OWNER, .instance = INSTANCE };
	struct lender_lease made = lease(SIZE);
	int fds[R2NET_MAX_CONNS], control = join(R2NET_ROLE_CONTROL);
	uint32_t first = next_conn;
	struct greedy_frame frame;
	struct lender_reply reply;

	assert_int_equal(set_bandwidth(OWNER, LENDER_MIN_BANDWIDTH), 0);
	greedy_read(&frame, &made);
	for (unsigned int i = 1; i < R2NET_MAX_CONNS; i++) {
		fds[i] = join(R2NET_ROLE_DATA);
		for (unsigned int k = 0; k < 16; k++)
			assert_true(wire_send(fds[i], &frame, sizeof(frame)));
	}
	wait_until(look(OWNER).throttled_ms);
	assert_true(wire_ping(control, 1)); /* which waits for nothing */
	expect_answer(control, 1, R2NET_OK);
	assert_true(wire_fence(control, 2, first));
	expect_answer(control, 2, R2NET_OK);
	assert_int_equal(wire_release(lender.door, &made, 1), 1);
	assert_int_equal(wire_door(lender.door, &request, &reply), 0);
	assert_int_equal(look(OWNER).connections, 0);
	for (unsigned int i = 1; i < R2NET_MAX_CONNS; i++)
		close(fds[i]);
	close(control);
}

static void impossible_values_are_refused(void **state)
{
	struct lender_request request = { .command = LENDER_OWNERS, .cursor = R2NET_MAX_NODES };
	struct lender_reply reply;

	assert_int_equal(set_bandwidth(R2NET_MAX_NODES, RATE), -EINVAL);
	assert_int_equal(set_bandwidth(OWNER, LENDER_MIN_BANDWIDTH - 1), -EINVAL);
	assert_int_equal(set_bandwidth(OWNER, 1), -EINVAL);
	assert_int_equal(look(OWNER).bandwidth, 0);
	assert_int_equal(wire_door(lender.door, &request, &reply), -EINVAL);
}

static void all_owners_are_told(void **state)
{
	for (uint32_t owner = 0; owner < R2NET_MAX_NODES; owner++)
		assert_int_equal(set_bandwidth(owner, RATE + owner), 0);
	for (uint32_t owner = 0; owner < R2NET_MAX_NODES; owner++)
		assert_int_equal(look(owner).bandwidth, RATE + owner);
	assert_int_equal(set_bandwidth(R2NET_MAX_NODES - 1, 0), 0);
	assert_int_equal(look(R2NET_MAX_NODES - 1).owner, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LENDER(an_owner_gets_its_bandwidth_and_no_more),
		WITH_LENDER(bandwidth_changes_while_it_is_used),
		WITH_LENDER(who_waits_for_bandwidth_can_be_ended),
		WITH_LENDER(impossible_values_are_refused),
		WITH_LENDER(all_owners_are_told),
	};

	return cmocka_run_group_tests_name("lender bandwidth", tests, NULL, NULL);
}
