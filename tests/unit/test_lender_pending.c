// SPDX-License-Identifier: GPL-2.0-or-later
/* How many connections that have not proven anything an address may have. */
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

static int numbers[PENDING_MAX];
static unsigned int count;

static int begin(const char *text)
{
	struct sockaddr_storage address = { .ss_family = AF_INET };
	int number;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
		address.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr), 1);
	}
	number = pending_begin(&address);
	if (number >= 0)
		numbers[count++] = number;
	return number;
}

static int end_all(void **state)
{
	while (count)
		pending_end(numbers[--count]);
	return 0;
}

static void fill(const char *address)
{
	for (unsigned int i = 0; i < PENDING_OF_ADDRESS; i++)
		assert_true(begin(address) >= 0);
	assert_int_equal(begin(address), -EUSERS);
}

static void one_address_does_not_keep_others_out(void **state)
{
	fill("10.0.0.1");
	assert_true(begin("10.0.0.2") >= 0);
	assert_int_equal(begin("10.0.0.1"), -EUSERS);
}

static void an_end_makes_room(void **state)
{
	fill("10.0.0.1");
	pending_end(numbers[--count]);
	assert_true(begin("10.0.0.1") >= 0);
	assert_int_equal(begin("10.0.0.1"), -EUSERS);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
	for (unsigned int i = 0; i < PENDING_OF_ADDRESS; i++) {
		char address[INET6_ADDRSTRLEN];

		snprintf(address, sizeof(address), "2001:db8:0:1::%x", i);
		assert_true(begin(address) >= 0);
	}
	assert_int_equal(begin("2001:db8:0:1:ffff::"), -EUSERS);
	assert_true(begin("2001:db8:0:2::1") >= 0);
}

static void a_mapped_address_is_one_of_ipv4(void **state)
{
	for (unsigned int i = 0; i < PENDING_OF_ADDRESS; i++)
		assert_true(begin("::ffff:10.0.0.1") >= 0);
	assert_int_equal(begin("10.0.0.1"), -EUSERS);
	assert_true(begin("::ffff:10.0.0.2") >= 0);
}

static void all_together_are_bounded(void **state)
{
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < PENDING_MAX; i++) {
			char address[INET_ADDRSTRLEN];

			snprintf(address, sizeof(address), "10.%u.%u.1", i >> 8, i & 255);
			assert_true(begin(address) >= 0);
		}
		assert_int_equal(begin("10.9.9.9"), -ENFILE);
		end_all(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_address_does_not_keep_others_out, end_all),
		cmocka_unit_test_teardown(an_end_makes_room, end_all),
		cmocka_unit_test_teardown(a_network_of_ipv6_is_one_address, end_all),
		cmocka_unit_test_teardown(a_mapped_address_is_one_of_ipv4, end_all),
		cmocka_unit_test_teardown(all_together_are_bounded, end_all),
	};

	return cmocka_run_group_tests_name("lender pending", tests, NULL, NULL);
}
