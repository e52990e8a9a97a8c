// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * donor - this node's dealings with the owners that borrow from it.
 *
 * The lender holds all leases; nothing is remembered here but the tokens. The lender answers later, so each question to
 * it carries the session of the peer that caused it: when the peer is gone by then, a lease that was made is undone.
 * Those that are gone for good are found by donor_audit.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/donor.h"
#include "daemon/donor_owner.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/revoke.h"

#define OPEN_MAX 256 /* of a peer; the longest LeaseReturn of real leases makes 171 */
#define TOO_MANY "more requests than may be open at a time"
#define SECOND_REQUEST "a LeaseRequest while another one was open"
#define IMPOSSIBLE "a LeaseRequest with impossible values"

/* How often all of these are said is up to owners. */
static struct log_limit failure_limit = LOG_LIMIT(10, 5000), ended_limit = LOG_LIMIT(20, 3000);

struct question *donor_ask(struct donor *donor, struct peer *peer, uint32_t command)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->donor = donor;
	q->request.command = command;
	if (peer) {
		q->node = peer->node.number;
		q->session = peer->session;
		q->request.owner = q->node;
		q->request.instance = peer->offer.owner_instance;
		donor->owners[q->node].open++;
	}
	return q;
}

void donor_end(struct question *q)
{
	if (q->session)
		q->donor->owners[q->node].open--;
	explicit_bzero(q->request.token, sizeof(q->request.token));
	free(q);
}

static bool may_ask(const struct donor *donor, const struct peer *peer, size_t questions)
{
	return donor->owners[peer->node.number].open + questions <= OPEN_MAX;
}

/* The peer that caused the question, if it is still connected as it was. */
static struct peer *asker(const struct question *q)
{
	struct peer *peer = q->donor->d->peers[q->node];

	return peer && peer->state == PEER_UP && peer->session == q->session ? peer : NULL;
}

int donor_put(struct question *q, sidedoor_reply_fn reply)
{
	int ret = sidedoor_call(q->donor->d->door, &q->request, reply, q);

	if (ret)
		donor_end(q);
	return ret;
}

void donor_make_token(struct owner *owner, uint64_t instance)
{
	ramsterd_random(owner->token, sizeof(owner->token));
	owner->token_instance = instance;
	owner->unknown = false;
}

/* The lender said with its answer what the owner has now. */
static void note_held(const struct question *q, int error, const struct lender_reply *reply)
{
	if (!error || error == -EDQUOT)
		q->donor->owners[q->node].held = (uint64_t)reply->held * R2NET_EXTENT_MIN;
}

/* ---- Requests ---- */

static Ramster__Lease *make_leases(const struct lender_lease *from, unsigned int count, Ramster__Lease leases[],
				   Ramster__Lease *pointers[])
{
	for (unsigned int i = 0; i < count; i++) {
		leases[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		leases[i].extent = from[i].extent;
		leases[i].generation = from[i].generation;
		leases[i].size = from[i].size;
		pointers[i] = &leases[i];
	}
	return leases;
}

static void send_grant(struct peer *peer, Ramster__LeaseGrant *grant)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;

	message.body_case = RAMSTER__MESSAGE__BODY_LEASE_GRANT;
	message.lease_grant = grant;
	peer_send(peer, &message);
}

static void send_error(struct peer *peer, Ramster__LeaseGrant__Error error)
{
	Ramster__LeaseGrant grant = RAMSTER__LEASE_GRANT__INIT;

	grant.error = error;
	send_grant(peer, &grant);
}

/* Gives back to the lender what nobody will use. */
static void undo(struct question *q, const struct lender_reply *reply)
{
	struct lender_request request = q->request;

	request.command = LENDER_RELEASE;
	request.count = reply->count;
	memcpy(request.leases, reply->leases, reply->count * sizeof(reply->leases[0]));
	if (reply->count)
		sidedoor_call(q->donor->d->door, &request, NULL, NULL);
}

/* The lender answered the last part of a LeaseRequest: LEASE, or ADMIT when only the token was wanted. */
static void on_leased(void *ctx, int error, const struct lender_reply *reply)
{
	Ramster__LeaseGrant grant = RAMSTER__LEASE_GRANT__INIT;
	Ramster__Lease leases[LENDER_MAX_LEASES], *pointers[LENDER_MAX_LEASES];
	struct question *q = ctx;
	struct owner *owner = &q->donor->owners[q->node];
	struct peer *peer = asker(q);

	note_held(q, error, reply);
	if (owner->requesting == q->session)
		owner->requesting = 0;
	if (!peer || owner->token_instance != q->request.instance) {
		if (!error && q->request.command == LENDER_LEASE)
			undo(q, reply);
	} else if (!error && q->request.command == LENDER_LEASE && revoke_draining(q->donor->d->revoke)) {
		undo(q, reply); /* it was asked for before the drain began */
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__FULL);
	} else if (error == -EDQUOT) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__QUOTA);
	} else if (error) {
		if (error != -ENOTCONN)
			log_limited(&failure_limit, LOG_ERR, "the lender does not lease to %s: %s", peer->node.name,
				    strerror(-error));
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__LENDER_FAILED);
	} else {
		grant.n_leases = q->request.command == LENDER_LEASE ? reply->count : 0;
		make_leases(reply->leases, grant.n_leases, leases, pointers);
		grant.leases = pointers;
		if (q->request.command == LENDER_LEASE && !grant.n_leases)
			grant.error = RAMSTER__LEASE_GRANT__ERROR__FULL;
		grant.extent_size = q->request.extent_size;
		grant.token.data = owner->token;
		grant.token.len = sizeof(owner->token);
		grant.lender_instance = reply->status.instance;
		grant.data_port = reply->status.port;
		send_grant(peer, &grant);
	}
	donor_end(q);
}

void donor_on_admitted(void *ctx, int error, const struct lender_reply *reply)
{
	if (error && error != -ENOTCONN)
		log_limited(&failure_limit, LOG_ERR, "the lender does not admit an owner: %s", strerror(-error));
	donor_end(ctx);
}

static int admit(struct donor *donor, struct peer *peer, sidedoor_reply_fn reply)
{
	struct owner *owner = &donor->owners[peer->node.number];
	struct question *q = donor_ask(donor, peer, LENDER_ADMIT);

	if (!q)
		return -ENOMEM;
	if (owner->token_instance != q->request.instance)
		donor_make_token(owner, q->request.instance);
	memcpy(q->request.token, owner->token, sizeof(owner->token));
	return donor_put(q, reply);
}

/* No more than our own nodes ask for; where cluster.conf is being changed their extents may have another size than ours. */
static uint32_t lease_count(const struct donor *donor, const Ramster__LeaseRequest *request)
{
	uint32_t most = LEASE_ASK_MAX * donor->d->conf->extent_size / request->extent_size;

	if (!most)
		most = 1;
	return request->count < most ? request->count : most;
}

static int lease(struct donor *donor, struct peer *peer, const Ramster__LeaseRequest *request)
{
	uint64_t quota = conf_quota(donor->d->conf, peer->node.number);
	struct question *q = donor_ask(donor, peer, LENDER_LEASE);

	if (!q)
		return -ENOMEM;
	q->request.limit = quota == CONF_NO_QUOTA ? 0 : quota;
	q->request.count = lease_count(donor, request);
	q->request.extent_size = request->extent_size;
	return donor_put(q, on_leased);
}

static bool possible(const Ramster__LeaseRequest *r)
{
	return r->count <= LENDER_MAX_LEASES && r->extent_size >= R2NET_EXTENT_MIN &&
	       r->extent_size <= R2NET_EXTENT_MAX && !(r->extent_size % R2NET_EXTENT_MIN);
}

const char *donor_on_request(struct donor *donor, struct peer *peer, const Ramster__LeaseRequest *request)
{
	struct owner *owner = &donor->owners[peer->node.number];
	struct ramsterd *d = donor->d;
	int ret;

	if (!possible(request))
		return IMPOSSIBLE;
	if (owner->requesting == peer->session)
		return SECOND_REQUEST;
	if (!may_ask(donor, peer, 2))
		return TOO_MANY;
	/* corosync may be later to tell of its new module than this connection is. */
	if (!request->owner_instance || request->owner_instance != peer->offer.owner_instance) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__BAD_REQUEST);
	} else if (!sidedoor_status(d->door)) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__NO_LENDER);
	} else if (request->count && d->self->lend == CONF_LEND_OFF) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__FULL);
	} else if (request->count && revoke_draining(d->revoke)) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__FULL);
	} else if (request->count && !peer->member) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__NO_MEMBER);
	} else if (request->count && lend_borrowing(d)) {
		send_error(peer, RAMSTER__LEASE_GRANT__ERROR__BORROWING);
	} else {
		ret = admit(donor, peer, request->count ? donor_on_admitted : on_leased);
		if (!ret && request->count)
			ret = lease(donor, peer, request);
		if (!ret)
			owner->requesting = peer->session;
		else
			send_error(peer, RAMSTER__LEASE_GRANT__ERROR__LENDER_FAILED);
	}
	return NULL;
}

/* ---- Returns ---- */

/* Of RELEASE, and in the end of EXPEL. */
void donor_on_released(void *ctx, int error, const struct lender_reply *reply)
{
	struct question *q = ctx;

	note_held(q, error, reply);
	if (q->ended)
		log_limited(&ended_limit, LOG_INFO, "node %u: ended %u leases of its instance %016llx: %s", q->node,
			    q->ended, (unsigned long long)q->request.instance, q->why);
	if (error && error != -ENOTCONN)
		log_limited(&failure_limit, LOG_ERR, "the lender does not end leases of node %u: %s", q->node,
			    strerror(-error));
	donor_end(q);
}

static void on_turn(void *ctx, int error, const struct lender_reply *reply);

/* As many as may end in one turn. */
static int release_some(struct question *q)
{
	q->request.count = q->left < LENDER_TURN_LEASES ? q->left : LENDER_TURN_LEASES;
	return donor_put(q, on_turn);
}

static void on_turn(void *ctx, int error, const struct lender_reply *reply)
{
	struct question *q = ctx;

	q->left -= q->request.count;
	if (error || !q->left) {
		donor_on_released(q, error, reply);
		return;
	}
	memmove(q->request.leases, q->request.leases + q->request.count, q->left * sizeof(q->request.leases[0]));
	release_some(q);
}

const char *donor_on_return(struct donor *donor, struct peer *peer, const Ramster__LeaseReturn *ret)
{
	const struct lender_status *status = sidedoor_status(donor->d->door);
	struct question *q;

	if (!status || status->instance != ret->lender_instance || !ret->owner_instance ||
	    ret->owner_instance != peer->offer.owner_instance)
		return NULL; /* those leases ended with that lender or that owner */
	if (!may_ask(donor, peer, (ret->n_leases + LENDER_MAX_LEASES - 1) / LENDER_MAX_LEASES))
		return TOO_MANY;
	for (size_t done = 0, taken; done < ret->n_leases; done += taken) {
		q = donor_ask(donor, peer, LENDER_RELEASE);
		if (!q)
			break;
		for (taken = 0; taken < LENDER_MAX_LEASES && done + taken < ret->n_leases; taken++) {
			const Ramster__Lease *from = ret->leases[done + taken];

			q->request.leases[q->left++] = (struct lender_lease){
				.extent = from->extent,
				.generation = from->generation,
				.size = from->size,
				.owner = q->node,
				.instance = q->request.instance,
			};
		}
		if (release_some(q))
			break;
	}
	return NULL;
}

/* ---- Lists ---- */

static void send_list(struct peer *peer, uint64_t lender_instance, const struct lender_lease *from, unsigned int count,
		      bool last)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__LeaseList list = RAMSTER__LEASE_LIST__INIT;
	Ramster__Lease leases[LENDER_MAX_LEASES], *pointers[LENDER_MAX_LEASES];

	make_leases(from, count, leases, pointers);
	list.lender_instance = lender_instance;
	list.leases = pointers;
	list.n_leases = count;
	list.last = last;
	message.body_case = RAMSTER__MESSAGE__BODY_LEASE_LIST;
	message.lease_list = &list;
	peer_send(peer, &message);
}

static void on_listed(void *ctx, int error, const struct lender_reply *reply)
{
	struct lender_lease theirs[LENDER_MAX_LEASES] = { 0 };
	struct question *q = ctx;
	struct peer *peer = asker(q);
	unsigned int count = 0;
	bool last = error || reply->cursor <= q->request.cursor; /* a list goes forward, or is at its end */

	if (!peer) {
		donor_end(q);
		return;
	}
	for (unsigned int i = 0; !error && i < reply->count; i++)
		if (reply->leases[i].owner == q->node && reply->leases[i].instance == peer->offer.owner_instance)
			theirs[count++] = reply->leases[i];
	if (last || count)
		send_list(peer, error ? 0 : reply->status.instance, theirs, count, last);
	if (last) {
		donor_end(q);
		return;
	}
	q->request.cursor = reply->cursor;
	if (donor_put(q, on_listed))
		send_list(peer, 0, NULL, 0, true);
}

const char *donor_on_list(struct donor *donor, struct peer *peer, const Ramster__ListLeases *list)
{
	struct question *q;

	if (!may_ask(donor, peer, 1))
		return TOO_MANY;
	q = donor_ask(donor, peer, LENDER_LIST);
	if (!q || donor_put(q, on_listed))
		send_list(peer, 0, NULL, 0, true);
	return NULL;
}

uint64_t donor_held(const struct donor *donor, unsigned int node)
{
	return sidedoor_status(donor->d->door) ? donor->owners[node].held : 0;
}

bool donor_over_quota(const struct donor *donor, const struct conf_node *node, char text[DONOR_TEXT_LEN])
{
	uint64_t quota = conf_quota(donor->d->conf, node->number), held = donor_held(donor, node->number);

	if (held <= quota)
		return false;
	snprintf(text, DONOR_TEXT_LEN,
		 "node %s has %" PRIu64 " MiB leased, more than its quota of %" PRIu64
		 " MiB: nothing new until it gives back",
		 node->name, held >> 20, quota >> 20);
	return true;
}

struct donor *donor_new(struct ramsterd *d)
{
	struct donor *donor = calloc(1, sizeof(*donor));

	if (!donor)
		return NULL;
	donor->d = d;
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		donor->owners[i].seen_ms = uv_now(d->loop);
		donor->owners[i].unknown = true;
	}
	return donor;
}

void donor_free(struct donor *donor)
{
	if (donor)
		explicit_bzero(donor->owners, sizeof(donor->owners));
	free(donor);
}
