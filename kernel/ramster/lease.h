/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lease.h - the ranges of lenders' memory that this node may use.
 *
 * A lease is spare, or it backs an extent (extent.h). One that the lender wants back is emptied by move.c.
 *
 * No function here sleeps unless it says so.
 */
#ifndef _RAMSTER_LEASE_H
#define _RAMSTER_LEASE_H

#include <linux/types.h>

#include "ramster_nl.h"

struct lease;
struct r2net_peer;

/* One peer's leases, as its peer holds them. */
struct lease_space {
	unsigned int nr;
	unsigned int backing; /* of these, that back an extent */
	unsigned int leaving; /* that are to be given back */
	unsigned int keep; /* the lender wants all but so many back */
	u64 bytes;
	u64 used; /* bytes of slots there */
	u64 pages;
	bool dead;
};

void lease_space_init(struct lease_space *space);
void lease_space_read(struct lease_space *space, struct lease_space *copy);

/**
 * lease_add - take leases into use
 * @peer: the lender's peer; each lease takes a reference
 * @size: bytes of each
 * @new: @nr of them
 *
 * May sleep. All or none. Returns 0, -EEXIST for a lease that is known already, -EINVAL for a bad size, -ENOSPC when
 * there are too many, or -ENOMEM.
 */
int lease_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr);

/**
 * lease_return - forget leases of a peer that hold nothing, so that they can end
 * @gone: room for @max
 *
 * Those that the lender wants back go first, then spare ones, then those of empty extents. May sleep. Returns how many it
 * forgot.
 */
unsigned int lease_return(struct r2net_peer *peer, struct ramster_nl_lease *gone, unsigned int max);

/**
 * lease_list - the leases of a peer
 * @from: where to begin, at first 0; left where the next call is to begin
 * @size: where the size of the leases is left; a list stops where the size changes
 *
 * Returns how many were written to @list.
 */
unsigned int lease_list(struct r2net_peer *peer, u32 *from, u32 *size, struct ramster_nl_lease *list, unsigned int max);

/**
 * lease_keep - say how many leases of a peer may stay
 * @keep: the emptiest of the others are emptied and then wait for lease_return(); UINT_MAX: all stay
 */
void lease_keep(struct r2net_peer *peer, unsigned int keep);

/**
 * lease_mark - choose which leases leave, and which stay after all, so that each peer's lease_keep() comes true
 *
 * Returns whether there was something to choose.
 */
bool lease_mark(void);

/**
 * lease_peer_dead - a peer's memory is gone
 *
 * May sleep. Returns how many pages were lost: those that no other lender has.
 */
u64 lease_peer_dead(struct r2net_peer *peer);

/**
 * lease_lost - the lender does not know a lease, which the caller has pinned
 *
 * Returns how many pages were lost; 0 if that was known.
 */
u64 lease_lost(struct lease *lease);

#endif
