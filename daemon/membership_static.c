// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * membership_static - a node is a member while its control connection is up, which also carries what it offers.
 */
#include <stdio.h>

#include "daemon/membership.h"

static int start(struct ramsterd *d)
{
	return 0;
}

static void stop(struct ramsterd *d)
{
}

static void tick(struct ramsterd *d)
{
}

static void advertise(struct ramsterd *d)
{
	struct peer *peer;

	for_each_peer(d, peer) peer_advertise(peer);
}

static const struct offer *offer(const struct peer *peer)
{
	return NULL;
}

static void reason(const struct peer *peer, char text[PEER_REASON_LEN])
{
	snprintf(text, PEER_REASON_LEN, "%s", peer->reason);
}

static bool describe(const struct ramsterd *d, char text[PEER_REASON_LEN])
{
	text[0] = 0;
	return true;
}

const struct membership_ops membership_static = {
	.name = "static",
	.start = start,
	.stop = stop,
	.control_changed = peer_set_member,
	.tick = tick,
	.advertise = advertise,
	.offer = offer,
	.reason = reason,
	.describe = describe,
};
