/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load - what the programs of a simulated node need: a daily rhythm, a walk around it, and bursts.
 */
#ifndef _RAMSTER_SIM_LOAD_H
#define _RAMSTER_SIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct load {
	double base; /* all are shares of the node's memory */
	double rhythm; /* amplitude of its day */
	double phase; /* of the day, 0 ... 1 */
	double walk; /* how far it has wandered off */
	double burst; /* 0: none */
	uint32_t burst_until; /* s */
};

/* A random number in 0 ... 1, and one of all 32 bits; of one generator, so that a seed repeats a run. */
double load_uniform(void);
uint32_t load_random(void *unused);
void load_seed(uint64_t seed);

/* Draws a node's nature: @owner for one that at times needs more than it has. */
void load_begin(struct load *load, bool owner);

/**
 * load_at - the share of its memory that a node's programs need
 * @now: s; to be called for each
 * @calm: no bursts, and the day stands still
 */
double load_at(struct load *load, uint32_t now, bool calm);

#endif
