// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has to give back how much: revoke.c with a lender and owners of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/revoke.h"

#define EXTENT (4ULL << 20)
#define OWNERS 3
#define ALL UINT32_MAX
#define DRAIN_PATH "test_revoke.draining"

static struct lender_status lender = { .instance = 100 };
static struct ramsterd d;
static struct peer peers[OWNERS];
static uint32_t leases[OWNERS]; /* that they have */
static uint32_t told[OWNERS]; /* how many they may keep */
static unsigned int messages, warnings;
static uint64_t to_revoke, now_ms;

/* ---- What revoke.c calls ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
	return now_ms;
}

void log_print(int priority, const char *format, ...)
{
	warnings += priority == LOG_WARNING;
}

void log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
}

uint64_t lend_to_revoke(const struct ramsterd *daemon)
{
	return to_revoke;
}

const struct lender_status *sidedoor_status(const struct sidedoor *door)
{
	return &lender;
}

void ramsterd_tick_soon(struct ramsterd *daemon)
{
}

void peer_send(struct peer *peer, const Ramster__Message *message)
{
	assert_int_equal(message->body_case, RAMSTER__MESSAGE__BODY_LEASE_REVOKE);
	assert_int_equal(message->lease_revoke->lender_instance, lender.instance);
	assert_int_equal(message->lease_revoke->owner_instance, peer->offer.owner_instance);
	told[peer->node.number] = message->lease_revoke->keep;
	messages++;
}

/* ---- The scene ---- */

static void walk(void)
{
	revoke_begin(d.revoke);
	for (uint32_t owner = 0; owner < OWNERS; owner++)
		for (uint32_t i = 0; i < leases[owner]; i++)
			revoke_count(d.revoke, owner, EXTENT);
	revoke_count(d.revoke, R2NET_MAX_NODES, EXTENT); /* a lender that talks nonsense */
	revoke_decide(d.revoke);
}

static int setup(void **state)
{
	for (unsigned int i = 0; i < OWNERS; i++) {
		peers[i] = (struct peer){ .d = &d, .node.number = i, .state = PEER_UP, .session = i + 1 };
		peers[i].offer.owner_instance = 10 + i;
		d.peers[i] = &peers[i];
		leases[i] = 20 * i;
		told[i] = 12345;
	}
	strcpy(d.drain_path, DRAIN_PATH);
	unlink(DRAIN_PATH);
	messages = warnings = 0;
	to_revoke = 0;
	now_ms = 1000;
	d.revoke = revoke_new(&d);
	return d.revoke ? 0 : -1;
}

static int teardown(void **state)
{
	revoke_free(d.revoke);
	unlink(DRAIN_PATH);
	return 0;
}

/* Who need not give back anything is told nothing, and who must is told again in a new session. */
static void test_quiet(void **state)
{
	walk();
	walk();
	assert_int_equal(messages, 0);
	assert_false(revoke_wanted(d.revoke));
	to_revoke = 30 * EXTENT;
	walk();
	walk();
	assert_int_equal(messages, 2);
	peers[1].session = 99;
	walk();
	assert_int_equal(messages, 3);
	assert_int_equal(told[1], 10);
}

/* In proportion to what they have; and who gives back quickly is not asked for more. */
static void test_shares(void **state)
{
	walk();
	messages = 0;
	to_revoke = 30 * EXTENT;
	assert_true(revoke_wanted(d.revoke));
	walk();
	assert_int_equal(told[1], 10);
	assert_int_equal(told[2], 20);
	assert_int_equal(messages, 2);
	leases[1] = 10;
	to_revoke = 20 * EXTENT;
	walk();
	leases[2] = 30;
	to_revoke = 10 * EXTENT;
	walk();
	assert_int_equal(messages, 2);
	/* The node needs more of it meanwhile. */
	to_revoke = 25 * EXTENT;
	walk();
	assert_int_equal(told[1] + told[2], 15);
}

/* It is over: they hear of it, and it is not forgotten between two walks. */
static void test_over(void **state)
{
	to_revoke = 30 * EXTENT;
	walk();
	to_revoke = 0;
	assert_true(revoke_wanted(d.revoke));
	walk();
	assert_int_equal(told[1], ALL);
	assert_int_equal(told[2], ALL);
	assert_false(revoke_wanted(d.revoke));
}

/* Another lender, or another instance of the owner's module, has not been told. */
static void test_told_anew(void **state)
{
	to_revoke = 30 * EXTENT;
	walk();
	lender.instance++;
	walk();
	assert_int_equal(messages, 4);
	assert_int_equal(told[1], 10);
	peers[1].offer.owner_instance = 99;
	walk();
	assert_int_equal(messages, 5);
	walk();
	assert_int_equal(messages, 5);
}

static void test_drain(void **state)
{
	revoke_drain(d.revoke, true);
	assert_true(revoke_wanted(d.revoke) && revoke_draining(d.revoke));
	revoke_free(d.revoke);
	d.revoke = revoke_new(&d); /* the next daemon */
	assert_true(revoke_draining(d.revoke));
	walk();
	assert_int_equal(told[1], 0);
	assert_int_equal(told[2], 0);
	revoke_drain(d.revoke, false);
	walk();
	assert_int_equal(told[2], ALL);
	assert_false(revoke_wanted(d.revoke));
}

/* Each owner that does not give back is named, once. */
static void test_late(void **state)
{
	to_revoke = 60 * EXTENT;
	walk();
	now_ms += 29000;
	walk();
	assert_int_equal(warnings, 0);
	leases[1] = 0;
	now_ms += 2000;
	walk();
	walk();
	assert_int_equal(warnings, 1);
}

/* Leases of different sizes, more wanted than there is. */
static void test_odd_numbers(void **state)
{
	to_revoke = UINT64_MAX;
	leases[2] = 1;
	walk();
	assert_int_equal(told[1], 0);
	assert_int_equal(told[2], 0);
	leases[1] = leases[2] = 0;
	walk();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shares, setup, teardown),
		cmocka_unit_test_setup_teardown(test_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_numbers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
