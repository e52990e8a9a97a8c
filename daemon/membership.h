/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * membership - who decides that a node belongs to the cluster now, and what the nodes tell each other of what they lend.
 *
 * Each way of deciding is one table; cluster.conf names it. It tells its decisions by peer_set_member(). Nothing new is
 * borrowed from, or lent to, a node that is no member; pages, leases and data connections that are there stay.
 */
#ifndef _RAMSTER_MEMBERSHIP_H
#define _RAMSTER_MEMBERSHIP_H

#include <stdbool.h>

#include "daemon/peer.h"

struct membership_ops {
	const char *name; /* in cluster.conf */
	/* Returns 0, or -ENOMEM. Never waits for anybody. There are no peers yet. */
	int (*start)(struct ramsterd *d);
	void (*stop)(struct ramsterd *d);
	/* The control connection of a peer came or went. */
	void (*control_changed)(struct peer *peer, bool up);
	/* Each second: looks after what the loop does not tell by itself. */
	void (*tick)(struct ramsterd *d);
	/* Tells all others what this node offers, if they do not know already. At least once a second. */
	void (*advertise)(struct ramsterd *d);
	/* What the peer offers, if this membership has carried that; else NULL: what its control connection says holds. */
	const struct offer *(*offer)(const struct peer *peer);
	/* Why the peer is no member; "" if it is one. */
	void (*reason)(const struct peer *peer, char text[PEER_REASON_LEN]);
	/* The membership's own state in a few words; "" if it has none. Returns whether it is as it should be. */
	bool (*describe)(const struct ramsterd *d, char text[PEER_REASON_LEN]);
};

extern const struct membership_ops membership_static;
extern const struct membership_ops membership_corosync;

/* The one of that name; cluster.conf has no others. */
const struct membership_ops *membership_by_name(const char *name);

#endif
