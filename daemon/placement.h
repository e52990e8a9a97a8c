/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement - from whom to borrow. Pure.
 *
 * Power of d choices: each extent goes to the donor with the most free memory among d drawn at random, so that owners
 * which all see the same advertisements do not all run to the same donor. No donor gets more than half of what is
 * borrowed while another has room, so that the loss of one is never the loss of all.
 */
#ifndef _RAMSTER_PLACEMENT_H
#define _RAMSTER_PLACEMENT_H

#include <stdint.h>

#define PLACEMENT_CHOICES 3

struct placement_donor {
	uint32_t node;
	uint64_t free; /* bytes that it would lease now */
	uint64_t have; /* bytes already borrowed from it */
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

#endif
