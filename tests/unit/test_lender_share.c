// SPDX-License-Identifier: GPL-2.0-or-later
/* What an owner gets from a real lender process beside others that are greedy or broken. Nothing here is timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/greedy.h"
#include "tests/unit/lender_fixture.h"

#define GREEDY_OWNER 9
#define READS 2000
#define TRIES patience(6) /* each a share, where the machine may have more to do than the lender's work */
#define WINDOW 4 /* READs under way */
#define LEAST_SHARE 15 /* percent, beside 16 connections with one. It is half with the gate, a seventeenth without */

/* To one CPU: with more of them a modest owner gets what it needs anyway. */
static bool bind_lender(void)
{
	cpu_set_t all, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(all), &all))
		return false;
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

static int bound_set_up(void **state)
{
	lender.prepare = bind_lender;
	return lender_set_up(state);
}

static int bound_tear_down(void **state)
{
	lender.prepare = NULL;
	return lender_tear_down(state);
}

/* Has so many READs of many pages served, some of them always under way. */
static void read_many(int fd, const struct lender_lease *made, unsigned int reads)
{
	struct greedy_frame frame;
	unsigned int i;

	greedy_read(&frame, made);
	for (i = 0; i < reads + WINDOW; i++) {
		if (i < reads)
			assert_true(wire_send(fd, &frame, sizeof(frame)));
		if (i >= WINDOW)
			assert_int_equal(greedy_drop(fd, GREEDY_ANSWER, MSG_WAITALL), GREEDY_ANSWER);
	}
}

static void a_modest_owner_has_its_share_beside_a_greedy_one(void **state)
{
	struct lender_lease made = lease(SIZE);
	int fd = join(R2NET_ROLE_DATA);
	struct greedy greedy;
	uint64_t before, all;
	unsigned int try;

	assert_true(greedy_start(&greedy, &lender, GREEDY_OWNER));
	read_many(fd, &made, 100);
	for (try = 0; try < TRIES; try++) {
		before = wire_status(lender.door).read_items;
		read_many(fd, &made, READS);
		all = wire_status(lender.door).read_items - before;
		print_message("share: %.1f %%\n", 100.0 * READS * R2NET_MAX_ITEMS / all);
		if (READS * R2NET_MAX_ITEMS * 100ULL >= LEAST_SHARE * all)
			break;
	}
	assert_true(try < TRIES);
	greedy_stop(&greedy);
	close(fd);
}

/* Half of its connections stop in the midst of a WRITE, the others never take an answer. */
static void an_owner_that_stalls_holds_nobody_up(void **state)
{
	struct r2net_hdr hdr = wire_header(R2NET_WRITE, 1, sizeof(struct r2net_item) + 4096, 1);
	struct lender_lease made, stalled;
	struct greedy_frame frame;
	int fds[R2NET_MAX_CONNS], fd = join(R2NET_ROLE_DATA);
	struct r2net_item item;
	unsigned int i;

	assert_int_equal(wire_lease(lender.door, OTHER_OWNER, INSTANCE, SIZE, 1, &stalled), 1);
	greedy_read(&frame, &stalled);
	for (i = 0; i < R2NET_MAX_CONNS; i++) {
		fds[i] = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, i + 1, R2NET_ROLE_DATA);
		assert_true(fds[i] >= 0);
		if (i % 2) {
			item = wire_item(&stalled, SIZE / 2 + i * 4096, 4096);
			assert_true(wire_send(fds[i], &hdr, sizeof(hdr)));
			assert_true(wire_send(fds[i], &item, sizeof(item)));
			assert_true(wire_send(fds[i], payload, 1000));
			continue;
		}
		/* More answers than the sockets take, by far. */
		for (unsigned int k = 0; k < 40; k++)
			assert_true(wire_send(fds[i], &frame, sizeof(frame)));
	}
	made = lease(SIZE);
	read_many(fd, &made, 1000);
	/* They are not forgotten, either. */
	for (i = 1; i < R2NET_MAX_CONNS; i += 2) {
		assert_true(wire_send(fds[i], payload, 4096 - 1000));
		expect_answer(fds[i], 1, R2NET_OK);
	}
	for (i = 0; i < R2NET_MAX_CONNS; i++)
		close(fds[i]);
	close(fd);
}

/* What a request of the side door for OWNER's leases is answered, under a quota. */
static int lease_under(uint64_t quota, unsigned int count, struct lender_reply *reply)
{
	struct lender_request request = { .command = LENDER_LEASE,
					  .owner = OWNER,
					  .instance = INSTANCE,
					  .count = count,
					  .extent_size = SIZE,
					  .limit = quota };

	return wire_door(lender.door, &request, reply);
}

/* It asks for far more than it may have, again and again. */
static void an_owner_has_its_quota_and_no_more(void **state)
{
	struct lender_request owners = { .command = LENDER_OWNERS };
	struct lender_lease others[8];
	int fds[R2NET_MAX_CONNS], fd;
	struct lender_reply reply;
	unsigned int i;

	assert_int_equal(lease_under(4 * SIZE, LENDER_MAX_LEASES, &reply), 0);
	assert_int_equal(reply.count, 4);
	for (i = 0; i < 100; i++)
		assert_int_equal(lease_under(4 * SIZE, LENDER_MAX_LEASES, &reply), -EDQUOT);
	assert_int_equal(reply.held, 4);
	for (i = 0; i < R2NET_MAX_CONNS; i++)
		fds[i] = join(R2NET_ROLE_DATA);
	for (i = 0; i < 100; i++)
		assert_int_equal(join_status(INSTANCE, TOKEN, next_conn++), R2NET_EAGAIN);

	assert_int_equal(wire_lease(lender.door, OTHER_OWNER, INSTANCE, SIZE, 8, others), 8);
	fd = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	read_many(fd, &others[7], 10);
	assert_int_equal(wire_door(lender.door, &owners, &reply), 0);
	assert_int_equal(reply.count, 2);
	assert_int_equal(reply.owners[0].owner, OWNER);
	assert_int_equal(reply.owners[0].connections, R2NET_MAX_CONNS);
	assert_int_equal(reply.owners[0].refused, 100);
	assert_int_equal(reply.owners[1].owner, OTHER_OWNER);
	assert_int_equal(reply.owners[1].refused, 0);
	assert_int_equal(reply.owners[1].frames, 10);
	assert_int_equal(reply.owners[1].in_bytes, 10 * sizeof(struct greedy_frame));
	assert_int_equal(reply.owners[1].out_bytes, 10 * GREEDY_ANSWER);
	close(fd);
	for (i = 0; i < R2NET_MAX_CONNS; i++)
		close(fds[i]);
	wait_for_connections(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_modest_owner_has_its_share_beside_a_greedy_one, bound_set_up,
						bound_tear_down),
		WITH_LENDER(an_owner_that_stalls_holds_nobody_up),
		WITH_LENDER(an_owner_has_its_quota_and_no_more),
	};

	return cmocka_run_group_tests_name("lender share", tests, NULL, NULL);
}
