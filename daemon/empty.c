// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * empty - what `ramster drain` and `ramster evict` ask for.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/empty.h"
#include "daemon/giveback.h"
#include "daemon/lend.h"
#include "daemon/peer.h"
#include "daemon/revoke.h"

/* Whether it is a member does not matter: without quorum nobody is. */
static bool lends(const struct peer *peer)
{
	return peer->state == PEER_UP && peer->offer.lender_instance && !peer->offer.draining && !peer->offer.borrowing;
}

/* Whether somebody else than this node (NULL: than the local one) could take what it holds. */
static bool has_others(struct ramsterd *d, const struct peer *drained)
{
	struct peer *peer;

	if (drained && sidedoor_status(d->door) && !revoke_draining(d->revoke) && !lend_borrowing(d) &&
	    d->self->lend != CONF_LEND_OFF)
		return true;
	for_each_peer(d, peer) if (peer != drained && lends(peer)) return true;
	return false;
}

static void send_drain(struct peer *peer, bool on)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Drain body = RAMSTER__DRAIN__INIT;

	body.on = on;
	message.body_case = RAMSTER__MESSAGE__BODY_DRAIN;
	message.drain = &body;
	peer_send(peer, &message);
}

/* Why a drain cannot begin or end as asked; empty if it can. */
static void check_drain(struct ramsterd *d, const Ramster__EmptyRequest *request, const struct peer *peer,
			char error[EMPTY_ERROR_LEN])
{
	if (peer && peer->state != PEER_UP)
		snprintf(error, EMPTY_ERROR_LEN, "%s is not up (%.120s): run this on the node itself", request->node,
			 peer->reason);
	else if (request->action == RAMSTER__EMPTY_REQUEST__ACTION__START && !request->force && !has_others(d, peer))
		snprintf(error, EMPTY_ERROR_LEN,
			 "%s is the last node that lends: what it holds could only go to its owners' own RAM and disks "
			 "(--force drains it even so)",
			 request->node);
}

static void drain(struct ramsterd *d, const Ramster__EmptyRequest *request, Ramster__EmptyReply *reply,
		  char error[EMPTY_ERROR_LEN])
{
	const struct conf_node *node = conf_node_by_name(d->conf, request->node);
	bool on = request->action == RAMSTER__EMPTY_REQUEST__ACTION__START;
	struct peer *peer = node ? d->peers[node->number] : NULL;
	struct offer offer;

	if (!node)
		snprintf(error, EMPTY_ERROR_LEN, "no node is named \"%.64s\" (expected one of `ramster nodes`)",
			 request->node);
	else if (request->action != RAMSTER__EMPTY_REQUEST__ACTION__LOOK)
		check_drain(d, request, peer, error);
	if (*error)
		return;
	offer = peer ? peer->offer : lend_offer(d);
	if (request->action != RAMSTER__EMPTY_REQUEST__ACTION__LOOK) {
		if (peer)
			send_drain(peer, on);
		else
			revoke_drain(d->revoke, on);
		reply->active = on;
	} else {
		reply->active = offer.draining;
	}
	reply->known = offer.lender_instance != 0;
	reply->lent = offer.lent;
}

/* Pages with a peer; what is on its way there counts as one. */
static uint64_t pages_there(const struct kernel_peer *p)
{
	return p->pages ? p->pages : p->used > 0;
}

static void evict(struct ramsterd *d, const Ramster__EmptyRequest *request, Ramster__EmptyReply *reply,
		  char error[EMPTY_ERROR_LEN])
{
	uint64_t limit, used;

	ramsterd_read_kernel(d);
	if (!d->view.instance) {
		snprintf(error, EMPTY_ERROR_LEN, "no module ramster here, so this node has no pages with others");
		return;
	}
	if (request->action != RAMSTER__EMPTY_REQUEST__ACTION__LOOK)
		giveback_evict(d, request->action == RAMSTER__EMPTY_REQUEST__ACTION__START);
	limit = kernel_view_counter(&d->view, "local_limit_bytes");
	used = kernel_view_counter(&d->view, "local_bytes");
	reply->known = true;
	reply->active = d->evict;
	reply->room = limit > used ? limit - used : 0;
	for (unsigned int i = 0; i < d->view.peers_len; i++)
		if (d->view.peers[i].state != RAMSTER_PEER_DEAD)
			reply->pages += pages_there(&d->view.peers[i]);
}

void empty_answer(struct ramsterd *d, const Ramster__EmptyRequest *request, Ramster__EmptyReply *reply,
		  char error[EMPTY_ERROR_LEN])
{
	error[0] = 0;
	if (request->evict)
		evict(d, request, reply, error);
	else
		drain(d, request, reply, error);
	reply->error = error;
}
