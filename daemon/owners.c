// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * owners - see owners.h.
 *
 * The lender says which bandwidths it has, and those that are not as configured are told to it. So it does not matter who
 * was started anew, and a call that is lost is made again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/owners.h"

struct owners {
	struct ramsterd *d;
	uint64_t second_ms; /* for ramsterd_second() */
	bool asking; /* at most one walk at a time */
	bool unable; /* this lender knows no bandwidths; that was said, if any is wanted */
	uint32_t cursor; /* of the walk under way */
	struct lender_owner seen[R2NET_MAX_NODES]; /* in the last walk; zeroes: not listed */
	struct lender_owner walk[R2NET_MAX_NODES]; /* the same, of the one under way */
	bool listed[R2NET_MAX_NODES], walk_listed[R2NET_MAX_NODES];
};

static void ask(struct owners *owners);

/* What the lender is to be told for an owner: bytes a second, or 0. */
static uint64_t wanted(const struct owners *owners, unsigned int node)
{
	uint64_t bandwidth = conf_bandwidth(owners->d->conf, node);

	return bandwidth == CONF_NO_BANDWIDTH ? 0 : bandwidth;
}

static void on_set(void *ctx, int error, const struct lender_reply *reply)
{
	if (error && error != -ENOTCONN)
		log_err("the lender does not limit an owner's bandwidth: %s", strerror(-error));
}

static void tell(struct owners *owners)
{
	struct lender_request request = { .command = LENDER_BANDWIDTH };
	struct ramsterd *d = owners->d;

	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		if (!owners->listed[i] && !conf_node_by_number(d->conf, i))
			continue;
		request.owner = i;
		request.limit = wanted(owners, i);
		if (i != d->self->number && owners->seen[i].bandwidth != request.limit)
			sidedoor_call(d->door, &request, on_set, NULL);
	}
}

/* A lender of before there were bandwidths. */
static void note_unable(struct owners *owners)
{
	bool limited = false;

	for (unsigned int i = 0; i < owners->d->conf->nodes_len; i++)
		limited |= wanted(owners, owners->d->conf->nodes[i].number) != 0;
	if (limited && !owners->unable)
		log_warn("bandwidth has no effect: this lender is too old for it (restart ramster-lender)");
	owners->unable |= limited;
}

static void on_answer(void *ctx, int error, const struct lender_reply *reply)
{
	struct owners *owners = ctx;

	owners->asking = false;
	if (error == -EINVAL)
		note_unable(owners);
	if (error)
		return;
	for (unsigned int i = 0; i < reply->count; i++) {
		uint32_t node = reply->owners[i].owner;

		if (node >= R2NET_MAX_NODES)
			continue;
		owners->walk[node] = reply->owners[i];
		owners->walk_listed[node] = true;
	}
	if (reply->cursor > owners->cursor) {
		owners->cursor = reply->cursor;
		ask(owners);
		return;
	}
	memcpy(owners->seen, owners->walk, sizeof(owners->seen));
	memcpy(owners->listed, owners->walk_listed, sizeof(owners->listed));
	tell(owners);
}

/* From the cursor on. */
static void ask(struct owners *owners)
{
	const struct lender_request request = { .command = LENDER_OWNERS, .cursor = owners->cursor };

	owners->asking = !sidedoor_call(owners->d->door, &request, on_answer, owners);
}

void owners_tick(struct owners *owners)
{
	if (!ramsterd_second(owners->d, &owners->second_ms) || owners->asking)
		return;
	memset(owners->walk, 0, sizeof(owners->walk));
	memset(owners->walk_listed, 0, sizeof(owners->walk_listed));
	owners->cursor = 0;
	ask(owners);
}

void owners_lender_came(struct owners *owners)
{
	memset(owners->listed, 0, sizeof(owners->listed));
	owners->unable = false;
	owners->second_ms = 0;
}

const struct lender_owner *owners_look(const struct owners *owners, unsigned int node)
{
	return sidedoor_status(owners->d->door) && owners->listed[node] ? &owners->seen[node] : NULL;
}

struct owners *owners_new(struct ramsterd *d)
{
	struct owners *owners = calloc(1, sizeof(*owners));

	if (owners)
		owners->d = d;
	return owners;
}

void owners_free(struct owners *owners)
{
	free(owners);
}
