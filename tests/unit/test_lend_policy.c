// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much is lent: down at once and up slowly, never flapping, held down by pressure, and nothing new while the node
 * borrows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/lend_policy.h"

#define MIB (1ULL << 20)
#define EXTENT (4 * MIB)
#define TOTAL (1024 * MIB)
#define RESERVE (64 * MIB) /* a sixteenth */
#define SLACK (16 * MIB)

static struct lend_policy policy;
static struct lend_settings settings;
static struct lend_reading reading;
static struct lend_decision decision;

static int setup(void **state)
{
	policy = (struct lend_policy){ 0 };
	settings = (struct lend_settings){ .most = LEND_POLICY_ALL, .extent_size = EXTENT };
	reading = (struct lend_reading){ .now_ms = 1000, .total = TOTAL, .available = 800 * MIB, .psi = true };
	return 0;
}

static void decide(void)
{
	decision = lend_policy_decide(&policy, &settings, &reading);
	assert_int_equal(decision.limit % EXTENT, 0);
	assert_true(decision.revoke <= reading.lent);
	assert_true(decision.revoke || !decision.urgent);
}

static void seconds(unsigned int count)
{
	while (count--) {
		reading.now_ms += 1000;
		decide();
	}
}

/* Lends so much: what is lent is not available any more. */
static void lend(uint64_t bytes)
{
	reading.available -= bytes;
	reading.lent += bytes;
}

static void give_back(uint64_t bytes)
{
	reading.available += bytes;
	reading.lent -= bytes;
}

static void test_reserve(void **state)
{
	assert_int_equal(lend_policy_reserve(&settings, TOTAL), RESERVE);
	assert_int_equal(lend_policy_reserve(&settings, 64 * MIB), 16 * MIB);
	assert_int_equal(lend_policy_reserve(&settings, 1ULL << 40), 1ULL << 30);
	settings.reserve = 5 * MIB;
	assert_int_equal(lend_policy_reserve(&settings, TOTAL), 5 * MIB);
}

static void test_available_less_reserve(void **state)
{
	decide();
	assert_int_equal(decision.limit, 800 * MIB - RESERVE);
	assert_int_equal(decision.revoke, 0);
	lend(400 * MIB); /* lending changes nothing by itself */
	seconds(30);
	assert_int_equal(decision.limit, 800 * MIB - RESERVE);
	reading.available = 5000 * MIB; /* impossible, or lent memory that was swapped out */
	seconds(60);
	assert_int_equal(decision.limit, TOTAL - RESERVE);
}

static void test_sizes(void **state)
{
	settings.most = 100 * MIB;
	decide();
	assert_int_equal(decision.limit, 100 * MIB);
	reading.available = 120 * MIB; /* the reserve is respected all the same */
	seconds(1);
	assert_int_equal(decision.limit, 120 * MIB - RESERVE);
	reading.available = 800 * MIB;
	seconds(60);
	assert_int_equal(decision.limit, 100 * MIB);
	settings.reserve = 760 * MIB;
	seconds(1);
	assert_int_equal(decision.limit, 40 * MIB);
	settings.most = 0;
	seconds(1);
	assert_int_equal(decision.limit, 0);
	assert_int_equal(decision.revoke, 0);
}

static void test_operator_takes_back(void **state)
{
	decide();
	lend(400 * MIB);
	settings.most = 396 * MIB;
	seconds(1);
	assert_int_equal(decision.limit, 396 * MIB);
	assert_int_equal(decision.revoke, 4 * MIB);
	assert_false(decision.urgent);
	settings.most = 0;
	seconds(1);
	assert_int_equal(decision.revoke, 400 * MIB);
	settings.most = LEND_POLICY_ALL; /* no harm done */
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	assert_true(decision.limit >= 400 * MIB);
}

static void test_shrinks_at_once_grows_slowly(void **state)
{
	uint64_t before;

	decide();
	reading.available = 300 * MIB;
	seconds(1);
	assert_int_equal(decision.limit, 300 * MIB - RESERVE);
	reading.available = 800 * MIB;
	seconds(4);
	assert_int_equal(decision.limit, 300 * MIB - RESERVE); /* not yet calm */
	for (unsigned int i = 0; i < 20; i++) {
		before = decision.limit;
		seconds(1);
		assert_true(decision.limit <= before + TOTAL / 16);
	}
	assert_true(decision.limit > 800 * MIB - RESERVE - SLACK);
	assert_true(decision.limit <= 800 * MIB - RESERVE);
}

static void test_rate_does_not_depend_on_rhythm(void **state)
{
	uint64_t often;

	reading.available = 100 * MIB;
	decide();
	reading.available = 800 * MIB;
	seconds(1);
	for (unsigned int i = 0; i < 100; i++) {
		reading.now_ms += 50;
		decide();
	}
	often = decision.limit;
	setup(NULL);
	reading.available = 100 * MIB;
	decide();
	reading.available = 800 * MIB;
	seconds(6);
	assert_in_range(often, decision.limit - TOTAL / 16, decision.limit + EXTENT);
	reading.now_ms += 3600 * 1000; /* one decision does not make up for an hour */
	often = decision.limit;
	decide();
	assert_true(decision.limit <= often + 3 * TOTAL / 16);
}

/* Available memory that goes up and down by less than the slack changes nothing. */
static void test_no_flapping(void **state)
{
	uint64_t limit;

	decide();
	lend(decision.limit);
	limit = decision.limit;
	for (unsigned int i = 0; i < 100; i++) {
		reading.available += i % 2 ? SLACK / 2 : -(SLACK / 2);
		seconds(1);
		assert_int_equal(decision.limit, limit);
		assert_int_equal(decision.revoke, 0);
	}
}

static void test_takes_back_what_is_missing(void **state)
{
	decide();
	lend(decision.limit);
	assert_int_equal(reading.available, RESERVE);
	reading.available -= 10 * MIB;
	seconds(1);
	assert_int_equal(decision.revoke, 0); /* within the slack */
	reading.available -= 10 * MIB;
	seconds(1);
	assert_int_equal(decision.revoke, 20 * MIB);
	assert_false(decision.urgent);
	give_back(8 * MIB);
	seconds(1);
	assert_int_equal(decision.revoke, 12 * MIB); /* until the reserve is whole */
	give_back(12 * MIB);
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	reading.available = RESERVE / 2 - MIB;
	seconds(1);
	assert_true(decision.revoke >= RESERVE / 2);
	assert_true(decision.urgent);
	reading.available = 200 * MIB; /* whoever took it has ended: what is not back may stay */
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	assert_true(decision.limit <= reading.lent);
}

/* A small size to lend beside a large slack: the slack is the reserve's, not the lender's. */
static void test_little_to_lend(void **state)
{
	settings.most = 2 * EXTENT;
	decide();
	lend(2 * EXTENT);
	reading.available = RESERVE - SLACK + MIB;
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	reading.available = RESERVE - SLACK - 2 * EXTENT;
	seconds(1);
	assert_int_equal(decision.revoke, 2 * EXTENT);
	settings.reserve = 1ULL << 50;
	seconds(1);
	assert_int_equal(decision.limit, 0);
}

/* Swapping lent memory out makes memory available, but nothing that could be lent. */
static void test_swapped_out(void **state)
{
	decide();
	lend(decision.limit);
	reading.available = RESERVE / 2;
	reading.available += 100 * MIB;
	reading.swapped = 100 * MIB;
	seconds(1);
	assert_int_equal(decision.revoke, RESERVE / 2);
	reading.available = 300 * MIB; /* its others have ended: what is on swap may stay there */
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	reading.swapped = UINT64_MAX; /* not of this moment */
	reading.available = 0;
	seconds(1);
	assert_int_equal(decision.revoke, reading.lent);
}

static void test_pressure_holds_down(void **state)
{
	uint64_t before;

	reading.psi_avg10 = 300;
	decide();
	assert_int_equal(decision.limit, 0); /* nothing is known of calm times yet */
	reading.psi_avg10 = 0;
	seconds(60);
	assert_true(decision.limit > 700 * MIB);
	lend(320 * MIB);
	before = decision.limit;
	reading.available -= 100 * MIB;
	seconds(1);
	reading.available += 100 * MIB;
	reading.psi_avg10 = 300;
	seconds(60);
	assert_true(decision.limit < before); /* does not grow */
	assert_true(decision.limit > 320 * MIB);
	assert_int_equal(decision.revoke, 0);
}

static void test_pressure_takes_back(void **state)
{
	decide();
	lend(320 * MIB);
	reading.psi_avg10 = 1500;
	seconds(1);
	assert_int_equal(decision.limit, 280 * MIB);
	assert_int_equal(decision.revoke, 40 * MIB);
	assert_false(decision.urgent);
	seconds(4);
	assert_int_equal(decision.revoke, 40 * MIB); /* the average needs its time */
	seconds(1);
	assert_int_equal(decision.revoke, 80 * MIB);
	reading.psi_avg10 = 700; /* less, and not yet relieved */
	seconds(5);
	assert_int_equal(decision.revoke, 120 * MIB);
	reading.psi_avg10 = 400;
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	assert_int_equal(decision.limit, 320 * MIB);
	reading.psi_avg10 = 3500;
	seconds(1);
	assert_true(decision.urgent);
	seconds(100);
	assert_int_equal(decision.revoke, 320 * MIB);
}

/* A stall is seen in the second in which it happens, before the average has moved. */
static void test_stall(void **state)
{
	decide();
	lend(320 * MIB);
	seconds(10);
	reading.psi_total_us += 100000; /* a tenth of a second: nothing is done, and nothing grows */
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	reading.psi_total_us += 500000;
	seconds(1);
	assert_int_equal(decision.revoke, 40 * MIB);
	assert_true(decision.urgent);
	reading.psi_total_us = 0; /* never goes back, but if it did */
	seconds(1);
	assert_int_equal(decision.revoke, 0);
}

static void test_without_psi(void **state)
{
	reading.psi = false;
	reading.psi_avg10 = 9999;
	decide();
	assert_int_equal(decision.limit, 800 * MIB - RESERVE);
	lend(decision.limit);
	reading.available = 0;
	seconds(1);
	assert_int_equal(decision.revoke, RESERVE);
	assert_true(decision.urgent);
}

static void test_borrowing(void **state)
{
	decide();
	lend(320 * MIB);
	reading.borrowing = true;
	seconds(1);
	assert_int_equal(decision.limit, 320 * MIB);
	reading.available = 0; /* the reason why it borrows */
	seconds(10);
	assert_int_equal(decision.limit, 320 * MIB);
	assert_int_equal(decision.revoke, 0);
	give_back(20 * MIB);
	seconds(1);
	assert_int_equal(decision.limit, 300 * MIB); /* not to be lent again */
	reading.psi_avg10 = 2000;
	seconds(1);
	assert_true(decision.revoke > 0 && decision.revoke < 100 * MIB);
	reading.psi_avg10 = 0;
	seconds(1);
	assert_int_equal(decision.revoke, 0);
	settings.most = 200 * MIB;
	seconds(1);
	assert_int_equal(decision.revoke, 100 * MIB);
}

static void test_borrowing_ends(void **state)
{
	reading.borrowing = true;
	decide();
	assert_int_equal(decision.limit, 0);
	seconds(10);
	reading.borrowing = false;
	seconds(1);
	assert_true(decision.limit <= TOTAL / 16);
	seconds(30);
	assert_true(decision.limit > 700 * MIB);
}

/* A new ramsterd finds memory lent: that stays. */
static void test_begins_with_much_lent(void **state)
{
	lend(700 * MIB);
	decide();
	assert_int_equal(decision.limit, 800 * MIB - RESERVE);
	setup(NULL);
	lend(700 * MIB);
	reading.psi_avg10 = 500;
	decide();
	assert_int_equal(decision.limit, 700 * MIB);
	assert_int_equal(decision.revoke, 0);
}

static void test_nothing_is_known(void **state)
{
	reading.total = reading.available = 0;
	decide();
	assert_int_equal(decision.limit, 0);
	reading.lent = 10 * EXTENT;
	seconds(5);
	assert_true(decision.revoke <= reading.lent);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reserve),
		TEST(test_available_less_reserve),
		TEST(test_sizes),
		TEST(test_operator_takes_back),
		TEST(test_shrinks_at_once_grows_slowly),
		TEST(test_rate_does_not_depend_on_rhythm),
		TEST(test_no_flapping),
		TEST(test_takes_back_what_is_missing),
		TEST(test_little_to_lend),
		TEST(test_swapped_out),
		TEST(test_pressure_holds_down),
		TEST(test_pressure_takes_back),
		TEST(test_stall),
		TEST(test_without_psi),
		TEST(test_borrowing),
		TEST(test_borrowing_ends),
		TEST(test_begins_with_much_lent),
		TEST(test_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
