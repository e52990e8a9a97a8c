/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement - from whom to borrow. Pure.
 *
 * Power of d choices: each extent goes to the best donor among d drawn at random, so that owners which all see the same
 * advertisements, up to a second old, do not all run to the same donor. The best has the largest share of its memory
 * free, times its weight, and less for each doubling of its round trip beyond twice the usual one. Donors of a higher
 * priority come first. No donor gets more than half of what is borrowed while another has room, so that the loss of one
 * is never the loss of all.
 */
#ifndef _RAMSTER_PLACEMENT_H
#define _RAMSTER_PLACEMENT_H

#include <stdint.h>

/*
 * Worst max/mean lent of six runs of tests/sim, 1,000 nodes, steady state: with 2 choices 1.23, 3 1.13, 4 1.16, 8 1.27.
 * Fewer do not even out; more follow old advertisements too closely, and so err together.
 */
#define PLACEMENT_CHOICES 3
#define PLACEMENT_WEIGHT_MAX 100

struct placement_donor {
	uint32_t node;
	uint64_t free; /* bytes that it would lease now */
	uint64_t lent; /* bytes that it has leased to anyone */
	uint64_t have; /* bytes already borrowed from it */
	uint32_t most; /* extents that it may be asked for now */
	uint32_t weight; /* 1 ... PLACEMENT_WEIGHT_MAX */
	uint32_t priority;
	uint32_t rtt_us; /* 0: unknown, taken as usual */
	uint32_t extents; /* out: how many to ask it for */
};

/**
 * placement_choose - share out a number of extents
 * @donors: @len of them; @extents of each is set
 * @count: extents wanted
 * @extent_size: bytes, not 0
 * @random: a source of random numbers, called with @ctx
 *
 * Returns how many extents found a donor: fewer than @count when all are full.
 */
uint32_t placement_choose(struct placement_donor *donors, unsigned int len, uint32_t count, uint32_t extent_size,
			  uint32_t (*random)(void *ctx), void *ctx);

/**
 * placement_give_back - to whom to give back what is not needed
 * @donors: @len of them; @have of each is what could be given back to it, bytes
 *
 * The worst of some drawn at random, so that what is lent evens out also while nobody borrows more; of the lowest
 * priority. Returns NULL if none has a whole extent.
 */
struct placement_donor *placement_give_back(struct placement_donor *donors, unsigned int len, uint32_t extent_size,
					    uint32_t (*random)(void *ctx), void *ctx);

#endif
