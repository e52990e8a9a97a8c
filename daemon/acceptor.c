// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * acceptor - see acceptor.h.
 *
 * libuv does not look at a listener again before the connection that it has told of is accepted. That is done by a
 * timer, which comes once in a round.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/acceptor.h"

struct acceptor {
	uv_timer_t timer;
	bool (*take)(void *ctx);
	void *ctx;
};

static void on_timer(uv_timer_t *timer)
{
	struct acceptor *acceptor = timer->data;

	if (!acceptor->take(acceptor->ctx))
		uv_timer_start(timer, on_timer, ACCEPTOR_RETRY_MS, 0);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct acceptor *acceptor = stream->data;

	if (!status)
		uv_timer_start(&acceptor->timer, on_timer, 0, 0);
}

static void on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

struct acceptor *acceptor_new(uv_stream_t *stream, int backlog, bool (*take)(void *ctx), void *ctx, int *error)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

	*error = -ENOMEM;
	if (!acceptor)
		return NULL;
	acceptor->take = take;
	acceptor->ctx = ctx;
	uv_timer_init(stream->loop, &acceptor->timer);
	acceptor->timer.data = acceptor;
	stream->data = acceptor;
	*error = uv_listen(stream, backlog, on_connection);
	if (!*error)
		return acceptor;
	acceptor_free(acceptor);
	return NULL;
}

void acceptor_free(struct acceptor *acceptor)
{
	if (acceptor)
		uv_close((uv_handle_t *)&acceptor->timer, on_closed);
}
