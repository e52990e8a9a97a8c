// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seal - what sealing a page that leaves, and opening one that comes back, costs.
 *
 *	seal [--raw FILE]
 *
 * The module's own framing (seal.c) over the shim's AES-256-GCM. Whole pages, the longest there are. Times are the
 * processor's, of this thread.
 */
#include <getopt.h>
#include <time.h>

#include "node.h"
#include "seal.h"

#define PAGES 256
#define ROUNDS 201
#define MOST_NS 2500

enum step { SEAL, OPEN, NR_STEPS };

static const char *const step_names[NR_STEPS] = { "seal", "open" };

static u8 bytes[PAGES][PAGE_SIZE + SEAL_TAG];
static double times[NR_STEPS][ROUNDS]; /* ns a page */

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool run_step(enum step step, unsigned int i, u32 mark)
{
	const struct seal_bond bond = { .serial = 1, .mark = mark, .index = i, .length = PAGE_SIZE, .pool = 1 };

	return step == SEAL ? !seal_page(bytes[i], &bond) : !seal_open(bytes[i], &bond);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool run_round(unsigned int round)
{
	enum step step;
	unsigned int i;
	u64 before;

	for (step = 0; step < NR_STEPS; step++) {
		before = now();
		for (i = 0; i < PAGES; i++)
			if (!run_step(step, i, round + 1))
				return false;
		times[step][round] = (double)(now() - before) / PAGES;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "raw", required_argument, NULL, 'r' }, { 0 } };
	bool reached = true;
	FILE *raw = NULL;
	unsigned int round;
	enum step step;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r') {
			fprintf(stderr, "usage: seal [--raw FILE]\n");
			return 2;
		}
		raw = fopen(optarg, "a");
		if (!raw) {
			fprintf(stderr, "seal: %s: %s\n", optarg, strerror(errno));
			return 1;
		}
	}
	node_up("zbud", "lzo");
	for (round = 0; round < ROUNDS; round++) {
		if (!run_round(round)) {
			fprintf(stderr, "seal: a page did not come back as it was\n");
			return 1;
		}
		for (step = 0; raw && step < NR_STEPS; step++)
			fprintf(raw, "seal round=%u step=%s ns_per_page=%.1f\n", round, step_names[step],
				times[step][round]);
	}
	printf("ns a page of 4 KiB, AES-256-GCM, medians of %d rounds of %d pages\n", ROUNDS, PAGES);
	for (step = 0; step < NR_STEPS; step++) {
		qsort(times[step], ROUNDS, sizeof(times[step][0]), compare);
		printf("%-10s %8.0f\n", step_names[step], times[step][ROUNDS / 2]);
		reached &= times[step][ROUNDS / 2] <= MOST_NS;
	}
	printf("wanted to seal and to open, at most %d: %s\n", MOST_NS, reached ? "reached" : "MISSED");
	node_down();
	if (raw && fclose(raw)) {
		fprintf(stderr, "seal: %s\n", strerror(errno));
		return 1;
	}
	return !reached;
}
