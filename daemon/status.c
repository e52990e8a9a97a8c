// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status - all that `ramster` shows, gathered into one message.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/donor.h"
#include "daemon/lend.h"
#include "daemon/membership.h"
#include "daemon/owners.h"
#include "daemon/peer.h"
#include "daemon/revoke.h"
#include "daemon/status.h"

#define PAGE 4096ULL
#define VERDICT_LEN 2048

struct status {
	Ramster__Status message;
	Ramster__LenderStatus lender;
	Ramster__Counter counters[KERNEL_MAX_COUNTERS], *counter_pointers[KERNEL_MAX_COUNTERS];
	Ramster__NodeStatus nodes[R2NET_MAX_NODES], *node_pointers[R2NET_MAX_NODES];
	Ramster__OwnerStatus owners[R2NET_MAX_NODES]; /* by the order of nodes[] */
	char *frontends[3];
	char *keys[AUTHKEY_MAX];
	char membership[PEER_REASON_LEN];
	bool membership_good;
	char reasons[R2NET_MAX_NODES][PEER_REASON_LEN]; /* by the order of nodes[] */
	char verdict[VERDICT_LEN];
	char complaints[VERDICT_LEN];
};

static void __attribute__((format(printf, 2, 3))) append(char text[VERDICT_LEN], const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, VERDICT_LEN - len, fmt, ap);
	va_end(ap);
}

#define complain(s, ...)                                                                                               \
	do {                                                                                                           \
		append((s)->complaints, "%s", (s)->complaints[0] ? "; " : "");                                         \
		append((s)->complaints, __VA_ARGS__);                                                                  \
	} while (0)

static void gather_module(struct status *s, struct ramsterd *d)
{
	Ramster__Status *m = &s->message;

	m->module = d->view.instance;
	m->owner_instance = d->view.instance;
	m->need = d->view.need;
	m->frontends = s->frontends;
	if (d->view.frontends & RAMSTER_FRONTEND_SWAPDEV)
		s->frontends[m->n_frontends++] = "swapdev";
	if (d->view.frontends & RAMSTER_FRONTEND_FRONTSWAP_REMOTE)
		s->frontends[m->n_frontends++] = "frontswap";
	else if (d->view.frontends & RAMSTER_FRONTEND_FRONTSWAP)
		s->frontends[m->n_frontends++] = "frontswap (local only)";
	m->counters = s->counter_pointers;
	for (unsigned int i = 0; i < d->view.counters_len; i++) {
		Ramster__Counter *counter = &s->counters[m->n_counters];

		ramster__counter__init(counter);
		counter->name = d->view.counters[i].name;
		counter->value = d->view.counters[i].value;
		s->counter_pointers[m->n_counters++] = counter;
	}
}

static void gather_lender(struct status *s, struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	Ramster__LenderStatus *m = &s->lender;

	ramster__lender_status__init(m);
	s->message.lender = m;
	m->lend = (char *)lend_mode_name(d);
	m->reserve = lend_reserve(d);
	if (!status)
		return;
	m->present = true;
	m->instance = status->instance;
	m->limit = status->limit;
	m->lent = status->lent;
	m->wanted_back = lend_to_revoke(d);
	m->read_items = status->read_items;
	m->read_bytes = status->read_bytes;
	m->write_items = status->write_items;
	m->write_bytes = status->write_bytes;
	m->refused_hello = status->refused_hello;
	m->malformed = status->malformed;
	m->stale = status->stale;
	m->range = status->range;
	m->connections = status->connections;
	m->extents = status->extents;
}

/* What the module says of a node: the living incarnation of its lender, or the dead one if there is no other. */
static void gather_dealings(Ramster__NodeStatus *m, const struct kernel_view *view)
{
	static const Ramster__NodeStatus__Data states[] = {
		[RAMSTER_PEER_DOWN] = RAMSTER__NODE_STATUS__DATA__DOWN,
		[RAMSTER_PEER_UP] = RAMSTER__NODE_STATUS__DATA__UP,
		[RAMSTER_PEER_LATE] = RAMSTER__NODE_STATUS__DATA__LATE,
		[RAMSTER_PEER_DEAD] = RAMSTER__NODE_STATUS__DATA__DEAD,
	};

	for (unsigned int i = 0; i < view->peers_len; i++) {
		const struct kernel_peer *p = &view->peers[i];

		if (p->node != m->number || p->state > RAMSTER_PEER_DEAD ||
		    (p->state == RAMSTER_PEER_DEAD && m->data != RAMSTER__NODE_STATUS__DATA__NONE))
			continue;
		m->data = states[p->state];
		m->extents = p->extents;
		m->space = p->space;
		m->used = p->used;
		m->pages = p->pages;
		m->rtt_us = p->rtt_us;
		m->wanted_back = p->extents ? p->space / p->extents * p->leaving : 0;
	}
	for (unsigned int i = 0; i < view->conns_len; i++) {
		if (view->conns[i].node != m->number)
			continue;
		m->connections++;
		m->tx_bytes += view->conns[i].tx_bytes;
		m->rx_bytes += view->conns[i].rx_bytes;
	}
}

static void gather_membership(struct status *s, struct ramsterd *d)
{
	s->membership_good = d->membership->describe(d, s->membership);
	s->message.membership = (char *)d->membership->name;
	s->message.membership_state = s->membership;
}

static void gather_owner(Ramster__NodeStatus *node, Ramster__OwnerStatus *m, const struct lender_owner *owner)
{
	if (!owner)
		return;
	ramster__owner_status__init(m);
	node->owner = m;
	m->connections = owner->connections;
	m->bandwidth = owner->bandwidth;
	m->in_bytes = owner->in_bytes;
	m->out_bytes = owner->out_bytes;
	m->frames = owner->frames;
	m->waits = owner->waits;
	m->throttled_ms = owner->throttled_ms;
	m->refused = owner->refused;
}

static void gather_node(struct status *s, struct ramsterd *d, const struct conf_node *node)
{
	Ramster__NodeStatus *m = &s->nodes[s->message.n_nodes];
	const struct peer *peer = d->peers[node->number];
	const struct offer own = lend_offer(d), *offer = peer ? &peer->offer : &own;
	Ramster__OwnerStatus *owner = &s->owners[s->message.n_nodes];
	char *reason = s->reasons[s->message.n_nodes];

	ramster__node_status__init(m);
	s->node_pointers[s->message.n_nodes++] = m;
	m->number = node->number;
	m->name = (char *)node->name;
	m->address = (char *)node->address;
	m->port = node->port;
	m->data_port = offer->data_port ? offer->data_port : node->data_port;
	m->local = !peer;
	m->member = !peer || peer->member;
	m->free = offer->free;
	m->lent = offer->lent;
	m->borrowing = offer->borrowing;
	m->draining = offer->draining;
	m->lender_instance = offer->lender_instance;
	if (!peer)
		return;
	m->held = donor_held(d->donor, node->number);
	m->quota = conf_quota(d->conf, node->number) == CONF_NO_QUOTA ? 0 : conf_quota(d->conf, node->number);
	gather_owner(m, owner, owners_look(d->owners, node->number));
	m->control = (char *)peer_state_name(peer);
	d->membership->reason(peer, reason);
	m->reason = reason;
	gather_dealings(m, &d->view);
}

/* A membership that is not as it should be says for all nodes at once why they are no members. */
static void judge_nodes(struct status *s)
{
	if (!s->membership_good)
		complain(s, "%s", s->membership);
	for (size_t i = 0; i < s->message.n_nodes; i++) {
		const Ramster__NodeStatus *node = &s->nodes[i];

		if (!node->member && s->membership_good)
			complain(s, "%s is not up (%.120s)", node->name, node->reason);
		if (node->data == RAMSTER__NODE_STATUS__DATA__LATE)
			complain(s, "%s answers late", node->name);
		else if (node->data == RAMSTER__NODE_STATUS__DATA__DOWN && node->pages)
			complain(s, "%" PRIu64 " pages are on %s, without a data connection", node->pages, node->name);
	}
}

static void judge_unknown(struct status *s, const struct ramsterd *d)
{
	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];

		if (p->state != RAMSTER_PEER_DEAD && p->pages && !conf_node_by_number(d->conf, p->node))
			complain(s, "%" PRIu64 " pages are on node %u, which is not in cluster.conf", p->pages,
				 p->node);
	}
}

static void gather_keys(struct status *s, struct ramsterd *d)
{
	s->message.authenticated = !!d->auth;
	s->message.keys = s->keys;
	for (unsigned int i = 0; d->auth && i < d->auth->keys.len; i++)
		s->keys[s->message.n_keys++] = d->auth->keys.keys[i].id;
}

static void judge(struct status *s, struct ramsterd *d)
{
	uint64_t lost = kernel_view_counter(&d->view, "pages_lost");
	const struct conf_node *lone = watch_lone_donor(d);
	bool donor = false;

	judge_nodes(s);
	judge_unknown(s, d);
	for (size_t i = 0; i < s->message.n_nodes; i++)
		donor |= !s->nodes[i].local && s->nodes[i].member && s->nodes[i].free >= d->conf->extent_size;
	if (d->view.instance && d->refused_setting)
		complain(s, "the module does not take %s as cluster.conf has it", d->refused_setting);
	if (lost)
		complain(s, "%" PRIu64 " pages were lost with their peers", lost);
	if (kernel_view_counter(&d->view, "pages_missing_copy"))
		complain(s, "%" PRIu64 " remote pages lack a copy",
			 kernel_view_counter(&d->view, "pages_missing_copy"));
	if (lone)
		complain(s, "all remote pages are with %s alone", lone->name);
	if (d->view.need && !donor && !d->evict)
		complain(s, "%" PRIu64 " MiB of peers' memory are wanted and none has any free", d->view.need >> 20);
	if (d->self->lend != CONF_LEND_OFF && !s->lender.present)
		complain(s, "ramster-lender does not answer, so this node lends nothing");
	s->message.degraded = s->complaints[0];
}

static uint64_t mib(uint64_t pages)
{
	return pages * PAGE >> 20;
}

static void write_stored(struct status *s, struct ramsterd *d)
{
	uint64_t local = kernel_view_counter(&d->view, "pages_local") + kernel_view_counter(&d->view, "pages_same");
	uint64_t backing = kernel_view_counter(&d->view, "pages_backing"), remote = 0;

	for (unsigned int i = 0; i < d->view.peers_len; i++)
		if (d->view.peers[i].state != RAMSTER_PEER_DEAD)
			remote += d->view.peers[i].pages;
	append(s->verdict, ", %" PRIu64 " MiB stored", mib(local + remote + backing));
	if (!local && !remote && !backing)
		return;
	append(s->verdict, ": %" PRIu64 " MiB local", mib(local));
	if (remote) {
		append(s->verdict, ", %" PRIu64 " MiB on", mib(remote));
		for (size_t i = 0; i < s->message.n_nodes; i++)
			if (s->nodes[i].pages)
				append(s->verdict, " %s", s->nodes[i].name);
	}
	if (backing)
		append(s->verdict, ", %" PRIu64 " MiB on disk", mib(backing));
}

static void write_verdict(struct status *s, struct ramsterd *d)
{
	unsigned int up = 0;

	for (size_t i = 0; i < s->message.n_nodes; i++)
		up += s->nodes[i].member;
	if (s->message.degraded)
		append(s->verdict, "degraded: %s; %u of %zu nodes up", s->complaints, up, s->message.n_nodes);
	else
		append(s->verdict, "ok: %u node%s up", up, up == 1 ? "" : "s");
	if (d->view.instance)
		write_stored(s, d);
	else
		append(s->verdict, ", no module here (this node only lends)");
	if (s->lender.lent)
		append(s->verdict, ", %" PRIu64 " MiB lent", s->lender.lent >> 20);
	if (revoke_draining(d->revoke))
		append(s->verdict, ", being drained");
	if (d->evict)
		append(s->verdict, ", pages coming home");
	s->message.verdict = s->verdict;
}

struct status *status_gather(struct ramsterd *d)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	ramsterd_read_kernel(d);
	ramster__status__init(&s->message);
	s->message.cluster = d->conf->cluster;
	s->message.node = (char *)d->self->name;
	s->message.uptime_ms = uv_now(d->loop) - d->started_ms;
	s->message.control_malformed = d->control_malformed;
	s->message.control_refused = d->control_refused;
	s->message.evicting = d->evict;
	gather_keys(s, d);
	gather_module(s, d);
	gather_lender(s, d);
	gather_membership(s, d);
	s->message.nodes = s->node_pointers;
	for (unsigned int i = 0; i < d->conf->nodes_len; i++)
		gather_node(s, d, &d->conf->nodes[i]);
	judge(s, d);
	write_verdict(s, d);
	return s;
}

const Ramster__Status *status_message(const struct status *status)
{
	return &status->message;
}

void status_free(struct status *status)
{
	free(status);
}
