// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * listener - the control port.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control.h"
#include "daemon/frame.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/peer.h"

struct listener {
	struct ramsterd *d;
	uv_tcp_t tcp;
	unsigned int strangers;
	char complaint[PEER_REASON_LEN]; /* the last one logged */
	uint64_t complained_ms;
};

/* A connection that has not greeted yet. */
struct stranger {
	struct listener *listener;
	struct control *control;
	uv_timer_t timer;
};

static struct log_limit strangers_limit = LOG_LIMIT(1, 60000);

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Forgets the stranger; its connection is closed or another's by now. */
static void forget(struct stranger *s)
{
	s->listener->strangers--;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* A misconfigured peer comes back every two seconds: its complaint is logged once a minute, those of several now and then. */
static void complain(struct listener *listener, const char *what)
{
	static struct log_limit limit = LOG_LIMIT(8, 15000);
	uint64_t now = uv_now(listener->d->loop);

	if (!strcmp(what, listener->complaint) && now - listener->complained_ms < 60000)
		return;
	snprintf(listener->complaint, sizeof(listener->complaint), "%s", what);
	listener->complained_ms = now;
	log_limited(&limit, LOG_ERR, "control connection refused: %s", what);
}

static void refuse(struct stranger *s, const char *reason)
{
	s->listener->d->control_refused++;
	complain(s->listener, reason);
	control_refuse(s->control, reason);
	control_close(s->control);
	forget(s);
}

static void on_message(void *ctx, const Ramster__Message *message)
{
	struct stranger *s = ctx;
	struct ramsterd *d = s->listener->d;
	struct in_addr from = control_remote(s->control);
	char reason[PEER_REASON_LEN], address[INET_ADDRSTRLEN];
	struct peer *peer;

	inet_ntop(AF_INET, &from, address, sizeof(address));
	if (message->body_case != RAMSTER__MESSAGE__BODY_HELLO) {
		snprintf(reason, sizeof(reason), "%s sent another message before Hello", address);
		refuse(s, reason);
		return;
	}
	peer = peer_check_hello(d, message->hello, from, reason);
	if (peer && peer->node.number > d->self->number) {
		snprintf(reason, sizeof(reason),
			 "node %u connects to node %u, but the lower number connects to the higher",
			 message->hello->node, (unsigned int)d->self->number);
		peer = NULL;
	}
	if (!peer) {
		refuse(s, reason);
		return;
	}
	peer_adopt(peer, s->control, message->hello);
	forget(s);
}

static void on_ended(void *ctx, const char *why, bool malformed)
{
	struct stranger *s = ctx;
	struct in_addr from = control_remote(s->control);
	char what[PEER_REASON_LEN], address[INET_ADDRSTRLEN];

	if (malformed) {
		s->listener->d->control_malformed++;
		inet_ntop(AF_INET, &from, address, sizeof(address));
		snprintf(what, sizeof(what), "%s sent %s (is that a ramsterd?)", address, why);
		complain(s->listener, what);
	}
	control_close(s->control);
	forget(s);
}

static void on_timer(uv_timer_t *timer)
{
	struct stranger *s = timer->data;

	control_close(s->control);
	forget(s);
}

static const struct control_events events = {
	.message = on_message,
	.ended = on_ended,
};

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;
	struct stranger *s;

	if (status)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->listener = listener;
	uv_timer_init(listener->d->loop, &s->timer);
	s->timer.data = s;
	listener->strangers++;
	s->control = control_accept(&transport_tcp, stream, FRAME_LIMIT_PEER, &events, s);
	if (s->control && listener->strangers <= LISTENER_STRANGERS) {
		uv_timer_start(&s->timer, on_timer, LISTENER_HELLO_MS, 0);
		return;
	}
	if (s->control)
		log_limited(&strangers_limit, LOG_WARNING, "control connections closed: more than %d have not greeted",
			    LISTENER_STRANGERS);
	control_close(s->control);
	forget(s);
}

struct listener *listener_new(struct ramsterd *d)
{
	struct sockaddr_in address = ramsterd_address(d->self);
	struct listener *listener = calloc(1, sizeof(*listener));
	int ret;

	if (!listener)
		return NULL;
	listener->d = d;
	uv_tcp_init(d->loop, &listener->tcp);
	listener->tcp.data = listener;
	ret = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&address, 0);
	if (!ret)
		ret = uv_listen((uv_stream_t *)&listener->tcp, 64, on_connection);
	if (!ret)
		return listener;
	log_err("cannot listen on %s:%u, as cluster.conf says of %s: %s", d->self->address, (unsigned int)d->self->port,
		d->self->name, uv_strerror(ret));
	listener_free(listener);
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void listener_free(struct listener *listener)
{
	if (listener)
		uv_close((uv_handle_t *)&listener->tcp, on_closed);
}
