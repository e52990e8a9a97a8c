// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load - what the programs of a simulated node need.
 */
#include <math.h>

#include "tests/sim/load.h"

#define DAY 600.0 /* s: a day is short here, so that a run has some */
#define WALK_STEP 0.004
#define WALK_BACK 0.02 /* share of the way back that it takes each second */
#define BURST_CHANCE 0.001 /* a second */
#define BURST_MIN 0.1
#define BURST_MAX 0.4
#define BURST_SECONDS 60

static uint64_t state;

uint32_t load_random(void *unused)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL >> 32;
}

double load_uniform(void)
{
	return load_random(0) / 4294967296.0;
}

void load_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (unsigned int i = 0; i < 8; i++)
		load_random(0);
}

void load_begin(struct load *load, bool owner)
{
	*load = (struct load){
		.base = owner ? 1.1 + 0.2 * load_uniform() : 0.30 + 0.1 * load_uniform(),
		.rhythm = owner ? 0.25 : 0.08,
		.phase = load_uniform(),
	};
}

double load_at(struct load *load, uint32_t now, bool calm)
{
	double at;

	if (calm) {
		load->burst = 0;
		load->phase -= 1 / DAY;
	} else if (load->burst && now >= load->burst_until) {
		load->burst = 0;
	} else if (!load->burst && load_uniform() < BURST_CHANCE) {
		load->burst = BURST_MIN + (BURST_MAX - BURST_MIN) * load_uniform();
		load->burst_until = now + 1 + 2 * BURST_SECONDS * load_uniform();
	}
	load->walk += WALK_STEP * (2 * load_uniform() - 1) - WALK_BACK * load->walk;
	at = load->base + load->rhythm * sin(2 * M_PI * (now / DAY + load->phase)) + load->walk + load->burst;
	return at > 0.02 ? at : 0.02;
}
