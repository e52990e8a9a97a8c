// SPDX-License-Identifier: GPL-2.0-or-later
/* How many connections that have not proven anything an address may have, and which give way to newer ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "daemon/lender/pending.h"

static int numbers[PENDING_MAX + PENDING_SHUT]; /* of connections, whose descriptors are 0, 1, ... in their order */
static unsigned int count;
static unsigned int full; /* of the last */
static int shut[PENDING_SHUT]; /* descriptors, in their order */
static unsigned int shuts;

int shutdown(int fd, int how)
{
	/* The caller holds a lock: nothing may be asserted here. */
	if (shuts < PENDING_SHUT)
		shut[shuts] = how == SHUT_RDWR ? fd : -1;
	shuts++;
	return 0;
}

static int begin(const char *text)
{
	struct sockaddr_storage address = { .ss_family = AF_INET };
	int number;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
		address.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr), 1);
	}
	number = pending_begin(&address, count, &full);
	if (number >= 0)
		numbers[count++] = number;
	return number;
}

static void end(unsigned int i)
{
	pending_end(numbers[i]);
	numbers[i] = numbers[--count];
}

static int end_all(void **state)
{
	while (count)
		end(count - 1);
	shuts = 0;
	return 0;
}

/* There is room for it. */
static void expect_room(const char *address)
{
	unsigned int before = shuts;

	assert_true(begin(address) >= 0);
	assert_int_equal(full, 0);
	assert_int_equal(shuts, before);
}

/* @fd gives way to it. */
static void expect_shut(const char *address, unsigned int bound, int fd)
{
	unsigned int before = shuts;

	assert_true(begin(address) >= 0);
	assert_int_equal(full, bound);
	assert_int_equal(shuts, before + 1);
	assert_int_equal(shut[before], fd);
}

static void fill(const char *address)
{
	for (unsigned int i = 0; i < PENDING_OF_ADDRESS; i++)
		expect_room(address);
}

static void fill_all(void)
{
	for (unsigned int i = 0; i < PENDING_MAX; i++) {
		char address[INET_ADDRSTRLEN];

		snprintf(address, sizeof(address), "10.%u.%u.1", i >> 8, i & 255);
		expect_room(address);
	}
}

static void one_address_does_not_keep_others_out(void **state)
{
	expect_room("10.0.0.2");
	fill("10.0.0.1");
	expect_room("10.0.0.2");
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 1);
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 2);
	expect_room("10.0.0.2");
}

static void an_end_makes_room(void **state)
{
	fill("10.0.0.1");
	end(PENDING_OF_ADDRESS - 1);
	expect_room("10.0.0.1");
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 0);
}

/* One that has proven itself does not give way any more; nor is one shut twice. */
static void the_oldest_that_is_left_gives_way(void **state)
{
	fill("10.0.0.1");
	end(0);
	expect_room("10.0.0.1");
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 1);
	end(1);
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 2);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
	for (unsigned int i = 0; i < PENDING_OF_ADDRESS; i++) {
		char address[INET6_ADDRSTRLEN];

		snprintf(address, sizeof(address), "2001:db8:0:1::%x", i);
		expect_room(address);
	}
	expect_shut("2001:db8:0:1:ffff::", PENDING_OF_ADDRESS, 0);
	expect_room("2001:db8:0:2::1");
}

static void a_mapped_address_is_one_of_ipv4(void **state)
{
	fill("::ffff:10.0.0.1");
	expect_shut("10.0.0.1", PENDING_OF_ADDRESS, 0);
	expect_room("::ffff:10.0.0.2");
}

static void all_together_are_bounded(void **state)
{
	for (unsigned int round = 0; round < 2; round++) {
		fill_all();
		expect_shut("10.9.9.9", PENDING_MAX, 0);
		end_all(state);
	}
}

static void so_are_those_that_gave_way(void **state)
{
	fill_all();
	for (unsigned int i = 0; i < PENDING_SHUT; i++)
		expect_shut("10.9.9.9", PENDING_MAX, i);
	assert_int_equal(begin("10.9.9.9"), -EAGAIN);
	assert_int_equal(full, PENDING_OF_ADDRESS);
	assert_int_equal(begin("10.9.9.8"), -EAGAIN);
	assert_int_equal(full, PENDING_MAX);
	end(0);
	shuts = 0;
	expect_shut("10.9.9.8", PENDING_MAX, PENDING_SHUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_address_does_not_keep_others_out, end_all),
		cmocka_unit_test_teardown(an_end_makes_room, end_all),
		cmocka_unit_test_teardown(the_oldest_that_is_left_gives_way, end_all),
		cmocka_unit_test_teardown(a_network_of_ipv6_is_one_address, end_all),
		cmocka_unit_test_teardown(a_mapped_address_is_one_of_ipv4, end_all),
		cmocka_unit_test_teardown(all_together_are_bounded, end_all),
		cmocka_unit_test_teardown(so_are_those_that_gave_way, end_all),
	};

	return cmocka_run_group_tests_name("lender pending", tests, NULL, NULL);
}
