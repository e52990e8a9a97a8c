// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * listener - the control port.
 *
 * Connections that have not greeted are bounded, and those from other addresses than cluster.conf's, which can only be
 * refused in the end, never take the place of those from nodes.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/acceptor.h"
#include "daemon/control.h"
#include "daemon/frame.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/peer.h"

#define BACKLOG 1024 /* a flood must not keep nodes from being looked at */

struct listener {
	struct ramsterd *d;
	uv_tcp_t tcp;
	struct acceptor *acceptor;
	struct stranger *first, **last; /* the oldest first */
	unsigned int outsiders; /* of them */
	char complaint[PEER_REASON_LEN]; /* the last one logged */
	uint64_t complained_ms;
};

/* A connection that has not greeted yet. */
struct stranger {
	struct listener *listener;
	struct stranger *next, **link; /* in the listener's list */
	struct in_addr from;
	bool outsider; /* @from is no node's address */
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
	s->listener->outsiders -= s->outsider;
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	else
		s->listener->last = s->link;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* A misconfigured peer comes back every two seconds: its complaint is logged once a minute, those of several now and then. */
static void complain(struct listener *listener, const char *what)
{
	static struct log_limit limit = LOG_LIMIT_STRANGERS;
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
	char reason[PEER_REASON_LEN], address[INET_ADDRSTRLEN];
	struct peer *peer;

	inet_ntop(AF_INET, &s->from, address, sizeof(address));
	if (message->body_case != RAMSTER__MESSAGE__BODY_HELLO) {
		snprintf(reason, sizeof(reason), "%s sent another message before Hello", address);
		refuse(s, reason);
		return;
	}
	peer = peer_check_hello(d, message->hello, s->control, reason);
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

static void on_ended(void *ctx, const char *why, enum control_end end)
{
	struct stranger *s = ctx;
	char what[PEER_REASON_LEN], address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &s->from, address, sizeof(address));
	switch (end) {
	case CONTROL_MALFORMED:
		s->listener->d->control_malformed++;
		snprintf(what, sizeof(what), "%s sent %s (is that a ramsterd?)", address, why);
		complain(s->listener, what);
		break;
	case CONTROL_UNPROVEN:
		s->listener->d->control_refused++;
		snprintf(what, sizeof(what), "%s: %.200s", address, why);
		complain(s->listener, what);
		break;
	case CONTROL_LOST:
		break;
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

static bool is_nodes_address(struct ramsterd *d, struct in_addr address)
{
	struct peer *peer;

	for_each_peer(d, peer) if (ramsterd_address(&peer->node).sin_addr.s_addr == address.s_addr) return true;
	return false;
}

/* The oldest from that address, if there are as many as there may be. */
static struct stranger *one_too_many(struct listener *listener, struct in_addr from)
{
	struct stranger *oldest = NULL;
	unsigned int count = 0;

	for (struct stranger *s = listener->first; s; s = s->next) {
		if (s->from.s_addr != from.s_addr)
			continue;
		if (!oldest)
			oldest = s;
		count++;
	}
	return count >= LISTENER_STRANGERS_OF_NODE ? oldest : NULL;
}

/* Whether the new one may stay. One from a node's address takes the place of an older one from there. */
static bool admit(struct listener *listener, struct stranger *s)
{
	struct stranger *victim = s->outsider ? NULL : one_too_many(listener, s->from);

	if (victim) {
		log_limited(&strangers_limit, LOG_WARNING,
			    "a control connection closed: more than %d of one node have not "
			    "greeted",
			    LISTENER_STRANGERS_OF_NODE);
		control_close(victim->control);
		forget(victim);
	}
	if (!s->outsider || listener->outsiders < LISTENER_STRANGERS)
		return true;
	log_limited(
		&strangers_limit, LOG_WARNING,
		"control connections closed: more than %d from elsewhere than the nodes' addresses have not greeted",
		LISTENER_STRANGERS);
	return false;
}

static bool take(void *ctx)
{
	struct listener *listener = ctx;
	struct ramsterd *d = listener->d;
	struct stranger *s = calloc(1, sizeof(*s));

	if (!s)
		return false;
	s->listener = listener;
	s->control = control_accept(ramsterd_transport(d), (uv_stream_t *)&listener->tcp, d->auth, FRAME_LIMIT_PEER,
				    &events, s);
	if (!s->control) {
		free(s);
		return false;
	}
	s->from = control_remote(s->control);
	s->outsider = !is_nodes_address(d, s->from);
	if (!admit(listener, s)) {
		control_close(s->control);
		free(s);
		return true;
	}
	s->link = listener->last;
	*s->link = s;
	listener->last = &s->next;
	listener->outsiders += s->outsider;
	uv_timer_init(d->loop, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_timer, LISTENER_HELLO_MS, 0);
	return true;
}

struct listener *listener_new(struct ramsterd *d)
{
	struct sockaddr_in address = ramsterd_address(d->self);
	struct listener *listener = calloc(1, sizeof(*listener));
	int ret;

	if (!listener)
		return NULL;
	listener->d = d;
	listener->last = &listener->first;
	uv_tcp_init(d->loop, &listener->tcp);
	ret = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&address, 0);
	if (!ret)
		listener->acceptor = acceptor_new((uv_stream_t *)&listener->tcp, BACKLOG, take, listener, &ret);
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
	if (!listener)
		return;
	while (listener->first) {
		control_close(listener->first->control);
		forget(listener->first);
	}
	acceptor_free(listener->acceptor);
	listener->tcp.data = listener;
	uv_close((uv_handle_t *)&listener->tcp, on_closed);
}
