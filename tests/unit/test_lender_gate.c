// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may take a turn and who has to wait; and that nobody waits for a peer in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/gate.h"
#include "daemon/lender/transfer.h"
#include "tests/unit/patience.h"

#define A 1
#define B 2
#define C 3

#define LONG_MS patience(20000)

uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#define wait_until(condition)                                                                                          \
	do {                                                                                                           \
		uint64_t until = monotonic_ms() + LONG_MS;                                                             \
                                                                                                                       \
		while (!(condition)) {                                                                                 \
			assert_true(monotonic_ms() < until);                                                           \
			sched_yield();                                                                                 \
		}                                                                                                      \
	} while (0)

/* A thread that has to wait for its turn. */
struct taker {
	pthread_t thread;
	uint32_t owner;
	unsigned int place; /* how-manieth of all takers it got its turn; 0: it has not */
};

static _Atomic unsigned int places;

static void *take(void *argument)
{
	struct taker *taker = argument;

	gate_enter(taker->owner);
	__atomic_store_n(&taker->place, atomic_fetch_add(&places, 1) + 1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned int place_of(const struct taker *taker)
{
	return __atomic_load_n(&taker->place, __ATOMIC_ACQUIRE);
}

/* Starts a thread and sees that it waits. */
static void start(struct taker *taker, uint32_t owner)
{
	unsigned int before = gate_look(owner).waiting;

	*taker = (struct taker){ .owner = owner };
	assert_int_equal(pthread_create(&taker->thread, NULL, take, taker), 0);
	wait_until(gate_look(owner).waiting == before + 1);
	assert_int_equal(place_of(taker), 0);
}

/* Its turn is the caller's then. */
static void expect_turn(struct taker *taker)
{
	pthread_join(taker->thread, NULL);
	assert_true(place_of(taker));
}

static void take_free(uint32_t owner, unsigned int turns)
{
	while (turns--)
		assert_false(gate_enter(owner));
}

static void leave(uint32_t owner, unsigned int turns)
{
	while (turns--)
		gate_leave(owner);
}

/* So many CPUs, and only A is active. */
static void begin(unsigned int cpus)
{
	gate_init(cpus);
	for (unsigned int i = 0; i <= GATE_MEMORY; i++) {
		take_free(A, 1);
		leave(A, 1);
	}
	places = 0;
}

static void alone_there_is_no_cap(void **state)
{
	begin(2);
	take_free(A, 100);
	assert_int_equal(gate_look(A).turns, 100);
	leave(A, 100);
	assert_int_equal(gate_look(A).turns, 0);
}

static void each_other_owner_has_a_cpu(void **state)
{
	struct taker taker;

	begin(4);
	take_free(B, 1);
	take_free(A, 3);
	start(&taker, A);
	take_free(C, 1);
	leave(A, 1); /* two are the most now */
	assert_int_equal(gate_look(A).waiting, 1);
	leave(A, 1);
	expect_turn(&taker);
	leave(A, 2);
	leave(B, 1);
	leave(C, 1);
}

static void each_owner_may_have_one(void **state)
{
	struct taker taker;

	begin(2);
	for (uint32_t owner = A; owner < A + 10; owner++)
		take_free(owner, 1);
	start(&taker, B);
	for (uint32_t owner = A; owner < A + 10; owner++)
		leave(owner, 1);
	expect_turn(&taker);
	leave(B, 1);
}

static void turns_of_before_are_kept(void **state)
{
	struct taker taker;

	begin(2);
	take_free(A, 5);
	take_free(B, 1); /* it need not wait for any of them */
	start(&taker, A);
	leave(A, 4);
	assert_int_equal(gate_look(A).waiting, 1);
	leave(A, 1);
	expect_turn(&taker);
	leave(A, 1);
	leave(B, 1);
}

static void threads_are_served_in_their_order(void **state)
{
	struct taker takers[5];
	unsigned int i;

	begin(2);
	take_free(A, 1);
	take_free(B, 1);
	for (i = 0; i < 5; i++)
		start(&takers[i], A);
	for (i = 0; i < 5; i++) {
		leave(A, 1);
		expect_turn(&takers[i]);
		assert_int_equal(place_of(&takers[i]), i + 1);
		assert_int_equal(gate_look(A).turns, 1);
	}
	leave(A, 1);
	leave(B, 1);
}

static void nobody_gets_in_before_who_waits(void **state)
{
	struct taker first, second;

	begin(2);
	take_free(A, 1);
	take_free(B, 1);
	start(&first, A);
	leave(A, 1); /* the turn is taken for it before it has woken up */
	start(&second, A);
	expect_turn(&first);
	leave(A, 1);
	expect_turn(&second);
	leave(A, 1);
	leave(B, 1);
}

/* So many turns of A end, each handed to a thread that then has to wait anew. */
static void pass_on(struct taker *takers, unsigned int count, unsigned int turns)
{
	for (unsigned int i = 0; i < turns; i++) {
		leave(A, 1);
		expect_turn(&takers[i % count]);
		assert_int_equal(gate_look(A).waiting, count - 1);
		start(&takers[i % count], A);
	}
}

static void an_owner_that_rests_is_remembered_for_a_while(void **state)
{
	struct taker takers[2];

	begin(2);
	take_free(B, 1);
	take_free(A, 1);
	start(&takers[0], A);
	start(&takers[1], A);
	leave(B, 1);
	pass_on(takers, 2, GATE_MEMORY - 1);
	leave(A, 1);
	expect_turn(&takers[0]);
	expect_turn(&takers[1]);
	leave(A, 2);
}

/* However often the peer has to be waited for in the midst of one. */
static void a_transfer_is_one_turn_for_those_that_rest(void **state)
{
	struct taker taker;

	begin(2);
	take_free(B, 1);
	leave(B, 1);
	take_free(A, 1);
	for (unsigned int i = 0; i < 2 * GATE_MEMORY; i++) {
		gate_pause(A);
		take_free(A, 1);
	}
	start(&taker, A);
	leave(A, 1);
	expect_turn(&taker);
	leave(A, 1);
}

static void when_one_is_forgotten_all_others_are_served(void **state)
{
	struct taker of_a, of_b;

	begin(3);
	take_free(C, 1);
	take_free(A, 1);
	take_free(B, 1);
	start(&of_a, A);
	start(&of_b, B);
	leave(C, 1);
	pass_on(&of_a, 1, GATE_MEMORY - 1);
	assert_int_equal(gate_look(B).waiting, 1);
	leave(A, 1);
	expect_turn(&of_a);
	expect_turn(&of_b);
	leave(A, 1);
	leave(B, 2);
}

#define CROWD 16
#define CROWD_TURNS 500

static void *take_many(void *argument)
{
	uint32_t owner = (uintptr_t)argument % 4;

	for (unsigned int i = 0; i < CROWD_TURNS; i++) {
		gate_enter(owner);
		if (i % 4 == owner)
			sched_yield();
		gate_leave(owner);
	}
	return NULL;
}

static void no_wakeup_is_lost(void **state)
{
	pthread_t threads[CROWD];
	uintptr_t i;

	begin(2);
	for (i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, (void *)i), 0);
	for (i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++) {
		assert_int_equal(gate_look(i).turns, 0);
		assert_int_equal(gate_look(i).waiting, 0);
	}
}

/* A transfer of A in a thread of its own. */
struct mover {
	pthread_t thread;
	struct connection conn;
	struct iovec iov[2];
	bool out, done;
	int peer;
};

static uint8_t sent[1 << 20], received[sizeof(sent)];

static void *move(void *argument)
{
	struct mover *mover = argument;

	gate_enter(A);
	mover->done = (mover->out ? transfer_send : transfer_receive)(&mover->conn, mover->iov, 2);
	gate_leave(A);
	return NULL;
}

static void move_start(struct mover *mover, bool out, unsigned int frame_ms)
{
	uint8_t *memory = out ? sent : received;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*mover = (struct mover){ .conn = { .fd = fds[0], .owner = A, .frame_ms = frame_ms },
				 .iov = { { memory, 1000 }, { memory + 1000, sizeof(sent) - 1000 } },
				 .out = out,
				 .peer = fds[1] };
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = random();
	memset(received, 0, sizeof(received));
	assert_int_equal(pthread_create(&mover->thread, NULL, move, mover), 0);
}

static void move_end(struct mover *mover, bool done)
{
	pthread_join(mover->thread, NULL);
	assert_int_equal(mover->done, done);
	assert_int_equal(gate_look(A).turns, 0);
	close(mover->conn.fd);
	close(mover->peer);
	if (done)
		assert_memory_equal(sent, received, sizeof(sent));
}

static int queued(int fd)
{
	int bytes;

	assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

static void who_sends_slowly_has_no_turn(void **state)
{
	struct mover mover;
	size_t at, length;

	begin(2);
	move_start(&mover, false, LONG_MS);
	for (at = 0; at < sizeof(sent); at += length) {
		wait_until(!queued(mover.conn.fd) && !gate_look(A).turns);
		length = sizeof(sent) - at < 77777 ? sizeof(sent) - at : 77777;
		assert_int_equal(write(mover.peer, sent + at, length), length);
	}
	move_end(&mover, true);
}

static void who_does_not_take_its_answer_has_no_turn(void **state)
{
	struct mover mover;

	begin(2);
	move_start(&mover, true, LONG_MS);
	wait_until(queued(mover.peer) && !gate_look(A).turns);
	assert_int_equal(recv(mover.peer, received, sizeof(received), MSG_WAITALL), sizeof(received));
	move_end(&mover, true);
}

static void a_stalled_peer_is_given_up(void **state)
{
	struct mover mover;

	begin(2);
	move_start(&mover, false, 1);
	move_end(&mover, false);
	move_start(&mover, true, 1);
	move_end(&mover, false);
}

static void a_shut_connection_ends_its_transfer(void **state)
{
	struct mover mover;

	begin(2);
	for (unsigned int out = 0; out < 2; out++) {
		move_start(&mover, out, LONG_MS);
		wait_until((!out || queued(mover.peer)) && !gate_look(A).turns);
		shutdown(mover.conn.fd, SHUT_RDWR);
		move_end(&mover, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_there_is_no_cap),
		cmocka_unit_test(each_other_owner_has_a_cpu),
		cmocka_unit_test(each_owner_may_have_one),
		cmocka_unit_test(turns_of_before_are_kept),
		cmocka_unit_test(threads_are_served_in_their_order),
		cmocka_unit_test(nobody_gets_in_before_who_waits),
		cmocka_unit_test(an_owner_that_rests_is_remembered_for_a_while),
		cmocka_unit_test(a_transfer_is_one_turn_for_those_that_rest),
		cmocka_unit_test(when_one_is_forgotten_all_others_are_served),
		cmocka_unit_test(no_wakeup_is_lost),
		cmocka_unit_test(who_sends_slowly_has_no_turn),
		cmocka_unit_test(who_does_not_take_its_answer_has_no_turn),
		cmocka_unit_test(a_stalled_peer_is_given_up),
		cmocka_unit_test(a_shut_connection_ends_its_transfer),
	};

	return cmocka_run_group_tests_name("lender gate", tests, NULL, NULL);
}
