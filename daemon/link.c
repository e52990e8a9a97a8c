// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link - the data connections from this node's module to a donor's lender.
 *
 * The connection for PING and FENCE comes first: without it the module could not be sure of any other's end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/dataconn.h"
#include "daemon/link.h"
#include "daemon/log.h"
#include "daemon/peer.h"

static void open_next(struct peer *peer);

static void backoff(struct peer *peer)
{
	struct link *link = &peer->link;

	if (!link->retry_ms)
		link->retry_ms = LINK_RETRY_MIN_MS;
	link->retry_at_ms = uv_now(peer->d->loop) + link->retry_ms;
	link->retry_ms = link->retry_ms * 2 < LINK_RETRY_MAX_MS ? link->retry_ms * 2 : LINK_RETRY_MAX_MS;
}

/* The same cause is logged once, until a connection succeeds. */
static void fail(struct peer *peer, const char *why, const char *detail)
{
	backoff(peer);
	if (!strncmp(peer->link.why, why, sizeof(peer->link.why) - 1))
		return;
	snprintf(peer->link.why, sizeof(peer->link.why), "%s", why);
	log_limited(&peer->log_limit, LOG_WARNING,
		    "%s: no data connection to its lender at %s:%u: %s%s%s; trying again", peer->node.name,
		    peer->node.address, peer->link.port, why, detail ? ": " : "", detail ? detail : "");
}

static void on_done(void *ctx, const struct dataconn_result *result)
{
	struct peer *peer = ctx;
	struct link *link = &peer->link;
	struct ramsterd *d = peer->d;
	int ret;

	link->opening = NULL;
	if (result->error) {
		if (result->error == -EPERM)
			link->have_token = false;
		fail(peer, result->why, NULL);
		return;
	}
	if (result->lender_instance != link->lender_instance) {
		close(result->fd);
		link->have_token = false;
		fail(peer, "another lender answers than the one that gave the lease", NULL);
		return;
	}
	ret = kernel_conn_add(d->kernel, peer->node.number, result->lender_instance, link->number, link->role,
			      result->window, result->fd);
	close(result->fd);
	if (ret) {
		fail(peer, "the module does not take it", kernel_error(d->kernel));
		return;
	}
	log_debug("%s: data connection %u (%s), window %u", peer->node.name, link->number,
		  link->role == R2NET_ROLE_CONTROL ? "control" : "data", result->window);
	link->why[0] = 0;
	link->retry_ms = 0;
	if (link->role == R2NET_ROLE_CONTROL)
		link->control++;
	else
		link->data++;
	lease_link_changed(peer);
	open_next(peer);
}

static uint32_t highest_number(const struct kernel_view *view)
{
	uint32_t highest = 0;

	for (unsigned int i = 0; i < view->conns_len; i++)
		if (view->conns[i].conn > highest)
			highest = view->conns[i].conn;
	return highest;
}

static bool complete(const struct peer *peer)
{
	return peer->link.control && peer->link.data >= peer->d->conf->connections;
}

static void open_next(struct peer *peer)
{
	struct link *link = &peer->link;
	struct ramsterd *d = peer->d;
	struct sockaddr_in from = ramsterd_address(d->self), to = ramsterd_address(&peer->node);
	struct r2net_hello hello;

	if (link->opening || complete(peer) || !link->have_token)
		return;
	link->role = link->control ? R2NET_ROLE_DATA : R2NET_ROLE_CONTROL;
	link->number = number_next(&d->numbers, NUMBER_PATH, d->view.instance, highest_number(&d->view));
	hello = (struct r2net_hello){
		.version_min = cpu_to_le16(R2NET_VERSION),
		.version_max = cpu_to_le16(R2NET_VERSION),
		.owner = cpu_to_le32(d->self->number),
		.donor = cpu_to_le32(peer->node.number),
		.owner_instance = cpu_to_le64(d->view.instance),
		.conn = cpu_to_le32(link->number),
		.role = cpu_to_le16(link->role),
		.window = cpu_to_le16(d->conf->window),
	};
	ramsterd_random(hello.nonce, sizeof(hello.nonce));
	to.sin_port = htons(link->port);
	link->opening = dataconn_open(d->loop, &from, &to, &hello, link->token, on_done, peer);
	if (!link->opening)
		backoff(peer);
}

/* The incarnation of the lender there that the module deals with, or 0. */
static uint64_t live_lender(const struct peer *peer)
{
	const struct kernel_view *view = &peer->d->view;

	for (unsigned int i = 0; i < view->peers_len; i++)
		if (view->peers[i].node == peer->node.number && view->peers[i].state != RAMSTER_PEER_DEAD)
			return view->peers[i].lender_instance;
	return 0;
}

static void count_connections(struct peer *peer)
{
	const struct kernel_view *view = &peer->d->view;
	struct link *link = &peer->link;

	link->control = 0;
	link->data = 0;
	for (unsigned int i = 0; i < view->conns_len; i++) {
		if (view->conns[i].node != peer->node.number || view->conns[i].lender_instance != link->lender_instance)
			continue;
		if (view->conns[i].role == R2NET_ROLE_CONTROL)
			link->control++;
		else
			link->data++;
	}
}

bool link_tick(struct peer *peer, bool wanted)
{
	struct link *link = &peer->link;

	if (!link->lender_instance) {
		link->lender_instance = live_lender(peer);
		if (link->lender_instance)
			link_set_deadlines(peer);
	}
	count_connections(peer);
	if (!wanted || complete(peer) || link->opening)
		return false;
	if (!link->have_token)
		return true;
	if (uv_now(peer->d->loop) >= link->retry_at_ms)
		open_next(peer);
	return false;
}

void link_moved(struct peer *peer, uint64_t lender_instance, uint16_t port)
{
	struct link *link = &peer->link;

	if (!port || link->lender_instance != lender_instance || !link->port || link->port == port)
		return;
	link->port = port;
	link_try_soon(peer);
}

void link_try_soon(struct peer *peer)
{
	peer->link.retry_at_ms = 0;
	peer->link.retry_ms = 0;
}

bool link_ready(const struct peer *peer, uint64_t lender_instance)
{
	return peer->link.lender_instance == lender_instance && peer->link.control && peer->link.data;
}

int link_set_deadlines(struct peer *peer)
{
	const struct conf *conf = peer->d->conf;
	int ret;

	ret = kernel_peer_set(peer->d->kernel, peer->node.number, peer->link.lender_instance, conf->deadline_ms,
			      conf->slow_deadline_ms);
	if (ret)
		log_limited(&peer->log_limit, LOG_ERR, "%s: the module does not take it as a peer: %s", peer->node.name,
			    kernel_error(peer->d->kernel));
	return ret;
}

int link_admit(struct peer *peer, const uint8_t *token, uint64_t lender_instance, uint16_t port)
{
	struct link *link = &peer->link;

	if (link->lender_instance != lender_instance)
		link_reset(peer);
	memcpy(link->token, token, sizeof(link->token));
	link->have_token = true;
	link->lender_instance = lender_instance;
	link->port = port;
	return link_set_deadlines(peer);
}

void link_reset(struct peer *peer)
{
	dataconn_abandon(peer->link.opening);
	peer->link = (struct link){ 0 };
}
