// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lease - this node as an owner.
 *
 * The module holds all leases; here is only what is under way. A donor is first asked which leases it holds for us, so
 * that a grant which was lost on its way is given back; from then on at most one LeaseRequest is open with it. What it
 * grants is handed to the module when the data connections are there.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/giveback.h"
#include "daemon/lease.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/placement.h"

#define AHEAD_SHARE 8 /* of what is used: leased beyond the need, so that who grows need not ask all the time */
#define SPARE_MAX 8 /* extents that wait for those of another donor, before no more are asked for */
#define ASK_WAIT_MS 5000 /* a request without an answer by then is not counted on any more */
#define REST_MS 2000 /* after a donor had nothing */
#define LINK_WAIT_MS 10000 /* a grant whose link does not come up by then is given back */
#define FOUND_MAX (1U << 18) /* leases in a donor's list: as many extents as the module has room for */
#define LOST_MAX (16 * RAMSTER_NL_MAX_LEASES) /* given back after one list: a donor bounds what it has to do */

static const char *grant_error(int error)
{
	switch (error) {
	case RAMSTER__LEASE_GRANT__ERROR__NO_LENDER:
		return "no lender runs there";
	case RAMSTER__LEASE_GRANT__ERROR__FULL:
		return "it has nothing left to lend";
	case RAMSTER__LEASE_GRANT__ERROR__BORROWING:
		return "it borrows itself";
	case RAMSTER__LEASE_GRANT__ERROR__NO_MEMBER:
		return "this node is no member there";
	case RAMSTER__LEASE_GRANT__ERROR__BAD_REQUEST:
		return "it calls the request impossible";
	case RAMSTER__LEASE_GRANT__ERROR__QUOTA:
		return "this node has leased all that its quota there allows";
	default:
		return "its lender failed";
	}
}

/* ---- Messages ---- */

static void send_list_request(struct peer *peer)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__ListLeases body = RAMSTER__LIST_LEASES__INIT;

	body.owner_instance = peer->d->view.instance;
	message.body_case = RAMSTER__MESSAGE__BODY_LIST_LEASES;
	message.list_leases = &body;
	peer->borrow.listing = true;
	peer->borrow.found_len = 0;
	peer_send(peer, &message);
}

/* @count: 0 asks for a token alone */
static void send_request(struct peer *peer, unsigned int count)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__LeaseRequest body = RAMSTER__LEASE_REQUEST__INIT;

	body.owner_instance = peer->d->view.instance;
	body.count = count;
	body.extent_size = peer->d->conf->extent_size;
	message.body_case = RAMSTER__MESSAGE__BODY_LEASE_REQUEST;
	message.lease_request = &body;
	peer->borrow.asking = true;
	peer->borrow.asked = count;
	peer->borrow.asked_ms = uv_now(peer->d->loop);
	peer->borrow.asked_size = body.extent_size;
	peer_send(peer, &message);
}

void lease_send_return(struct peer *peer, uint64_t lender_instance, const struct ramster_nl_lease *from,
		       unsigned int count)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__LeaseReturn body = RAMSTER__LEASE_RETURN__INIT;
	Ramster__Lease leases[RAMSTER_NL_MAX_LEASES], *pointers[RAMSTER_NL_MAX_LEASES];

	if (!count)
		return;
	for (unsigned int i = 0; i < count; i++) {
		leases[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		leases[i].extent = from[i].extent;
		leases[i].generation = from[i].generation;
		pointers[i] = &leases[i];
	}
	body.owner_instance = peer->d->view.instance;
	body.lender_instance = lender_instance;
	body.leases = pointers;
	body.n_leases = count;
	message.body_case = RAMSTER__MESSAGE__BODY_LEASE_RETURN;
	message.lease_return = &body;
	peer_send(peer, &message);
}

/* ---- Reconciling ---- */

static int compare(const void *left, const void *right)
{
	const struct kernel_lease *a = left, *b = right;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->lender_instance != b->lender_instance)
		return a->lender_instance < b->lender_instance ? -1 : 1;
	if (a->lease.extent != b->lease.extent)
		return a->lease.extent < b->lease.extent ? -1 : 1;
	if (a->lease.generation != b->lease.generation)
		return a->lease.generation < b->lease.generation ? -1 : 1;
	return 0;
}

/* The donor's list is whole: gives back what the module does not know of. */
static void reconcile(struct peer *peer, uint64_t lender_instance)
{
	static struct log_limit limit = LOG_LIMIT(2, 60000);
	struct kernel_lease *ours, wanted = { .node = peer->node.number, .lender_instance = lender_instance };
	struct ramster_nl_lease lost[RAMSTER_NL_MAX_LEASES] = { 0 };
	struct borrow *b = &peer->borrow;
	unsigned int count = 0, total = 0, len;

	if (kernel_lease_get(peer->d->kernel, &ours, &len)) {
		log_limited(&limit, LOG_ERR, "cannot read the module's leases: %s", kernel_error(peer->d->kernel));
		b->list_at_ms = uv_now(peer->d->loop) + REST_MS;
		return;
	}
	if (len)
		qsort(ours, len, sizeof(*ours), compare);
	b->listed = true;
	b->listed_lender = lender_instance;
	for (unsigned int i = 0; i < b->found_len && total < LOST_MAX; i++) {
		wanted.lease = b->found[i];
		if (len && bsearch(&wanted, ours, len, sizeof(*ours), compare))
			continue;
		lost[count++] = b->found[i];
		total++;
		if (count == RAMSTER_NL_MAX_LEASES) {
			lease_send_return(peer, lender_instance, lost, count);
			count = 0;
		}
	}
	lease_send_return(peer, lender_instance, lost, count);
	if (total)
		log_limited(&peer->log_limit, LOG_INFO, "%s: gave back %u leases that the module does not know of",
			    peer->node.name, total);
	if (total == LOST_MAX)
		b->listed = false; /* there may be more */
	free(ours);
}

const char *lease_on_list(struct peer *peer, const Ramster__LeaseList *list)
{
	struct borrow *b = &peer->borrow;
	struct ramster_nl_lease *grown;

	if (!b->listing)
		return NULL;
	if (b->found_len + list->n_leases > FOUND_MAX)
		return "a list of more leases than there can be";
	grown = realloc(b->found, (b->found_len + list->n_leases + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	b->found = grown;
	for (size_t i = 0; i < list->n_leases; i++)
		b->found[b->found_len++] = (struct ramster_nl_lease){
			.extent = list->leases[i]->extent,
			.generation = list->leases[i]->generation,
		};
	if (!list->last)
		return NULL;
	b->listing = false;
	if (list->lender_instance)
		reconcile(peer, list->lender_instance);
	if (list->lender_instance != peer->offer.lender_instance)
		b->list_at_ms = uv_now(peer->d->loop) + REST_MS;
	free(b->found);
	b->found = NULL;
	b->found_len = 0;
	ramsterd_tick_soon(peer->d);
	return NULL;
}

/* ---- Grants ---- */

static void drop_grant(struct peer *peer, const char *why)
{
	struct borrow *b = &peer->borrow;

	log_limited(&peer->log_limit, LOG_WARNING, "%s: gave %u extents back: %s", peer->node.name, b->granted_len,
		    why);
	lease_send_return(peer, b->granted_lender, b->granted, b->granted_len);
	b->granted_len = 0;
	b->rest_until_ms = uv_now(peer->d->loop) + REST_MS;
}

/* Hands the grant to the module if the link is there. */
static void settle(struct peer *peer)
{
	struct borrow *b = &peer->borrow;
	struct ramsterd *d = peer->d;

	if (!b->granted_len)
		return;
	if (!link_ready(peer, b->granted_lender)) {
		if (uv_now(d->loop) - b->granted_ms >= LINK_WAIT_MS)
			drop_grant(peer, "no data connection to its lender");
		return;
	}
	if (kernel_lease_add(d->kernel, peer->node.number, b->granted_lender, b->granted_size, b->granted,
			     b->granted_len)) {
		drop_grant(peer, kernel_error(d->kernel));
		return;
	}
	log_debug("%s: %u extents leased", peer->node.name, b->granted_len);
	b->granted_len = 0;
	ramsterd_tick_soon(d);
}

void lease_link_changed(struct peer *peer)
{
	settle(peer);
}

static bool valid_grant(const struct borrow *b, const Ramster__LeaseGrant *grant)
{
	if (grant->token.len != R2NET_TOKEN_LEN || !grant->lender_instance || !grant->data_port ||
	    grant->data_port > UINT16_MAX || grant->n_leases > b->asked)
		return false;
	for (size_t i = 0; i < grant->n_leases; i++)
		if (!grant->leases[i]->extent || !grant->leases[i]->generation ||
		    grant->leases[i]->size != b->asked_size)
			return false;
	return !grant->n_leases || grant->extent_size == b->asked_size;
}

static void take_grant(struct borrow *b, const Ramster__LeaseGrant *grant, uint64_t now_ms)
{
	for (size_t i = 0; i < grant->n_leases; i++)
		b->granted[i] = (struct ramster_nl_lease){
			.extent = grant->leases[i]->extent,
			.generation = grant->leases[i]->generation,
		};
	b->granted_len = grant->n_leases;
	b->granted_size = b->asked_size;
	b->granted_lender = grant->lender_instance;
	b->granted_ms = now_ms;
}

/* What was granted comes back by the donor's list, which is asked for again. */
static void ignore_grant(struct peer *peer)
{
	peer->borrow.listed = false;
	peer->borrow.rest_until_ms = uv_now(peer->d->loop) + REST_MS;
}

void lease_on_grant(struct peer *peer, const Ramster__LeaseGrant *grant)
{
	struct borrow *b = &peer->borrow;
	struct ramsterd *d = peer->d;

	if (!b->asking)
		return;
	b->asking = false;
	if (grant->error) {
		if (grant->error == RAMSTER__LEASE_GRANT__ERROR__QUOTA && !b->over_quota)
			log_limited(&peer->log_limit, LOG_INFO, "%s: lends no more: %s", peer->node.name,
				    grant_error(grant->error));
		else
			log_debug("%s: lends nothing: %s", peer->node.name, grant_error(grant->error));
		b->over_quota = grant->error == RAMSTER__LEASE_GRANT__ERROR__QUOTA;
		b->rest_until_ms = uv_now(d->loop) + REST_MS;
		return;
	}
	/* Of a lender that the peer has not told of yet: the one that it told of would seem to be gone. */
	if (peer->offer.lender_instance && grant->lender_instance != peer->offer.lender_instance) {
		ignore_grant(peer);
		return;
	}
	if (!valid_grant(b, grant)) {
		log_limited(&peer->log_limit, LOG_ERR, "%s: its grant has impossible values and is ignored",
			    peer->node.name);
		ignore_grant(peer);
		return;
	}
	if (link_admit(peer, grant->token.data, grant->lender_instance, grant->data_port)) {
		ignore_grant(peer);
		return;
	}
	if (b->asked)
		b->over_quota = false;
	if (b->asked)
		take_grant(b, grant, uv_now(d->loop));
	settle(peer);
	ramsterd_tick_soon(d);
}

/* ---- Borrowing ---- */

uint32_t lease_random(void *ctx)
{
	uint32_t value;

	ramsterd_random(&value, sizeof(value));
	return value;
}

/* With two copies a donor's leases are of no use without another's: more of them would not help. */
static bool has_unpaired(const struct peer *peer)
{
	const struct kernel_peer *p = kernel_view_peer(&peer->d->view, peer->node.number, peer->offer.lender_instance);

	return p && p->spare > SPARE_MAX + p->leaving;
}

static bool can_be_asked(const struct peer *peer)
{
	const struct borrow *b = &peer->borrow;

	return peer_is_usable(peer) && !has_unpaired(peer) && b->listed && !b->listing && !b->asking &&
	       !b->granted_len && !peer->offer.borrowing && peer->offer.free >= peer->d->conf->extent_size &&
	       uv_now(peer->d->loop) >= b->rest_until_ms;
}

struct placement_donor lease_as_donor(const struct peer *peer)
{
	const struct ramsterd *d = peer->d;
	const struct conf_node *node = conf_node_by_number(d->conf, peer->node.number);
	struct placement_donor donor = {
		.node = peer->node.number,
		.free = peer->offer.free,
		.lent = peer->offer.lent,
		.most = LEASE_ASK_MAX,
		.weight = node ? node->weight : CONF_WEIGHT_DEFAULT,
		.priority = node ? node->priority : 0,
	};

	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];

		if (p->node != donor.node || p->state == RAMSTER_PEER_DEAD)
			continue;
		donor.have += p->space;
		donor.rtt_us = p->rtt_us;
	}
	return donor;
}

/* Extents that the donor has granted or may soon grant. */
static unsigned int coming_from(const struct peer *peer)
{
	const struct borrow *b = &peer->borrow;
	bool soon = b->asking && uv_now(peer->d->loop) - b->asked_ms < ASK_WAIT_MS;

	return b->granted_len + (soon ? b->asked : 0);
}

static void borrow_more(struct ramsterd *d)
{
	struct placement_donor donors[R2NET_MAX_NODES];
	uint64_t size = d->conf->extent_size;
	uint64_t ahead = kernel_view_counter(&d->view, "remote_used_bytes") / AHEAD_SHARE;
	uint64_t count = (d->view.need + ahead + size - 1) / size, coming = 0;
	unsigned int len = 0;
	struct peer *peer;

	for_each_peer(d, peer)
	{
		coming += coming_from(peer);
		if (can_be_asked(peer))
			donors[len++] = lease_as_donor(peer);
	}
	if (count <= coming || !len)
		return;
	count -= coming;
	placement_choose(donors, len, count < len * LEASE_ASK_MAX ? count : len * LEASE_ASK_MAX, size, lease_random,
			 NULL);
	for (unsigned int i = 0; i < len; i++)
		if (donors[i].extents)
			send_request(d->peers[donors[i].node], donors[i].extents);
}

/* ---- Each donor ---- */

/* The view still has it as it was: nothing more is to be done with that peer in this tick. */
static void declare_dead(struct peer *peer, const struct kernel_peer *p, const char *why)
{
	struct ramsterd *d = peer->d;

	log_limited(&peer->log_limit, p->pages ? LOG_ERR : LOG_WARNING, "%s: %s; %llu pages that were with it are lost",
		    peer->node.name, why, (unsigned long long)p->pages);
	if (kernel_peer_dead(d->kernel, p->node, p->lender_instance))
		log_limited(&peer->log_limit, LOG_ERR, "%s: the module does not take that: %s", peer->node.name,
			    kernel_error(d->kernel));
	if (peer->link.lender_instance == p->lender_instance)
		link_reset(peer);
}

/*
 * What of its lender is gone with all it held: incarnations that are not the one which runs now; and any, if the node was away
 * for hold_time. Donors end the leases of owners that were away so long, so nothing is to wait for it any more. Returns whether
 * there was any.
 */
static bool bury(struct peer *peer)
{
	struct ramsterd *d = peer->d;
	bool away = peer->state != PEER_UP && uv_now(d->loop) - peer->up_ms >= d->conf->hold_time_ms, any = false;
	bool anew = peer_is_usable(peer) && peer->offer.lender_instance;

	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];

		if (p->node != peer->node.number || p->state == RAMSTER_PEER_DEAD)
			continue;
		if (away)
			declare_dead(peer, p, "it was away for hold_time and has ended our leases");
		else if (anew && p->lender_instance != peer->offer.lender_instance)
			declare_dead(peer, p, "its lender was started anew");
		else
			continue;
		any = true;
	}
	return any;
}

/* The same for nodes that are not in cluster.conf: once their pages are elsewhere, or after hold_time. */
static void bury_unknown(struct ramsterd *d)
{
	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];
		const struct kept *kept = p->node < R2NET_MAX_NODES ? &d->kept[p->node] : NULL;

		bool left;

		if (!kept || d->peers[p->node] || p->state == RAMSTER_PEER_DEAD || kept->lender != p->lender_instance ||
		    kept->keep)
			continue;
		/* The view is younger than what was told; what is under way there is in use, too. */
		left = p->used || p->leaving < p->extents;
		if (left && uv_now(d->loop) - kept->at_ms < d->conf->hold_time_ms)
			continue;
		log_print(p->pages ? LOG_ERR : LOG_INFO,
			  "node %u is not in cluster.conf: forgotten; %llu pages are lost", p->node,
			  (unsigned long long)p->pages);
		if (kernel_peer_dead(d->kernel, p->node, p->lender_instance))
			log_err("node %u: the module does not take that: %s", p->node, kernel_error(d->kernel));
	}
}

static bool has_extents(const struct peer *peer)
{
	const struct kernel_peer *p;

	p = kernel_view_peer(&peer->d->view, peer->node.number, peer->link.lender_instance);
	return p && p->extents && p->state != RAMSTER_PEER_DEAD;
}

static void tend(struct peer *peer)
{
	struct borrow *b = &peer->borrow;
	bool token_wanted;

	if (bury(peer))
		return;
	if (b->granted_len && peer->offer.lender_instance && b->granted_lender != peer->offer.lender_instance)
		b->granted_len = 0; /* gone with the lender that made it */
	giveback_tend(peer);
	token_wanted = link_tick(peer, b->granted_len || has_extents(peer));
	settle(peer);
	if (!peer_is_usable(peer) || !peer->offer.lender_instance || b->listing || b->asking)
		return;
	/* What is granted and not yet the module's would look lost. */
	if (!b->granted_len && (!b->listed || b->listed_lender != peer->offer.lender_instance)) {
		if (uv_now(peer->d->loop) >= b->list_at_ms)
			send_list_request(peer);
	} else if (token_wanted && uv_now(peer->d->loop) >= b->rest_until_ms) {
		send_request(peer, 0);
	}
}

void lease_tick(struct ramsterd *d)
{
	struct peer *peer;

	if (!d->view.instance)
		return;
	bury_unknown(d);
	giveback_keep(d);
	for_each_peer(d, peer) tend(peer);
	if (d->view.need && !d->evict)
		borrow_more(d);
	giveback_tick(d);
}

void lease_member_changed(struct peer *peer)
{
	lease_reset(peer);
	ramsterd_tick_soon(peer->d);
}

void lease_offer_changed(struct peer *peer)
{
	if (!peer->offer.lender_instance)
		peer->borrow.listed = false; /* what its lender was asked last may or may not have been done */
	else if (!peer->borrow.listed)
		link_try_soon(peer); /* it is back, perhaps the same with all it had */
	link_moved(peer, peer->offer.lender_instance, peer->offer.data_port);
	if (peer->d->view.instance)
		ramsterd_tick_soon(peer->d);
}

void lease_restart(struct ramsterd *d)
{
	struct peer *peer;

	for_each_peer(d, peer)
	{
		link_reset(peer);
		giveback_forget(peer);
		lease_reset(peer);
	}
	memset(d->kept, 0, sizeof(d->kept));
	d->spare_seconds = 0;
}

void lease_reset(struct peer *peer)
{
	const struct borrow before = peer->borrow;

	free(before.found);
	/* What the donor wants back it still wants, until it says something else. */
	peer->borrow = (struct borrow){ .revoke_lender = before.revoke_lender, .keep = before.keep };
}
