// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * membership_corosync - a node is a member while its ramsterd is in our process group of corosync, the partition that we are
 * in has quorum, and its control connection is up, without which nothing can be leased.
 *
 * What nodes offer goes to the whole group at once. When corosync says that a node is gone, the module is told, so that
 * nothing waits for its lender any longer than that needs to contradict.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/corosync.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/membership.h"

#define TELL_INTERVAL_MS 100 /* between two messages of ours */
#define TELL_AGAIN_MS 5000 /* what the group knows already */
#define SILENT_MS 30000 /* none of ours has come back: longer than any change of membership takes */
#define GROUP_NAME_FORMAT "ramster:%s"

/* Who is on the roll, and what of that was logged. */
struct roll {
	struct ramsterd *d;
	struct corosync *corosync;
	struct group group;
	bool open; /* corosync answers */
	uint32_t number; /* as corosync numbers this node */
	bool quorate;
	char why[COROSYNC_WHY_LEN]; /* corosync does not answer */
	bool told; /* the group knows @offer */
	struct offer offer;
	uint64_t told_ms;
	uint64_t echo_ms; /* when a message of ours came back last; at first, our start */
	uv_timer_t again; /* to tell what could not be told at once */
	bool closed_logged, stranger_logged;
	enum group_fault logged[R2NET_MAX_NODES];
};

/* Of what those cause that are no peers. */
static struct log_limit limit = LOG_LIMIT(10, 5000);
/* Each node that comes and goes may change it. */
static struct log_limit quorum_limit = LOG_LIMIT(10, 5000);

static bool numbered(const struct roll *roll)
{
	return roll->number == roll->d->self->number;
}

static enum group_fault judge(const struct roll *roll, const struct conf_node *node, char text[GROUP_TEXT_LEN])
{
	return group_judge(&roll->group, roll->d->conf, node, uv_now(roll->d->loop), text);
}

static bool counts(const struct roll *roll, const struct conf_node *node)
{
	char text[GROUP_TEXT_LEN];

	return judge(roll, node, text) == GROUP_OK;
}

/* Whether this node itself is in a position to have members beside it. */
static bool stands(const struct roll *roll)
{
	return roll->open && numbered(roll) && roll->quorate && counts(roll, roll->d->self);
}

/* ---- What is logged: each change once, but no more than its limit of what a node causes ---- */

static struct log_limit *limit_of(const struct roll *roll, const struct conf_node *node)
{
	struct peer *peer = roll->d->peers[node->number];

	return peer ? &peer->log_limit : &limit;
}

static void log_fault(struct roll *roll, const struct conf_node *node)
{
	char text[GROUP_TEXT_LEN];
	enum group_fault fault = judge(roll, node, text), *logged = &roll->logged[node->number];

	if (fault == *logged)
		return;
	*logged = fault;
	switch (fault) {
	case GROUP_OK:
		log_limited(limit_of(roll, node), LOG_INFO, "%s: in corosync's group", node->name);
		break;
	case GROUP_LEFT_COROSYNC:
		log_limited(limit_of(roll, node), LOG_WARNING, "%s: left corosync's membership", node->name);
		break;
	case GROUP_LEFT:
		log_limited(limit_of(roll, node), LOG_WARNING, "%s: its ramsterd left corosync's group", node->name);
		break;
	case GROUP_ABSENT:
	case GROUP_NO_PROCESS:
	case GROUP_SILENT:
		break; /* nothing that need not be so for a moment */
	default:
		log_limited(limit_of(roll, node), LOG_ERR, "%s: no member: %s", node->name, text);
	}
}

static void log_changes(struct roll *roll)
{
	char text[GROUP_TEXT_LEN];
	bool stranger = group_has_stranger(&roll->group, roll->d->conf, text);

	for (unsigned int i = 0; i < roll->d->conf->nodes_len; i++)
		log_fault(roll, &roll->d->conf->nodes[i]);
	if (stranger && !roll->stranger_logged)
		log_limited(&limit, LOG_ERR, "%s", text);
	roll->stranger_logged = stranger;
}

/* ---- Who is a member ---- */

static void look(struct roll *roll)
{
	bool standing = stands(roll);
	struct peer *peer;

	log_changes(roll);
	for_each_peer(roll->d, peer)
		peer_set_member(peer, standing && peer->state == PEER_UP && counts(roll, &peer->node));
}

static void control_changed(struct peer *peer, bool up)
{
	look(peer->d->roll);
}

static const struct offer *offer(const struct peer *peer)
{
	const struct roll *roll = peer->d->roll;

	return roll->open && counts(roll, &peer->node) ? &roll->group.nodes[peer->node.number].said.offer : NULL;
}

static void reason(const struct peer *peer, char text[PEER_REASON_LEN])
{
	const struct roll *roll = peer->d->roll;
	char fault[GROUP_TEXT_LEN] = "";
	bool up = peer->state == PEER_UP;

	text[0] = 0;
	if (peer->member)
		return;
	if (!roll->open)
		snprintf(text, PEER_REASON_LEN, "corosync does not answer");
	else if (!numbered(roll))
		snprintf(text, PEER_REASON_LEN, "corosync has another number for this node");
	else if (judge(roll, &peer->node, fault) != GROUP_OK)
		snprintf(text, PEER_REASON_LEN, "%.127s%s%.100s", fault,
			 up ? "" : "; control connection: ", up ? "" : peer->reason);
	else if (!roll->quorate)
		snprintf(text, PEER_REASON_LEN, "no quorum");
	else if (!up)
		snprintf(text, PEER_REASON_LEN, "in the group, but its control connection is down: %.190s",
			 peer->reason);
	else
		snprintf(text, PEER_REASON_LEN, "this node is not in the group yet");
}

static bool describe(const struct ramsterd *d, char text[PEER_REASON_LEN])
{
	const struct roll *roll = d->roll;
	char fault[GROUP_TEXT_LEN] = "";
	bool good = true;
	unsigned int in = 0;

	for (unsigned int i = 0; i < d->conf->nodes_len; i++)
		in += counts(roll, &d->conf->nodes[i]);
	if (!roll->open) {
		snprintf(text, PEER_REASON_LEN, "corosync does not answer (%s)", roll->why);
		return false;
	}
	if (!numbered(roll)) {
		snprintf(text, PEER_REASON_LEN,
			 "corosync has this node as %u, cluster.conf as %u: correct the nodelist of corosync.conf",
			 roll->number, (unsigned int)d->self->number);
		return false;
	}
	if (judge(roll, d->self, fault) == GROUP_TWICE || group_has_stranger(&roll->group, d->conf, fault))
		good = false;
	else
		fault[0] = 0;
	snprintf(text, PEER_REASON_LEN, "%s, %u of %u nodes in the group%s%.160s",
		 roll->quorate ? "quorate" : "no quorum", in, d->conf->nodes_len, *fault ? "; " : "", fault);
	return good && roll->quorate;
}

/* ---- What this node tells ---- */

static void advertise(struct ramsterd *d);

static void on_again(uv_timer_t *timer)
{
	advertise(timer->data);
}

static void advertise(struct ramsterd *d)
{
	struct offer now = lend_offer(d);
	uint8_t message[GROUP_MESSAGE_MAX];
	struct roll *roll = d->roll;
	uint64_t since;

	if (!roll || !roll->open || !numbered(roll))
		return;
	since = uv_now(d->loop) - roll->told_ms;
	if (roll->told && since < TELL_AGAIN_MS && !memcmp(&now, &roll->offer, sizeof(now)))
		return;
	if (since >= TELL_INTERVAL_MS &&
	    !corosync_send(roll->corosync, message, group_message(d->conf, d->self, &now, message))) {
		roll->told = true;
		roll->offer = now;
		roll->told_ms = uv_now(d->loop);
	} else if (!uv_is_active((uv_handle_t *)&roll->again)) {
		uv_timer_start(&roll->again, on_again, TELL_INTERVAL_MS, 0);
	}
}

/* ---- Events ---- */

static void away(struct roll *roll, uint32_t node)
{
	struct ramsterd *d = roll->d;

	ramsterd_read_kernel(d);
	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];

		if (p->node == node && p->state != RAMSTER_PEER_DEAD &&
		    kernel_peer_away(d->kernel, p->node, p->lender_instance))
			log_limited(&limit, LOG_ERR, "the module does not take it that node %u is away: %s", node,
				    kernel_error(d->kernel));
	}
}

static void on_opened(void *ctx, uint32_t number)
{
	struct roll *roll = ctx;

	roll->open = true;
	roll->number = number;
	roll->told = false;
	roll->echo_ms = uv_now(roll->d->loop);
	roll->closed_logged = false;
	if (numbered(roll))
		log_info("corosync: connected");
	else
		log_err("corosync has this node as %u, cluster.conf as %u: correct the nodelist of corosync.conf; "
			"until then no "
			"node is a member",
			number, (unsigned int)roll->d->self->number);
	look(roll);
}

static void on_closed(void *ctx, const char *why)
{
	struct roll *roll = ctx;

	if (!roll->closed_logged)
		log_err("corosync does not answer (%s): no node is a member until it does; pages and leases stay", why);
	roll->closed_logged = true;
	snprintf(roll->why, sizeof(roll->why), "%s", why);
	roll->open = false;
	roll->quorate = false;
	group_reset(&roll->group);
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		roll->logged[i] = GROUP_ABSENT;
	look(roll);
}

/* A corosync that hangs says nothing, and so not that it does. */
static void tick(struct ramsterd *d)
{
	struct roll *roll = d->roll;

	if (uv_now(d->loop) - roll->echo_ms < SILENT_MS)
		return;
	if (roll->open && numbered(roll))
		corosync_give_up(roll->corosync, "it takes messages, but none comes back");
	else if (!roll->open && !roll->closed_logged)
		on_closed(roll, "it does not take the connection");
}

static void on_members(void *ctx, const struct group_process *members, size_t len, bool joined)
{
	struct roll *roll = ctx;

	group_set_members(&roll->group, members, len, uv_now(roll->d->loop));
	if (joined)
		roll->told = false; /* who is new does not know */
	look(roll);
	advertise(roll->d);
}

static void on_node_left(void *ctx, uint32_t node)
{
	struct roll *roll = ctx;

	if (!group_node_left(&roll->group, node, uv_now(roll->d->loop)))
		return;
	away(roll, node);
	look(roll);
}

static void on_quorum(void *ctx, bool quorate, const uint32_t *nodes, size_t len)
{
	struct roll *roll = ctx;
	uint32_t left[R2NET_MAX_NODES];
	unsigned int left_len;

	left_len = group_set_nodes(&roll->group, nodes, len, uv_now(roll->d->loop), left);
	for (unsigned int i = 0; i < left_len; i++)
		away(roll, left[i]);
	if (quorate && !roll->quorate)
		log_limited(&quorum_limit, LOG_INFO, "corosync: quorum, with %zu nodes", len);
	else if (!quorate && roll->quorate)
		log_limited(&quorum_limit, LOG_WARNING,
			    "corosync: no quorum: nothing new is borrowed or lent; pages and leases stay");
	roll->quorate = quorate;
	look(roll);
}

static void on_message(void *ctx, struct group_process from, const void *bytes, size_t len)
{
	struct roll *roll = ctx;
	const struct group_node *node = group_take_message(&roll->group, from, bytes, len);
	struct peer *peer = node ? roll->d->peers[from.node] : NULL;

	if (!node)
		return;
	if (from.node == roll->number)
		roll->echo_ms = uv_now(roll->d->loop);
	look(roll);
	if (peer && counts(roll, &peer->node))
		peer_take_offer(peer, &node->said.offer);
}

static const struct corosync_events events = {
	.opened = on_opened,
	.closed = on_closed,
	.members = on_members,
	.node_left = on_node_left,
	.quorum = on_quorum,
	.message = on_message,
};

static int start(struct ramsterd *d)
{
	struct roll *roll = calloc(1, sizeof(*roll));
	char group[CONF_NAME_LEN + sizeof(GROUP_NAME_FORMAT)];

	if (!roll)
		return -ENOMEM;
	snprintf(group, sizeof(group), GROUP_NAME_FORMAT, d->conf->cluster);
	snprintf(roll->why, sizeof(roll->why), "not connected yet");
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		roll->logged[i] = GROUP_ABSENT;
	roll->d = d;
	roll->echo_ms = uv_now(d->loop);
	roll->corosync = corosync_new(d->loop, group, d->self->number, &events, roll);
	if (!roll->corosync) {
		free(roll);
		return -ENOMEM;
	}
	uv_timer_init(d->loop, &roll->again);
	roll->again.data = d;
	d->roll = roll;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void stop(struct ramsterd *d)
{
	struct roll *roll = d->roll;

	if (!roll)
		return;
	d->roll = NULL;
	corosync_free(roll->corosync);
	roll->again.data = roll;
	uv_close((uv_handle_t *)&roll->again, on_timer_closed);
}

const struct membership_ops membership_corosync = {
	.name = "corosync",
	.start = start,
	.stop = stop,
	.control_changed = control_changed,
	.tick = tick,
	.advertise = advertise,
	.offer = offer,
	.reason = reason,
	.describe = describe,
};
