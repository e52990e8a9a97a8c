/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster - simulated nodes that lend and borrow by the daemon's own policies (lend_policy.h, placement.h). A tick is a
 * second, as ramsterd's; what a node advertises is known to others in the next.
 */
#ifndef _RAMSTER_SIM_CLUSTER_H
#define _RAMSTER_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/lend_policy.h"
#include "tests/sim/load.h"

#define EXTENT (4ULL << 20)

struct node {
	bool up;
	uint64_t ram; /* bytes */
	struct load load;
	uint64_t needs; /* bytes of its programs */
	uint64_t psi_total_us;
	double psi_avg10; /* share */
	struct lend_policy policy;
	struct lend_decision decision;
	uint32_t lent, leased; /* extents */
	uint32_t wanted; /* extents that it would like to have leased */
	uint32_t revoking_since; /* s; 0: it wants nothing back */
	uint32_t spare_since; /* s; 0: it has not too much */
	uint32_t emptied; /* extents that it has emptied for donors at this tick */
	uint32_t back_at; /* when a dead node comes back, s */
	/* As advertised at the last tick. */
	uint64_t told_free, told_lent;
	bool told_borrowing;
};

struct cluster {
	unsigned int len;
	struct node *nodes;
	uint16_t *leases; /* [owner * len + donor]: extents */
	uint32_t *rest; /* [owner * len + donor]: not to be asked before, s */
	unsigned int *order; /* nodes take turns in another order each tick */
	uint32_t now; /* s, from 1 on */
	bool unequal;
	bool calm; /* loads hardly change, nobody joins or dies */
	uint64_t made, moved, lost; /* leases since the beginning: granted, taken back, ended with their donor */
	uint64_t joins, deaths;
	uint32_t *give_back; /* seconds that each demand of a donor took to be met */
	unsigned int give_back_len, give_back_max;
};

/*
 * Returns NULL if memory is short. A tenth of the nodes come later. @unequal: they have 4 ... 64 GiB instead of 16 each.
 */
struct cluster *cluster_new(unsigned int len, bool unequal);
void cluster_free(struct cluster *cluster);

/* One second. */
void cluster_tick(struct cluster *cluster);

/* Bytes that a donor could lend in all now; 0 for a node that is down or borrows. */
uint64_t cluster_could_lend(const struct node *node);

#endif
