// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tsc - prints how fast this machine's time stamp counter counts, in kHz. With emulated CPUs it is the nodes', too.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define APART_MS 100
#define TRIES 100 /* of which the one counts that was interrupted least */

struct sample {
	uint64_t ticks;
	uint64_t ns;
	uint64_t took; /* ns: it is exact to that */
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static struct sample sample(void)
{
	struct sample best = { .took = UINT64_MAX };

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_ns(), ticks = __rdtsc(), took = clock_ns() - before;

		if (took < best.took)
			best = (struct sample){ .ticks = ticks, .ns = before + took / 2, .took = took };
	}
	return best;
}

int main(void)
{
	const struct timespec apart = { .tv_nsec = APART_MS * 1000000L };
	struct sample first = sample(), second;

	nanosleep(&apart, NULL);
	second = sample();
	printf("%.0f\n", (double)(second.ticks - first.ticks) * 1e6 / (double)(second.ns - first.ns));
	return 0;
}
