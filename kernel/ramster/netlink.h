/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink.h - the module's side of proto/ramster_nl.h.
 */
#ifndef _RAMSTER_NETLINK_H
#define _RAMSTER_NETLINK_H

#include <linux/types.h>

#include "ramster_nl.h"

struct genl_family;

/* Events. They may sleep, never wait for a reader, and are dropped when nobody listens or memory is short. */
void netlink_event_need(u64 bytes);
void netlink_event_conn_down(u32 node, u32 conn);
void netlink_event_peer(u32 node, enum ramster_nl_peer_state state);
/* Leases may wait to be returned. */
void netlink_event_vacated(void);
void netlink_event_lost(u32 node, u64 pages);

extern struct genl_family netlink_family; /* for the two files */

/* May sleep. */
int netlink_init(void);
void netlink_exit(void);

#endif
