// SPDX-License-Identifier: GPL-2.0-or-later
/* loop - see loop.h. */
#include <poll.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

#define HANDLES 32

int loop_peer;

static uint64_t now_ms = 1000000;

static struct timer {
	uv_timer_t *handle; /* NULL: this place is free */
	uv_timer_cb call; /* NULL: stopped */
	uint64_t at_ms, every_ms;
} timers[HANDLES];
static struct timer *timers_end = timers; /* of those that were ever taken */

static struct closing {
	uv_handle_t *handle;
	uv_close_cb call;
} closing[HANDLES];
static unsigned int closing_len;

static struct poller {
	uv_poll_t *handle; /* NULL: there is none */
	uv_poll_cb call;
	int fd;
} poller;

static struct timer *timer_of(const uv_timer_t *handle)
{
	struct timer *timer = timers;

	while (timer < timers + HANDLES && timer->handle != handle)
		timer++;
	check(timer < timers + HANDLES);
	return timer;
}

uint64_t uv_now(const uv_loop_t *loop)
{
	return now_ms;
}

const char *uv_strerror(int err)
{
	return "an error";
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
	struct timer *timer = timer_of(NULL);

	*timer = (struct timer){ .handle = handle };
	if (timer >= timers_end)
		timers_end = timer + 1;
	return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb call, uint64_t after_ms, uint64_t every_ms)
{
	struct timer *timer = timer_of(handle);

	timer->call = call;
	timer->at_ms = now_ms + after_ms;
	timer->every_ms = every_ms;
	return 0;
}

int uv_timer_stop(uv_timer_t *handle)
{
	timer_of(handle)->call = NULL;
	return 0;
}

int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd)
{
	poller = (struct poller){ .handle = handle, .fd = fd };
	return 0;
}

int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb call)
{
	check(handle == poller.handle);
	poller.call = call;
	return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb call)
{
	if (handle == (uv_handle_t *)poller.handle)
		poller = (struct poller){ 0 };
	else
		*timer_of((uv_timer_t *)handle) = (struct timer){ 0 };
	check(closing_len < HANDLES);
	closing[closing_len++] = (struct closing){ handle, call };
}

int loop_socket(void)
{
	int fds[2];

	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	loop_peer = fds[1];
	return fds[0];
}

bool loop_readable(void)
{
	struct pollfd at = { .fd = poller.fd, .events = POLLIN };

	return poller.handle && poll(&at, 1, 0) == 1;
}

void loop_poll(void)
{
	if (poller.handle)
		poller.call(poller.handle, 0, UV_READABLE);
}

void loop_let_pass(uint64_t ms)
{
	uint64_t end_ms = now_ms + ms;

	/* A second at a time, as who watches the clock expects it. */
	while (now_ms < end_ms) {
		now_ms += end_ms - now_ms < 1000 ? end_ms - now_ms : 1000;
		for (struct timer *timer = timers; timer < timers_end; timer++) {
			uv_timer_cb call = timer->call;

			if (!call || timer->at_ms > now_ms)
				continue;
			timer->at_ms = now_ms + timer->every_ms;
			if (!timer->every_ms)
				timer->call = NULL;
			call(timer->handle);
		}
	}
}

void loop_run_closed(void)
{
	for (unsigned int i = 0; i < closing_len; i++)
		closing[i].call(closing[i].handle);
	closing_len = 0;
}
