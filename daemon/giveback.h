/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * giveback - this node as an owner gives leases back: what it has too much of, and what donors want. The module empties the
 * leases that have to go; here they are chosen by number, and returned.
 */
#ifndef _RAMSTER_GIVEBACK_H
#define _RAMSTER_GIVEBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/ramster.pb-c.h"

struct peer;
struct ramsterd;

/* What the module was told last of the leases of a node's lender. */
struct kept {
	uint64_t lender; /* 0: nothing */
	uint32_t keep;
	uint64_t at_ms;
	uint64_t told_ms; /* when the module was told last */
};

/* Each second, and when that changes: tells the module how many leases may stay. Its view is fresh. */
void giveback_keep(struct ramsterd *d);

/* Each second, and when a lease was emptied: returns what the donor wants back. The module's view is fresh. */
void giveback_tend(struct peer *peer);

/* Each tick; a second counts once: returns some of what has been too much for a while. */
void giveback_tick(struct ramsterd *d);

/* The donor says how many leases of a lender of its may stay. That may come before the donor offers that lender, or after. */
void giveback_on_revoke(struct peer *peer, const Ramster__LeaseRevoke *revoke);

/* A new session, or another module: the donor has not said so yet. */
void giveback_forget(struct peer *peer);

/* Brings all of this node's pages home, and borrows nothing, until it is switched off. */
void giveback_evict(struct ramsterd *d, bool on);

#endif
