// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * membership_static - a node is a member while its control connection is up.
 */
#include "daemon/membership.h"
#include "daemon/peer.h"

const struct membership_ops membership_static = {
	.name = "static",
	.control_changed = peer_set_member,
};
