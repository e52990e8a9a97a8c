// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * revoke - asks owners for lent memory back.
 *
 * What is over the limit is taken from the owners in proportion to what they have. An owner's number changes only when all
 * numbers together are too large, so that one who gives back quickly is not asked for more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/revoke.h"
#include "daemon/sidedoor.h"

#define KEEP_ALL UINT32_MAX
#define DEADLINE_MS 30000 /* after which it is said that memory does not come back */

struct lent_to {
	uint32_t leases; /* of the last walk */
	uint64_t bytes;
	uint32_t keep;
	uint32_t told; /* what it was told to keep, in @session, by @instance, of the leases of @lender */
	uint64_t session, instance, lender;
};

struct revoke {
	struct ramsterd *d;
	bool drain;
	uint64_t since_ms; /* memory is wanted back since then; 0: it is not */
	bool late; /* that was said */
	struct lent_to owners[R2NET_MAX_NODES];
};

bool revoke_wanted(const struct revoke *revoke)
{
	return revoke->drain || revoke->since_ms || lend_to_revoke(revoke->d);
}

bool revoke_draining(const struct revoke *revoke)
{
	return revoke->drain;
}

/* For the next ramsterd on this node. */
static void remember(const char *path, bool drain)
{
	int fd = drain ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : unlink(path);

	if (fd < 0 && errno != ENOENT)
		log_warn("%s: %s (a new ramsterd will not know whether this node is drained)", path, strerror(errno));
	else if (drain && fd >= 0)
		close(fd);
}

void revoke_drain(struct revoke *revoke, bool on)
{
	static struct log_limit limit = LOG_LIMIT(10, 5000); /* any node may say it */

	if (on == revoke->drain)
		return;
	log_limited(&limit, LOG_INFO, "%s",
		    on ? "this node is being drained: everything lent is wanted back" : "this node is drained no more");
	revoke->drain = on;
	remember(revoke->d->drain_path, on);
	ramsterd_tick_soon(revoke->d);
}

void revoke_begin(struct revoke *revoke)
{
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		revoke->owners[i].leases = 0;
		revoke->owners[i].bytes = 0;
	}
}

void revoke_count(struct revoke *revoke, uint32_t owner, uint64_t bytes)
{
	if (owner >= R2NET_MAX_NODES)
		return;
	revoke->owners[owner].leases++;
	revoke->owners[owner].bytes += bytes;
}

/* What an owner has once it has done as it was told, bytes. */
static uint64_t staying(const struct lent_to *owner)
{
	if (owner->keep >= owner->leases)
		return owner->bytes;
	return owner->bytes / owner->leases * owner->keep;
}

/* Lowers the owners' numbers until what stays is no more than may be lent. */
static void share_out(struct revoke *revoke, uint64_t revoked)
{
	uint64_t lent = 0, stays = 0, allowed;

	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		lent += revoke->owners[i].bytes;
		stays += staying(&revoke->owners[i]);
	}
	allowed = lent > revoked ? lent - revoked : 0;
	if (stays <= allowed)
		return;
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		struct lent_to *owner = &revoke->owners[i];

		if (owner->leases)
			owner->keep = (double)staying(owner) * owner->leases / owner->bytes * allowed / stays;
	}
}

/* What the owner takes to be so: it begins each session, and with each lender, with all that it has. */
static uint32_t known(const struct lent_to *owner, const struct peer *peer, uint64_t lender)
{
	bool told = owner->session == peer->session && owner->instance == peer->offer.owner_instance &&
		    owner->lender == lender;

	return told ? owner->told : KEEP_ALL;
}

static void tell(struct revoke *revoke, struct peer *peer)
{
	const struct lender_status *lender = sidedoor_status(revoke->d->door);
	struct lent_to *owner = &revoke->owners[peer->node.number];
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__LeaseRevoke body = RAMSTER__LEASE_REVOKE__INIT;

	if (peer->state != PEER_UP || !lender || owner->keep == known(owner, peer, lender->instance))
		return;
	owner->told = owner->keep;
	owner->session = peer->session;
	owner->instance = peer->offer.owner_instance;
	owner->lender = lender->instance;
	body.owner_instance = peer->offer.owner_instance;
	body.lender_instance = lender->instance;
	body.keep = owner->keep;
	message.body_case = RAMSTER__MESSAGE__BODY_LEASE_REVOKE;
	message.lease_revoke = &body;
	peer_send(peer, &message);
}

static void complain(struct revoke *revoke)
{
	uint64_t now_ms = uv_now(revoke->d->loop);

	if (!revoke->since_ms)
		revoke->since_ms = now_ms;
	if (revoke->late || now_ms - revoke->since_ms < DEADLINE_MS)
		return;
	revoke->late = true;
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++) {
		const struct lent_to *owner = &revoke->owners[i];
		const struct peer *peer = revoke->d->peers[i];

		if (owner->leases > owner->keep)
			log_warn("%s (node %u): did not give %u of %u leases back within %d s; the kernel swaps them "
				 "if it must",
				 peer ? peer->node.name : "not in cluster.conf", i, owner->leases - owner->keep,
				 owner->leases, DEADLINE_MS / 1000);
	}
}

void revoke_decide(struct revoke *revoke)
{
	uint64_t revoked = revoke->drain ? UINT64_MAX : lend_to_revoke(revoke->d);
	struct peer *peer;

	for (unsigned int i = 0; !revoked && i < R2NET_MAX_NODES; i++)
		revoke->owners[i].keep = KEEP_ALL;
	if (revoked) {
		share_out(revoke, revoked);
		complain(revoke);
	} else {
		revoke->since_ms = 0;
		revoke->late = false;
	}
	for_each_peer(revoke->d, peer) tell(revoke, peer);
}

struct revoke *revoke_new(struct ramsterd *d)
{
	struct revoke *revoke = calloc(1, sizeof(*revoke));

	if (!revoke)
		return NULL;
	revoke->d = d;
	revoke->drain = !access(d->drain_path, F_OK);
	for (unsigned int i = 0; i < R2NET_MAX_NODES; i++)
		revoke->owners[i].keep = KEEP_ALL;
	return revoke;
}

void revoke_free(struct revoke *revoke)
{
	free(revoke);
}
