// SPDX-License-Identifier: GPL-2.0-or-later
/* lender_fixture - see lender_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/lender_fixture.h"

struct wire_lender lender;
uint32_t next_conn;
uint32_t statuses[R2NET_MAX_ITEMS];
_Alignas(8) uint8_t payload[R2NET_MAX_LENGTH];
uint8_t back[R2NET_MAX_LENGTH];

int lender_set_up(void **state)
{
	next_conn = 1;
	if (!wire_lender_start(&lender, "64M"))
		return -1;
	return wire_admit(lender.door, OWNER, INSTANCE, TOKEN) ||
	       wire_admit(lender.door, OTHER_OWNER, INSTANCE, OTHER_TOKEN);
}

int lender_tear_down(void **state)
{
	struct lender_lease made;
	struct r2net_item item;
	int fd;

	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE, TOKEN), 0);
	made = lease(SIZE);
	item = wire_item(&made, 4096, 4096);
	fd = join(R2NET_ROLE_DATA);
	fill_payload(4096);
	exchange(fd, true, &item, 1, NULL);
	exchange(fd, false, &item, 1, NULL);
	assert_int_equal(statuses[0], R2NET_OK);
	assert_memory_equal(payload, back, 4096);
	close(fd);
	return wire_lender_stop(&lender);
}

int join(enum r2net_role role)
{
	int fd = wire_join(lender.port, OWNER, INSTANCE, TOKEN, next_conn++, role);

	assert_true(fd >= 0);
	return fd;
}

int join_status(uint64_t instance, uint8_t token, uint32_t conn)
{
	struct wire_hello hello;
	int fd = wire_connect(lender.port), status;

	assert_true(fd >= 0);
	wire_hello_fill(&hello, OWNER, instance, token, conn, R2NET_ROLE_DATA);
	status = wire_hello(fd, &hello, NULL);
	close(fd);
	return status;
}

struct lender_lease lease(uint32_t size)
{
	struct lender_lease made;

	assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, size, 1, &made), 1);
	return made;
}

void fill_payload(size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		payload[i] = random();
}

void exchange(int fd, bool write, const struct r2net_item *items, unsigned int count, size_t *length)
{
	static uint64_t tag = 1000;
	uint64_t got;

	tag++;
	assert_true(write ? wire_write(fd, tag, items, count, payload) : wire_read(fd, tag, items, count));
	assert_int_equal(wire_answer(fd, &got, statuses, write ? NULL : back, length), count);
	assert_int_equal(got, tag);
}

void expect_answer(int fd, uint64_t tag, uint32_t status)
{
	uint64_t got;

	assert_int_equal(wire_answer(fd, &got, statuses, NULL, NULL), 1);
	assert_int_equal(got, tag);
	assert_int_equal(statuses[0], status);
}

void wait_for_connections(unsigned int count)
{
	time_t until = time(NULL) + WIRE_TIMEOUT_S;

	while (wire_status(lender.door).connections != count)
		assert_true(time(NULL) <= until);
}
