/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * membership - who decides that a node belongs to the cluster now. Each way of deciding is one table; cluster.conf
 * names it. It tells its decisions by peer_set_member().
 */
#ifndef _RAMSTER_MEMBERSHIP_H
#define _RAMSTER_MEMBERSHIP_H

#include <stdbool.h>

struct peer;

struct membership_ops {
	const char *name; /* in cluster.conf */
	void (*control_changed)(struct peer *peer, bool up); /* its control connection came or went */
};

extern const struct membership_ops membership_static;

#endif
