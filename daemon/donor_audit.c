// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * donor_audit - finds, in the lender's list, owners that are gone for good, and ends what they have; and gives new tokens to all
 * when a key is retired.
 */
#include <string.h>

#include "daemon/donor.h"
#include "daemon/donor_owner.h"
#include "daemon/revoke.h"

#define AUDIT_TICKS 10
#define EXPEL_MOST (1U << 18) /* leases in a row: no module has room for more, and a lender might never be done */

/* ---- Tokens that were given before a key was retired ---- */

static void audit(struct donor *donor);

static void on_renewed(void *ctx, int error, const struct lender_reply *reply)
{
	struct question *q = ctx;

	if (error)
		q->donor->owners[q->node].renew = true;
	donor_on_admitted(q, error, reply);
}

/* Connections that are there go on; for another one the owner is told the new token. */
static void renew(struct donor *donor, uint32_t node, uint64_t instance)
{
	struct owner *owner = &donor->owners[node];
	struct question *q = donor_ask(donor, NULL, LENDER_ADMIT);

	if (!q)
		return;
	donor_make_token(owner, instance);
	q->node = node;
	q->request.owner = node;
	q->request.instance = instance;
	memcpy(q->request.token, owner->token, sizeof(owner->token));
	owner->renew = false;
	if (donor_put(q, on_renewed))
		owner->renew = true;
}

/* Of an owner that nobody knows yet, the leases or its Hello tell the instance. */
static void renew_known(struct donor *donor)
{
	for (unsigned int i = 0; i < R2NET_MAX_NODES && sidedoor_status(donor->d->door); i++) {
		const struct owner *owner = &donor->owners[i];
		uint64_t instance = owner->instance ? owner->instance : owner->token_instance;

		if (owner->renew && instance)
			renew(donor, i, instance);
	}
}

void donor_key_retired(struct donor *donor)
{
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		donor->owners[i].renew = true;
	renew_known(donor);
	audit(donor);
}

/* ---- Owners that are gone ---- */

static bool away_too_long(const struct donor *donor, uint32_t node)
{
	const struct peer *peer = donor->d->peers[node];

	return (!peer || peer->state != PEER_UP) &&
	       uv_now(donor->d->loop) - donor->owners[node].seen_ms >= donor->d->conf->hold_time_ms;
}

/* Why an owner's instance is over; NULL: it is not. */
static const char *gone(const struct donor *donor, uint32_t node, uint64_t instance)
{
	const struct owner *owner = &donor->owners[node];
	const struct peer *peer = donor->d->peers[node];
	bool up = peer && peer->state == PEER_UP;

	if (up && !peer->offer.owner_instance)
		return "it says that it has no module any more";
	if (owner->instance && owner->instance != instance)
		return "it came back as a new one";
	if (away_too_long(donor, node))
		return "it was away for hold_time";
	return NULL;
}

static void on_expelled(void *ctx, int error, const struct lender_reply *reply);

/* The lender ends some of its leases each time. */
static void expel_on(struct question *q)
{
	struct owner *owner = &q->donor->owners[q->node];

	owner->expelling = q->request.instance;
	if (donor_put(q, on_expelled))
		owner->expelling = 0;
}

/* Unless it has come back meanwhile: then it was admitted again, by the same token, and keeps what it still has. */
static void on_expelled(void *ctx, int error, const struct lender_reply *reply)
{
	struct question *q = ctx;
	struct owner *owner = &q->donor->owners[q->node];
	const struct peer *peer = q->donor->d->peers[q->node];
	bool back = peer && peer->state == PEER_UP && peer->offer.owner_instance == q->request.instance;

	owner->expelling = 0;
	if (!error && !back && owner->token_instance == q->request.instance)
		owner->token_instance = 0;
	if (!error)
		q->ended += reply->count;
	if (!error && !back && reply->count >= LENDER_TURN_LEASES && q->ended < EXPEL_MOST)
		expel_on(q);
	else
		donor_on_released(q, error, reply);
}

static void expel(struct donor *donor, uint32_t node, uint64_t instance, const char *why)
{
	struct question *q;

	if (donor->owners[node].expelling == instance)
		return;
	q = donor_ask(donor, NULL, LENDER_EXPEL);
	if (!q)
		return;
	q->why = why;
	q->node = node;
	q->request.owner = node;
	q->request.instance = instance;
	expel_on(q);
}

void donor_node_removed(struct donor *donor, uint32_t node)
{
	struct owner *owner = &donor->owners[node];
	uint64_t instance = owner->token_instance ? owner->token_instance : owner->instance;

	if (owner->unknown) {
		owner->renew = true;
		audit(donor);
	}
	if (instance && !owner->held)
		expel(donor, node, instance, "it is no longer a node as it was");
}

static void judge(struct donor *donor, const struct lender_lease *lease)
{
	const struct owner *owner;
	const char *why;

	if (lease->owner >= R2NET_MAX_NODES)
		return;
	owner = &donor->owners[lease->owner];
	why = gone(donor, lease->owner, lease->instance);
	if (why)
		expel(donor, lease->owner, lease->instance, why);
	else if (owner->renew && !owner->instance && !owner->token_instance)
		renew(donor, lease->owner, lease->instance);
}

/* Who is gone and had no leases has a token still. */
static void judge_token(struct donor *donor, uint32_t node)
{
	uint64_t instance = donor->owners[node].token_instance;
	const char *why = instance ? gone(donor, node, instance) : NULL;

	if (why)
		expel(donor, node, instance, why);
}

/*
 * Who has no leases, and has not asked for any since our start, may have a token from before it, of an instance that the lender
 * does not tell. One that nobody is told takes its place, and ends as all do.
 */
static void replace_unknown(struct donor *donor, uint32_t node)
{
	const struct owner *owner = &donor->owners[node];
	uint64_t nobodys;

	if (!owner->unknown || owner->counted || (!owner->renew && !away_too_long(donor, node)))
		return;
	ramsterd_random(&nobodys, sizeof(nobodys));
	renew(donor, node, nobodys | 1);
}

/* @whole: all leases were seen */
static void end_audit(struct donor *donor, bool whole)
{
	bool again = donor->again;

	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		if (whole) {
			donor->owners[i].held = donor->owners[i].counted;
			replace_unknown(donor, i);
			judge_token(donor, i);
		}
		donor->owners[i].counted = 0;
	}
	if (whole)
		revoke_decide(donor->d->revoke);
	donor->auditing = false;
	donor->again = false;
	if (again)
		audit(donor);
}

static void on_audited(void *ctx, int error, const struct lender_reply *reply)
{
	struct question *q = ctx;
	struct donor *donor = q->donor;

	for (unsigned int i = 0; !error && i < reply->count; i++) {
		const struct lender_lease *lease = &reply->leases[i];

		revoke_count(donor->d->revoke, lease->owner, lease->size);
		if (!i || lease->owner != lease[-1].owner || lease->instance != lease[-1].instance)
			judge(donor, lease);
		if (lease->owner < R2NET_MAX_NODES)
			donor->owners[lease->owner].counted += lease->size;
	}
	if (error || reply->cursor <= q->request.cursor) { /* 0: the end; what does not go forward would have none */
		donor_end(q);
		end_audit(donor, !error);
		return;
	}
	q->request.cursor = reply->cursor;
	if (donor_put(q, on_audited))
		end_audit(donor, false);
}

static void audit(struct donor *donor)
{
	struct question *q;

	if (donor->auditing) {
		donor->again = true;
		return;
	}
	revoke_begin(donor->d->revoke);
	q = donor_ask(donor, NULL, LENDER_LIST);
	if (q)
		q->request.owner = donor->d->self->number;
	donor->auditing = q && !donor_put(q, on_audited);
}

void donor_owner_seen(struct donor *donor, struct peer *peer)
{
	struct owner *owner = &donor->owners[peer->node.number];

	if (owner->instance == peer->offer.owner_instance)
		return;
	owner->instance = peer->offer.owner_instance;
	audit(donor);
}

void donor_lender_came(struct donor *donor)
{
	renew_known(donor);
	audit(donor);
}

void donor_tick(struct donor *donor)
{
	struct peer *peer;

	for_each_peer(donor->d, peer) if (peer->state == PEER_UP) donor->owners[peer->node.number].seen_ms =
		uv_now(donor->d->loop);
	renew_known(donor);
	if (++donor->ticks % AUDIT_TICKS == 0 || revoke_wanted(donor->d->revoke))
		audit(donor);
}
