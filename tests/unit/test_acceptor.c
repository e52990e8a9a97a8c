// SPDX-License-Identifier: GPL-2.0-or-later
/* Whoever connects without end has one connection taken in each round of the loop: over a real socket and loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/acceptor.h"

#define CLIENTS 20

static uv_loop_t loop;
static uv_pipe_t listener;
static struct acceptor *acceptor;
static int clients[CLIENTS];
static unsigned int taken;
static bool no_memory;
static char path[64];

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static bool take(void *ctx)
{
	uv_pipe_t *pipe;

	if (no_memory)
		return false;
	pipe = malloc(sizeof(*pipe));
	assert_ptr_equal(ctx, &taken);
	assert_int_equal(uv_pipe_init(&loop, pipe, 0), 0);
	assert_int_equal(uv_accept((uv_stream_t *)&listener, (uv_stream_t *)pipe), 0);
	uv_close((uv_handle_t *)pipe, on_closed);
	taken++;
	return true;
}

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	snprintf(path, sizeof(path), "/tmp/test_acceptor.%d", getpid());
	strcpy(address.sun_path, path);
	unlink(path);
	taken = 0;
	no_memory = false;
	uv_loop_init(&loop);
	uv_pipe_init(&loop, &listener, 0);
	if (uv_pipe_bind(&listener, path))
		return -1;
	acceptor = acceptor_new((uv_stream_t *)&listener, CLIENTS, take, &taken, &error);
	if (!acceptor)
		return -1;
	for (unsigned int i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(clients[i], (struct sockaddr *)&address, sizeof(address)))
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	acceptor_free(acceptor);
	uv_close((uv_handle_t *)&listener, NULL);
	for (unsigned int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	uv_run(&loop, UV_RUN_DEFAULT);
	unlink(path);
	return uv_loop_close(&loop);
}

static void test_one_in_a_round(void **state)
{
	unsigned int before;

	while (taken < CLIENTS) {
		before = taken;
		uv_run(&loop, UV_RUN_ONCE);
		assert_true(taken <= before + 1);
	}
}

/* None is forgotten for want of memory, nor is the loop kept busy by it meanwhile. */
static void test_no_memory(void **state)
{
	unsigned int rounds;
	uint64_t begun;

	no_memory = true;
	begun = uv_hrtime();
	for (rounds = 0; uv_hrtime() - begun < 3 * ACCEPTOR_RETRY_MS * 1000000ULL; rounds++)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(taken, 0);
	assert_in_range(rounds, 1, 20);
	no_memory = false;
	while (taken < CLIENTS)
		uv_run(&loop, UV_RUN_ONCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_in_a_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
