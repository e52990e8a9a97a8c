// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * giveback - this node as an owner gives leases back: what it has too much of, and what donors want.
 */
#include <stdlib.h>

#include "daemon/attribute.h"
#include "daemon/giveback.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/placement.h"

#define TELL_AGAIN_MS 5000 /* somebody else, ramsterd --release, may have told the module otherwise */
#define LOW_WATER_PARAMETER "/sys/module/ramster/parameters/low_water_mb"
#define SPARE_MIN (64ULL << 20) /* free remote space always kept */
#define SPARE_SECONDS 30 /* with too much of it, before some is given back */
#define RETURN_MAX 4 /* extents given back a second, so that donors take turns */
#define REVOKED_MAX 1024 /* leases that a donor wants back, given back a second: it bounds what it has to do */

/* Free remote space that is worth keeping: shares of what is used and of the module's own low-water mark. */
static uint64_t spare_wanted(uint64_t used)
{
	char value[24];
	uint64_t spare = 0;

	if (!attribute_read(LOW_WATER_PARAMETER, value, sizeof(value)))
		spare = 3 * (strtoull(value, NULL, 10) << 20);
	return (spare > SPARE_MIN ? spare : SPARE_MIN) + used / 2;
}

/* The donor to relieve, of those where enough is unused that an extent may be empty. */
static struct peer *relieved(const struct ramsterd *d)
{
	struct placement_donor donors[R2NET_MAX_NODES], *chosen;
	unsigned int len = 0;

	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];
		struct peer *peer = p->node < R2NET_MAX_NODES ? d->peers[p->node] : NULL;

		if (!peer || !peer_is_usable(peer) || p->state == RAMSTER_PEER_DEAD || !p->extents ||
		    p->lender_instance != peer->offer.lender_instance || len == R2NET_MAX_NODES)
			continue;
		donors[len] = lease_as_donor(peer);
		donors[len++].have = p->space - p->used;
	}
	chosen = placement_give_back(donors, len, d->conf->extent_size, lease_random, NULL);
	return chosen ? d->peers[chosen->node] : NULL;
}

/* Returns up to RAMSTER_NL_MAX_LEASES empty leases to a donor. Returns how many. */
static unsigned int return_leases(struct peer *peer, unsigned int count)
{
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES];
	unsigned int len;

	if (kernel_lease_return(peer->d->kernel, peer->node.number, peer->offer.lender_instance, count, leases, &len))
		return 0;
	lease_send_return(peer, peer->offer.lender_instance, leases, len);
	return len;
}

/* What a donor wants back, as far as it is empty by now. */
static void return_revoked(struct peer *peer)
{
	const struct kernel_peer *p = kernel_view_peer(&peer->d->view, peer->node.number, peer->offer.lender_instance);
	unsigned int left = p ? p->leaving : 0, count, returned = 0, len;
	struct borrow *b = &peer->borrow;

	if (ramsterd_second(peer->d, &b->returned_ms))
		b->returned = 0;
	if (left > REVOKED_MAX - b->returned)
		left = REVOKED_MAX - b->returned;
	while (left) {
		count = left < RAMSTER_NL_MAX_LEASES ? left : RAMSTER_NL_MAX_LEASES;
		len = return_leases(peer, count);
		returned += len;
		left -= len;
		if (len < count)
			break;
	}
	b->returned += returned;
	if (returned)
		log_debug("%s: gave back %u of the %u leases that it wants", peer->node.name, returned, p->leaving);
}

/* Tells the module how many leases of a lender may stay, whether or not its node is up, a member, or configured still. */
static void set_keep(struct ramsterd *d, const struct kernel_peer *p)
{
	static struct log_limit limit = LOG_LIMIT(4, 10000);
	const struct peer *peer = d->peers[p->node];
	bool revoked = peer && peer->borrow.revoke_lender == p->lender_instance;
	uint32_t keep = d->evict || !peer ? 0 : revoked ? peer->borrow.keep : UINT32_MAX;
	struct kept *kept = &d->kept[p->node];
	bool same = kept->lender == p->lender_instance && kept->keep == keep;

	if (same && (keep == UINT32_MAX || uv_now(d->loop) - kept->told_ms < TELL_AGAIN_MS))
		return;
	if (!same && !peer && p->pages)
		log_limited(
			&limit, LOG_WARNING,
			"node %u is not in cluster.conf, but has %llu pages of this node: they are taken away from it",
			p->node, (unsigned long long)p->pages);
	if (kernel_lease_keep(d->kernel, p->node, p->lender_instance, keep))
		log_limited(&limit, LOG_ERR, "node %u: the module does not give back what it wants: %s", p->node,
			    kernel_error(d->kernel));
	else
		*kept = (struct kept){ .lender = p->lender_instance,
				       .keep = keep,
				       .at_ms = same ? kept->at_ms : uv_now(d->loop),
				       .told_ms = uv_now(d->loop) };
}

void giveback_on_revoke(struct peer *peer, const Ramster__LeaseRevoke *revoke)
{
	static struct log_limit limit = LOG_LIMIT(10, 5000);
	struct borrow *b = &peer->borrow;

	if (revoke->owner_instance != peer->d->view.instance)
		return; /* those leases are over */
	if (revoke->keep != UINT32_MAX)
		log_limited(&limit, LOG_INFO, "%s: wants all but %u leases back", peer->node.name, revoke->keep);
	else if (b->revoke_lender && b->keep != UINT32_MAX)
		log_limited(&limit, LOG_INFO, "%s: wants no more leases back", peer->node.name);
	b->revoke_lender = revoke->lender_instance;
	b->keep = revoke->keep;
	ramsterd_tick_soon(peer->d);
}

void giveback_forget(struct peer *peer)
{
	peer->borrow.revoke_lender = 0;
}

void giveback_evict(struct ramsterd *d, bool on)
{
	if (on == d->evict)
		return;
	log_info(on ? "all pages of this node are being brought home" : "pages of this node may go to others again");
	d->evict = on;
	ramsterd_tick_soon(d);
}

void giveback_keep(struct ramsterd *d)
{
	for (unsigned int i = 0; i < d->view.peers_len; i++)
		if (d->view.peers[i].node < R2NET_MAX_NODES && d->view.peers[i].state != RAMSTER_PEER_DEAD)
			set_keep(d, &d->view.peers[i]);
}

void giveback_tend(struct peer *peer)
{
	if (peer->state == PEER_UP)
		return_revoked(peer);
}

void giveback_tick(struct ramsterd *d)
{
	uint64_t space = 0, used = 0, spare, count;
	unsigned int len;
	struct peer *peer;

	if (!ramsterd_second(d, &d->spare_ms))
		return;
	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		if (d->view.peers[i].state == RAMSTER_PEER_DEAD)
			continue;
		space += d->view.peers[i].space;
		used += d->view.peers[i].used;
	}
	spare = spare_wanted(used);
	if (d->view.need || space - used < spare + d->conf->extent_size) {
		d->spare_seconds = 0;
		return;
	}
	if (++d->spare_seconds < SPARE_SECONDS)
		return;
	count = (space - used - spare) / d->conf->extent_size;
	peer = relieved(d);
	if (!peer)
		return;
	len = return_leases(peer, count < RETURN_MAX ? count : RETURN_MAX);
	if (len)
		log_debug("%s: gave %u empty extents back", peer->node.name, len);
}
