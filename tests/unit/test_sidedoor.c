// SPDX-License-Identifier: GPL-2.0-or-later
/* Owners take turns at the lender: sidedoor.c over a real socket and loop, with a lender of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sidedoor.h"

#define SELF 9

static uv_loop_t loop;
static struct sidedoor *door;
static char path[64];
static int listener, lender;
static unsigned int opened, answered, failed;

static void on_opened(void *ctx)
{
	opened++;
}

static void nothing(void *ctx)
{
}

static const struct sidedoor_events events = { .opened = on_opened, .closed = nothing, .changed = nothing };

static void on_answer(void *ctx, int error, const struct lender_reply *reply)
{
	answered += !error;
	failed += error == -ENOTCONN;
}

/* The lender takes a request, which is returned, and answers it. */
static struct lender_request serve(void)
{
	const struct lender_reply reply = { .status = { .instance = 1, .donor = SELF } };
	struct lender_request request;

	while (recv(lender, &request, sizeof(request), MSG_DONTWAIT) != sizeof(request))
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(send(lender, &reply, sizeof(reply), 0), sizeof(reply));
	return request;
}

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	opened = answered = failed = 0;
	snprintf(path, sizeof(path), "/tmp/test_sidedoor.%d", getpid());
	strcpy(address.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		return -1;
	uv_loop_init(&loop);
	door = sidedoor_new(&loop, path, SELF, &events, NULL);
	uv_run(&loop, UV_RUN_ONCE); /* it connects */
	lender = accept(listener, NULL, NULL);
	serve();
	while (!opened)
		uv_run(&loop, UV_RUN_ONCE);
	return 0;
}

static int teardown(void **state)
{
	sidedoor_free(door);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(lender);
	close(listener);
	unlink(path);
	return uv_loop_close(&loop);
}

static void call(uint32_t command, uint32_t owner, uint32_t count)
{
	const struct lender_request request = { .command = command, .owner = owner, .count = count };

	assert_int_equal(sidedoor_call(door, &request, on_answer, NULL), 0);
}

static void assert_next(uint32_t command, uint32_t owner, uint32_t count)
{
	const struct lender_request request = serve();

	assert_int_equal(request.command, command);
	assert_int_equal(request.owner, owner);
	assert_int_equal(request.count, count);
}

/* However much one asks, another waits for what is at the lender and for one of each other's; its own stay in order. */
static void test_turns(void **state)
{
	for (unsigned int i = 0; i < 200; i++)
		call(LENDER_RELEASE, 1, i);
	call(LENDER_ADMIT, 2, 0);
	call(LENDER_LEASE, 2, 1);
	call(LENDER_LIST, SELF, 0);
	call(LENDER_LIMIT, 0, 0);
	assert_next(LENDER_RELEASE, 1, 0);
	assert_next(LENDER_ADMIT, 2, 0);
	assert_next(LENDER_RELEASE, 1, 1);
	assert_next(LENDER_LEASE, 2, 1);
	assert_next(LENDER_LIST, SELF, 0);
	assert_next(LENDER_RELEASE, 1, 2);
	call(LENDER_EXPEL, 3, 0);
	assert_next(LENDER_LIMIT, 0, 0);
	assert_next(LENDER_EXPEL, 3, 0);
	assert_next(LENDER_RELEASE, 1, 3);
	for (unsigned int i = 4; i < 200; i++)
		assert_next(LENDER_RELEASE, 1, i);
	call(LENDER_ADMIT, 2, 0);
	call(LENDER_RELEASE, 1, 0);
	assert_next(LENDER_ADMIT, 2, 0);
	assert_next(LENDER_RELEASE, 1, 0);
	while (answered < 207)
		uv_run(&loop, UV_RUN_ONCE);
}

static void test_lender_gone(void **state)
{
	call(LENDER_LIST, 1, 0);
	call(LENDER_LIST, 1, 0);
	call(LENDER_LIST, 2, 0);
	close(lender);
	while (failed < 3)
		uv_run(&loop, UV_RUN_ONCE);
	assert_null(sidedoor_status(door));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lender_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
