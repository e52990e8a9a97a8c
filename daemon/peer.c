// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer - another node of the cluster, and the control connection with its ramsterd.
 *
 * transition() makes every change of state; all else decides only which.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/donor.h"
#include "daemon/giveback.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/membership.h"
#include "daemon/peer.h"
#include "daemon/revoke.h"

static const struct control_events control_events;

static void on_timer(uv_timer_t *timer);

static bool connects(const struct peer *peer)
{
	return peer->d->self->number < peer->node.number;
}

static void set_timer(struct peer *peer, uint64_t after_ms, uint64_t every_ms)
{
	uv_timer_start(&peer->timer, on_timer, after_ms, every_ms);
}

static void enter_idle(struct peer *peer, enum peer_state from, const char *why)
{
	control_close(peer->control);
	peer->control = NULL;
	peer->offer = (struct offer){ 0 };
	peer->told = (struct offer){ 0 };
	if (from == PEER_UP)
		log_limited(&peer->log_limit, LOG_WARNING, "%s: down: %s", peer->node.name, why);
	else if (strcmp(peer->reason, why))
		log_limited(&peer->log_limit, LOG_WARNING, "%s: not connected: %s%s", peer->node.name, why,
			    connects(peer) ? "; trying again" : "");
	snprintf(peer->reason, sizeof(peer->reason), "%s", why);
	uv_timer_stop(&peer->timer);
	if (!connects(peer))
		return;
	set_timer(peer, peer->retry_ms, 0);
	peer->retry_ms = peer->retry_ms * 2 < PEER_RETRY_MAX_MS ? peer->retry_ms * 2 : PEER_RETRY_MAX_MS;
}

static void enter_up(struct peer *peer)
{
	peer->session = ++peer->d->sessions;
	giveback_forget(peer);
	peer->retry_ms = PEER_RETRY_MIN_MS;
	peer->silent = 0;
	peer->reason[0] = 0;
	log_limited(&peer->log_limit, LOG_INFO, "%s: up", peer->node.name);
	set_timer(peer, PEER_PING_MS, PEER_PING_MS);
}

/* @why: for PEER_IDLE */
static void transition(struct peer *peer, enum peer_state to, const char *why)
{
	enum peer_state from = peer->state;

	peer->state = to;
	switch (to) {
	case PEER_IDLE:
		enter_idle(peer, from, why);
		break;
	case PEER_CONNECTING:
	case PEER_GREETING:
		set_timer(peer, PEER_GREETING_MS, 0);
		break;
	case PEER_UP:
		enter_up(peer);
		break;
	}
	if (from == PEER_UP)
		peer->up_ms = uv_now(peer->d->loop);
	if ((from == PEER_UP) != (to == PEER_UP))
		peer->d->membership->control_changed(peer, to == PEER_UP);
	if (to == PEER_UP)
		peer_advertise_all(peer->d);
}

static void __attribute__((format(printf, 2, 3))) down(struct peer *peer, const char *fmt, ...)
{
	char why[PEER_REASON_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_printable(why);
	transition(peer, PEER_IDLE, why);
}

static void begin_connecting(struct peer *peer)
{
	const struct transport_target target = {
		.from = ramsterd_address(peer->d->self),
		.to = ramsterd_address(&peer->node),
		.auth = peer->d->auth,
		.node = peer->node.number,
	};
	int error;

	peer->control =
		control_connect(ramsterd_transport(peer->d), peer->d->loop, &target, &control_events, peer, &error);
	if (peer->control)
		transition(peer, PEER_CONNECTING, NULL);
	else
		down(peer, "cannot connect from %s to %s:%u: %s", peer->d->self->address, peer->node.address,
		     ntohs(target.to.sin_port), uv_strerror(error));
}

static void ping(struct peer *peer)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Ping body = RAMSTER__PING__INIT;

	if (peer->silent++ >= PEER_SILENT_PINGS) {
		down(peer, "no word from it for %d s", PEER_SILENT_PINGS * PEER_PING_MS / 1000);
		return;
	}
	message.body_case = RAMSTER__MESSAGE__BODY_PING;
	message.ping = &body;
	if (!peer->spoke)
		peer_send(peer, &message);
	peer->spoke = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct peer *peer = timer->data;

	switch (peer->state) {
	case PEER_IDLE:
		begin_connecting(peer);
		break;
	case PEER_CONNECTING:
		down(peer, "%s:%u does not answer", peer->node.address, (unsigned int)peer->node.port);
		break;
	case PEER_GREETING:
		down(peer, "it accepts connections but does not greet (is that a ramsterd?)");
		break;
	case PEER_UP:
		ping(peer);
		break;
	}
}

static int send_hello(struct peer *peer)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Hello hello = RAMSTER__HELLO__INIT;

	hello.protocol = CONTROL_PROTOCOL;
	hello.cluster = peer->d->conf->cluster;
	hello.node = peer->d->self->number;
	hello.to = peer->node.number;
	hello.owner_instance = peer->d->view.instance;
	message.body_case = RAMSTER__MESSAGE__BODY_HELLO;
	message.hello = &hello;
	return control_send(peer->control, &message);
}

static void on_opened(void *ctx)
{
	struct peer *peer = ctx;
	int ret = send_hello(peer);

	if (ret)
		down(peer, "cannot send: %s", uv_strerror(ret));
	else
		transition(peer, PEER_GREETING, NULL);
}

static void on_ended(void *ctx, const char *why, enum control_end end)
{
	struct peer *peer = ctx;

	if (end == CONTROL_MALFORMED) {
		peer->d->control_malformed++;
		down(peer, "it sent %s", why);
	} else {
		down(peer, "%s", why);
	}
}

struct peer *peer_check_hello(struct ramsterd *d, const Ramster__Hello *hello, struct control *control,
			      char reason[PEER_REASON_LEN])
{
	struct peer *peer = hello->node < R2NET_MAX_NODES ? d->peers[hello->node] : NULL;
	struct in_addr from = control_remote(control);
	const char *key = control_key(control);
	char address[INET_ADDRSTRLEN];
	int proven = control_node(control);

	inet_ntop(AF_INET, &from, address, sizeof(address));
	if (hello->protocol != CONTROL_PROTOCOL)
		snprintf(reason, PEER_REASON_LEN, "%s speaks control protocol %u, %s (%s) speaks %u", address,
			 hello->protocol, d->self->name, d->self->address, CONTROL_PROTOCOL);
	else if (strcmp(hello->cluster, d->conf->cluster))
		snprintf(reason, PEER_REASON_LEN, "%s is of cluster \"%.63s\", %s (%s) of \"%s\"", address,
			 hello->cluster, d->self->name, d->self->address, d->conf->cluster);
	else if (hello->to != d->self->number)
		snprintf(reason, PEER_REASON_LEN,
			 "%s believes %s (%s) to be node %u, it is node %u: compare cluster.conf", address,
			 d->self->name, d->self->address, hello->to, (unsigned int)d->self->number);
	else if (proven >= 0 && hello->node != (unsigned int)proven)
		snprintf(reason, PEER_REASON_LEN, "%s has proven to be node %d, but says to be node %u", address,
			 proven, hello->node);
	else if (key && !authkeys_find(&d->auth->keys, key))
		snprintf(reason, PEER_REASON_LEN, "key %s of %s was retired just now", key, address);
	else if (!peer)
		snprintf(reason, PEER_REASON_LEN, "node %u at %s is not in the cluster.conf of %s", hello->node,
			 address, d->self->name);
	else if (from.s_addr != ramsterd_address(&peer->node).sin_addr.s_addr)
		snprintf(reason, PEER_REASON_LEN, "node %u connects from %s, in the cluster.conf of %s it is %s",
			 hello->node, address, d->self->name, peer->node.address);
	else
		return peer;
	return NULL;
}

void peer_keys_changed(struct peer *peer)
{
	const char *key = peer->control ? control_key(peer->control) : NULL;

	if (key && !authkeys_find(&peer->d->auth->keys, key))
		down(peer, "key %s, by which it was connected, is retired", key);
}

static void take_offer(struct peer *peer, const struct offer *offer)
{
	bool owner = offer->owner_instance != peer->offer.owner_instance;

	peer->offer = *offer;
	if (owner)
		donor_owner_seen(peer->d->donor, peer);
	lease_offer_changed(peer);
}

void peer_take_offer(struct peer *peer, const struct offer *offer)
{
	if (peer->state == PEER_UP)
		take_offer(peer, offer);
}

/* Hello tells the module's instance; a membership that carries offers may know more. */
static void take_hello(struct peer *peer, const Ramster__Hello *hello)
{
	const struct offer *known = peer->d->membership->offer(peer);

	peer_take_offer(peer, known ? known : &(struct offer){ .owner_instance = hello->owner_instance });
}

static void on_hello(struct peer *peer, const Ramster__Hello *hello)
{
	char reason[PEER_REASON_LEN];
	struct peer *said = peer_check_hello(peer->d, hello, peer->control, reason);

	if (said != peer || peer->state != PEER_GREETING) {
		peer->d->control_refused++;
		if (said)
			snprintf(reason, sizeof(reason), "a Hello of node %u where none of it was expected",
				 hello->node);
		control_refuse(peer->control, reason);
		down(peer, "refused: %s", reason);
		return;
	}
	transition(peer, PEER_UP, NULL);
	take_hello(peer, hello);
}

static void on_advertise(struct peer *peer, const Ramster__Advertise *a)
{
	const struct offer offer = offer_unpack(a);

	if (!peer->d->membership->offer(peer))
		take_offer(peer, &offer);
}

static void on_message(void *ctx, const Ramster__Message *message)
{
	struct peer *peer = ctx;
	const char *wrong = NULL;

	peer->silent = 0;
	if (message->body_case == RAMSTER__MESSAGE__BODY_HELLO) {
		on_hello(peer, message->hello);
		return;
	}
	if (message->body_case == RAMSTER__MESSAGE__BODY_REFUSE) {
		down(peer, "it refuses: %.200s", message->refuse->reason);
		return;
	}
	if (peer->state != PEER_UP) {
		on_ended(peer, "another message before Hello", CONTROL_MALFORMED);
		return;
	}
	switch (message->body_case) {
	case RAMSTER__MESSAGE__BODY_PING:
		break;
	case RAMSTER__MESSAGE__BODY_ADVERTISE:
		on_advertise(peer, message->advertise);
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_REQUEST:
		wrong = donor_on_request(peer->d->donor, peer, message->lease_request);
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_RETURN:
		wrong = donor_on_return(peer->d->donor, peer, message->lease_return);
		break;
	case RAMSTER__MESSAGE__BODY_LIST_LEASES:
		wrong = donor_on_list(peer->d->donor, peer, message->list_leases);
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_GRANT:
		lease_on_grant(peer, message->lease_grant);
		break;
	case RAMSTER__MESSAGE__BODY_DRAIN:
		revoke_drain(peer->d->revoke, message->drain->on);
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_REVOKE:
		giveback_on_revoke(peer, message->lease_revoke);
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_LIST:
		wrong = lease_on_list(peer, message->lease_list);
		break;
	default:
		wrong = "a message that is not for daemons";
	}
	if (wrong)
		on_ended(peer, wrong, CONTROL_MALFORMED);
}

static const struct control_events control_events = {
	.opened = on_opened,
	.message = on_message,
	.ended = on_ended,
};

void peer_adopt(struct peer *peer, struct control *control, const Ramster__Hello *hello)
{
	int ret;

	if (peer->state != PEER_IDLE)
		down(peer, "it connected anew");
	control_hand_over(control, &control_events, peer);
	peer->control = control;
	ret = send_hello(peer);
	if (ret) {
		down(peer, "cannot send: %s", uv_strerror(ret));
		return;
	}
	transition(peer, PEER_UP, NULL);
	take_hello(peer, hello);
}

void peer_send(struct peer *peer, const Ramster__Message *message)
{
	int ret;

	if (peer->state != PEER_UP)
		return;
	peer->spoke = true;
	ret = control_send(peer->control, message);
	if (ret)
		down(peer, "cannot send: %s", uv_strerror(ret));
}

void peer_advertise(struct peer *peer)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Advertise body;
	struct offer offer = lend_offer(peer->d);

	if (peer->state != PEER_UP || !memcmp(&offer, &peer->told, sizeof(offer)))
		return;
	peer->told = offer;
	offer_pack(&offer, &body);
	message.body_case = RAMSTER__MESSAGE__BODY_ADVERTISE;
	message.advertise = &body;
	peer_send(peer, &message);
}

void peer_advertise_all(struct ramsterd *d)
{
	d->membership->advertise(d);
}

void peer_set_member(struct peer *peer, bool member)
{
	if (peer->member == member)
		return;
	peer->member = member;
	lease_member_changed(peer);
}

bool peer_is_usable(const struct peer *peer)
{
	return peer->member && peer->state == PEER_UP;
}

const char *peer_state_name(const struct peer *peer)
{
	static const char *const names[] = { "down", "connecting", "connecting", "up" };

	return names[peer->state];
}

struct peer *peer_new(struct ramsterd *d, const struct conf_node *node)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->d = d;
	peer->node = *node;
	peer->up_ms = uv_now(d->loop);
	peer->retry_ms = PEER_RETRY_MIN_MS;
	peer->log_limit = (struct log_limit)LOG_LIMIT(20, 6000);
	uv_timer_init(d->loop, &peer->timer);
	peer->timer.data = peer;
	snprintf(peer->reason, sizeof(peer->reason), "not connected yet");
	if (connects(peer))
		set_timer(peer, 0, 0);
	return peer;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void peer_free(struct peer *peer)
{
	peer_set_member(peer, false);
	link_reset(peer);
	lease_reset(peer);
	control_close(peer->control);
	peer->control = NULL;
	peer->state = PEER_IDLE;
	uv_close((uv_handle_t *)&peer->timer, on_timer_closed);
}
