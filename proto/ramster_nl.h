/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ramster_nl.h - generic netlink between ramsterd and the module. All commands need CAP_NET_ADMIN.
 *
 * Numbers are in the machine's byte order. No command waits for a peer. Errors come as errno with an extack text.
 * Events are hints and may be lost when the reader is slow: whatever they say can also be read with a GET.
 */
#ifndef _RAMSTER_NL_H
#define _RAMSTER_NL_H

#include <linux/types.h>

#define RAMSTER_NL_NAME "ramster"
#define RAMSTER_NL_VERSION 1
#define RAMSTER_NL_EVENTS "events" /* the multicast group */
#define RAMSTER_NL_MAX_LEASES 64 /* entries of one RAMSTER_A_LEASES */

enum ramster_nl_cmd {
	RAMSTER_CMD_UNSPEC,
	/*
	 * STATUS_GET (do): replies INSTANCE, NEED (bytes of remote space wanted beyond what is leased), FRONTENDS,
	 * and COUNTERS.
	 */
	RAMSTER_CMD_STATUS_GET,
	/*
	 * PEER_SET (do): NODE, LENDER_INSTANCE, DEADLINE_MS, SLOW_DEADLINE_MS. The node must be in configfs. Makes that
	 * run of the node's lender known as a peer, or changes its deadlines. An earlier run stays until PEER_DEAD; one that
	 * was declared dead and still runs becomes a new peer.
	 */
	RAMSTER_CMD_PEER_SET,
	/*
	 * PEER_GET (dump): NODE, LENDER_INSTANCE, STATE, EXTENTS, SPARE, LEAVING, SPACE, USED, PAGES, CONNS, RTT_US per peer
	 * incarnation.
	 */
	RAMSTER_CMD_PEER_GET,
	/* PEER_DEAD (do): NODE, LENDER_INSTANCE. Its extents are dead, its connections are aborted; loads there fail at once. */
	RAMSTER_CMD_PEER_DEAD,
	/*
	 * CONN_ADD (do): NODE, LENDER_INSTANCE, CONN, ROLE, WINDOW, FD. FD is a connected stream socket (TCP, AF_UNIX,
	 * AF_VSOCK) on which HELLO was answered; the module takes its own reference. ENOTSOCK, ENOTCONN, EPROTOTYPE.
	 */
	RAMSTER_CMD_CONN_ADD,
	/* CONN_DEL (do): NODE, CONN. Aborts the connection. */
	RAMSTER_CMD_CONN_DEL,
	/* CONN_GET (dump): NODE, LENDER_INSTANCE, CONN, ROLE, INFLIGHT, TX_BYTES, RX_BYTES per connection. */
	RAMSTER_CMD_CONN_GET,
	/* LEASE_ADD (do): NODE, LENDER_INSTANCE, EXTENT_SIZE, LEASES. All are taken or none. */
	RAMSTER_CMD_LEASE_ADD,
	/* LEASE_GET (dump), of peers that are not dead: NODE, LENDER_INSTANCE, EXTENT_SIZE, LEASES (as many messages as it takes). */
	RAMSTER_CMD_LEASE_GET,
	/*
	 * LEASE_RETURN (do): NODE, LENDER_INSTANCE, COUNT. Gives up to COUNT (at most RAMSTER_NL_MAX_LEASES) empty extents
	 * of that node back, those first that it wants back; replies with LEASES: those that the module has forgotten and
	 * that the lender may have.
	 */
	RAMSTER_CMD_LEASE_RETURN,
	/*
	 * LEASE_KEEP (do): NODE, LENDER_INSTANCE, KEEP. No more than KEEP leases of that lender shall stay: the emptiest of the
	 * others are emptied, to other lenders or, where there is no room, to local RAM, and can be returned then.
	 * 0xffffffff: all may stay, which is so at first.
	 */
	RAMSTER_CMD_LEASE_KEEP,
	/* HOME (do): COUNT. Brings up to COUNT (0: no more) remote pages home, as long as compressed pages take little RAM. */
	RAMSTER_CMD_HOME,
	/*
	 * LENT_GROUP (do): FD, of a cgroup2 directory. Pages that are charged to that group or one below it hold what this node
	 * has lent: they stay here.
	 */
	RAMSTER_CMD_LENT_GROUP,
	/*
	 * PEER_AWAY (do): NODE, LENDER_INSTANCE. Membership says that the node is gone: the peer is LATE at once. What waits
	 * for it, or is asked from now on, fails unless it answers within half a second. It is not dead: any answer ends that.
	 */
	RAMSTER_CMD_PEER_AWAY,
	/* Events. */
	RAMSTER_CMD_EVENT_NEED, /* NEED: more remote space is wanted */
	RAMSTER_CMD_EVENT_CONN_DOWN, /* NODE, CONN: the connection failed; the module has let go of it */
	RAMSTER_CMD_EVENT_PEER, /* NODE, STATE: the peer's state changed */
	RAMSTER_CMD_EVENT_LOST, /* NODE, PAGES: pages that were lost with that peer */
	RAMSTER_CMD_EVENT_VACATED, /* a lease that was to be emptied is, or may be: LEASE_RETURN */
	__RAMSTER_CMD_MAX,
};
#define RAMSTER_CMD_MAX (__RAMSTER_CMD_MAX - 1)

enum ramster_nl_attr {
	RAMSTER_A_UNSPEC,
	RAMSTER_A_PAD,
	RAMSTER_A_INSTANCE, /* u64: the module's, never 0, new at each load */
	RAMSTER_A_NODE, /* u32: node number */
	RAMSTER_A_LENDER_INSTANCE, /* u64 */
	RAMSTER_A_DEADLINE_MS, /* u32: 100 ... 60000 */
	RAMSTER_A_SLOW_DEADLINE_MS, /* u32: DEADLINE_MS ... 600000 */
	RAMSTER_A_CONN, /* u32 */
	RAMSTER_A_ROLE, /* u32: enum r2net_role */
	RAMSTER_A_WINDOW, /* u32: 1 ... R2NET_MAX_WINDOW */
	RAMSTER_A_FD, /* u32 */
	RAMSTER_A_EXTENT_SIZE, /* u32: bytes */
	RAMSTER_A_LEASES, /* binary: array of struct ramster_nl_lease */
	RAMSTER_A_COUNT, /* u32 */
	RAMSTER_A_NEED, /* u64: bytes */
	RAMSTER_A_STATE, /* u32: enum ramster_nl_peer_state */
	RAMSTER_A_EXTENTS, /* u32 */
	RAMSTER_A_SPACE, /* u64: bytes leased */
	RAMSTER_A_USED, /* u64: bytes of slots in use */
	RAMSTER_A_PAGES, /* u64 */
	RAMSTER_A_CONNS, /* u32 */
	RAMSTER_A_RTT_US, /* u32: smoothed time from a READ's sending to its answer; 0 = none yet */
	RAMSTER_A_INFLIGHT, /* u32 */
	RAMSTER_A_TX_BYTES, /* u64 */
	RAMSTER_A_RX_BYTES, /* u64 */
	RAMSTER_A_FRONTENDS, /* u32: enum ramster_nl_frontend bits */
	RAMSTER_A_COUNTERS, /* nested: one RAMSTER_A_COUNTER per counter */
	RAMSTER_A_COUNTER, /* nested: COUNTER_NAME, COUNTER_VALUE */
	RAMSTER_A_COUNTER_NAME, /* string, as documented in docs/abi.md */
	RAMSTER_A_COUNTER_VALUE, /* u64 */
	RAMSTER_A_KEEP, /* u32: leases */
	RAMSTER_A_SPARE, /* u32: of EXTENTS, those that hold nothing and wait for others to be of use */
	RAMSTER_A_LEAVING, /* u32: of EXTENTS, those that are to be given back and still are not */
	__RAMSTER_A_MAX,
};
#define RAMSTER_A_MAX (__RAMSTER_A_MAX - 1)

enum ramster_nl_peer_state {
	RAMSTER_PEER_DOWN = 0, /* no connection */
	RAMSTER_PEER_UP = 1,
	RAMSTER_PEER_LATE = 2, /* its deadline has passed, or PEER_AWAY: requests fail at once until it answers PING */
	RAMSTER_PEER_DEAD = 3, /* declared dead; its pages are lost */
};

enum ramster_nl_frontend {
	RAMSTER_FRONTEND_SWAPDEV = 1, /* /dev/ramster0 exists */
	RAMSTER_FRONTEND_FRONTSWAP = 2, /* frontswap is attached */
	RAMSTER_FRONTEND_FRONTSWAP_REMOTE =
		4, /* and the kernel reports a failed load, so that its pages may go to peers */
};

struct ramster_nl_lease {
	__u32 extent;
	__u32 generation;
};

#endif
