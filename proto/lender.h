/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lender.h - ramsterd's side door to ramster-lender: a SOCK_SEQPACKET unix socket on the same machine.
 *
 * Each packet is one struct lender_request or one struct lender_reply, in the machine's own byte order; every request
 * gets exactly one reply, in order. A packet of another size, an unknown command, or a value out of range is answered
 * -EINVAL and changes nothing. The lender takes any number of clients, but only of its own user or root
 * (SO_PEERCRED). Leases and tokens live in the lender and outlive ramsterd.
 */
#ifndef _RAMSTER_LENDER_H
#define _RAMSTER_LENDER_H

#include <linux/types.h>

#include "r2net.h"

#define LENDER_PROTOCOL 1
#define LENDER_MAX_LEASES 64 /* leases in one request or reply */
#define LENDER_TURN_LEASES 8 /* that end in one turn, so that others wait no longer than for these */
#define LENDER_MAX_OWNERS 24 /* owners in one reply: as many as take no more room than the leases */
#define LENDER_MIN_BANDWIDTH (8U << 20) /* bytes a second: the owner's largest frame takes 1/32 s then */

enum lender_command {
	LENDER_STATUS = 1, /* -> status */
	LENDER_LIMIT = 2, /* limit: most bytes to lend from now on; leases above it stay -> status */
	LENDER_ADMIT = 3, /* owner, instance, token: accept HELLOs with this token (replaces the owner's earlier one) */
	LENDER_LEASE =
		4, /* owner, instance, count, extent_size, limit: -> leases; fewer than count when all is lent (none: no
		    * error) or limit is reached (none: -EDQUOT)
		    */
	LENDER_RELEASE =
		5, /* owner, instance, count, leases: end these; each waits for its pins -> count of those ended */
	LENDER_EXPEL =
		6, /* owner, instance: close its connections, forget its token, end up to LENDER_TURN_LEASES of its leases
		    * -> count of those ended; fewer: it has none any more
		    */
	LENDER_LIST = 7, /* cursor: leases in force, from cursor on -> leases, cursor of the next (0 = no more) */
	LENDER_BANDWIDTH =
		8, /* owner, limit: most bytes a second on all its data connections together, in and out, from now on; 0:
		    * no limit
		    */
	LENDER_OWNERS =
		9, /* cursor: what owners have done, by their numbers from cursor on -> owners, cursor of the next (0 = no
		    * more). Those of whom there is nothing to say are left out
		    */
};

struct lender_lease {
	__u32 extent; /* id; never 0 */
	__u32 generation; /* never 0; new at each lease of the id */
	__u32 size; /* bytes */
	__u32 owner; /* node number */
	__u64 instance; /* of the owner */
};

struct lender_request {
	__u32 protocol; /* LENDER_PROTOCOL */
	__u32 command; /* enum lender_command */
	__u32 owner;
	__u32 count; /* LEASE: 1 ... LENDER_MAX_LEASES wanted; RELEASE: entries of leases[] */
	__u64 instance;
	__u64 limit; /* LIMIT: bytes; BANDWIDTH: bytes a second, 0 or LENDER_MIN_BANDWIDTH and more; LEASE: most bytes that the owner may have leased, in any instance; 0: no quota */
	__u32 extent_size; /* LEASE: bytes, a multiple of R2NET_EXTENT_MIN up to R2NET_EXTENT_MAX */
	__u32 cursor; /* LIST, OWNERS */
	__u8 token[R2NET_TOKEN_LEN]; /* ADMIT */
	struct lender_lease leases[LENDER_MAX_LEASES]; /* RELEASE: extent and generation are read */
};

struct lender_status {
	__u64 instance; /* of this run of the lender, or of the one that it goes on for (keep_on_restart); never 0 */
	__u64 limit; /* bytes that may be lent */
	__u64 lent; /* bytes leased now */
	__u64 read_items, read_bytes; /* served since start */
	__u64 write_items, write_bytes;
	__u64 refused_hello; /* wrong version, numbers or token, or too many connections */
	__u64 malformed; /* frames that ended their connection */
	__u64 stale, range; /* items answered ESTALE, ERANGE */
	__u32 port; /* TCP port of the data wire */
	__u32 connections; /* open now, both roles */
	__u32 extents; /* leased now */
	__u32 donor; /* node number that it was started as */
};

/* All but the first three have grown since the lender's start, whatever the owner's instance. */
struct lender_owner {
	__u32 owner; /* node number */
	__u32 connections; /* open now, both roles */
	__u64 bandwidth; /* bytes a second that it may have; 0: no limit */
	__u64 in_bytes, out_bytes; /* of WRITEs and READs, and of their ANSWERs: whole frames */
	__u64 frames; /* WRITEs and READs */
	__u64 waits; /* for a turn: times that one of its threads was held back for other owners */
	__u64 throttled_ms; /* that its requests have waited for bandwidth, each by itself */
	__u64 refused; /* connections that had proven to be its, and were too many or had a number used before */
};

struct lender_reply {
	__s32 error; /* 0 or -errno */
	__u32 count; /* LEASE, LIST: entries of leases[]; OWNERS: of owners[]; RELEASE, EXPEL: leases ended */
	__u32 cursor; /* LIST, OWNERS */
	__u32 held; /* ADMIT, LEASE, RELEASE, EXPEL: leased to the owner now, in units of R2NET_EXTENT_MIN */
	struct lender_status status; /* filled in by every command */
	union {
		struct lender_lease leases[LENDER_MAX_LEASES];
		struct lender_owner owners[LENDER_MAX_OWNERS];
	};
};
r2net_static_assert(LENDER_MAX_OWNERS * sizeof(struct lender_owner) <= LENDER_MAX_LEASES * sizeof(struct lender_lease));

#endif
