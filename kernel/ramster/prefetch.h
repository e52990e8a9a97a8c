/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefetch.h - which remote pages to read ahead. Pure: no I/O, no locks, no time.
 *
 * It follows a few streams of loads that go up or down the index one after another. A stream is believed from its second
 * load on; then pages ahead of it are planned, twice as many each time, so that the next are under way before the last
 * have been used.
 */
#ifndef _RAMSTER_PREFETCH_H
#define _RAMSTER_PREFETCH_H

#include <linux/types.h>

#define PREFETCH_STREAMS 8
#define PREFETCH_MIN 4 /* pages of a stream's first plan */
#define PREFETCH_MAX 63 /* pages of a plan: with the one that is waited for they fill a READ */

struct prefetch_stream {
	unsigned long last; /* index of the latest load */
	unsigned long ahead; /* first index that has not been planned */
	unsigned long used; /* prefetch.clock at the latest load */
	unsigned int window; /* pages of the next plan; 0 = not believed yet */
	int step; /* 1 or -1 */
};

struct prefetch {
	unsigned long clock;
	struct prefetch_stream streams[PREFETCH_STREAMS];
};

struct prefetch_plan {
	unsigned long start;
	int step;
	unsigned int nr; /* pages; 0 = nothing to read ahead */
};

/**
 * prefetch_load - a page is loaded that is, or was until it was read ahead, remote
 * @p: zeroed at first; the caller serialises
 * @index: of the page
 *
 * Returns what to read ahead now. Indices of a plan may be unused or local.
 */
struct prefetch_plan prefetch_load(struct prefetch *p, unsigned long index);

#endif
