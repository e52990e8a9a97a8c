// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * eater.c - eats more memory than its machine has for a while, and tells that it is alive.
 *
 * `eater MIB SECONDS`: fills MIB of memory, then reads and rewrites it, in order and at random, until SECONDS have passed.
 * Every page is verified before it is written again. Prints "alive" about once a second, from between two pages, so that a
 * page that takes long is a silence; at the end "eater: pages=N wrong=N longest=S", S being the longest that one page took.
 * Exit status: 0 if all bytes were right, 1 if any was wrong, 2 for bad arguments, 3 if it got no memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "pages.h"

#define SEED 1
#define BURST 1024 /* pages in order between two at random */

struct eater {
	uint8_t *memory;
	uint32_t *versions;
	uint64_t pages, touched, wrong;
	double end, beat, longest;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Verifies what the page had, if it was ever written, and writes it anew. Returns whether there is time for more. */
static int eat(struct eater *e, uint64_t number)
{
	uint8_t *page = e->memory + number * PAGE_BYTES;
	enum page_kind kind = page_kind(SEED, number);
	double begin = now(), end;

	if (e->versions[number] && !page_right(page, kind, SEED, number, e->versions[number]))
		e->wrong++;
	page_fill(page, kind, SEED, number, ++e->versions[number]);
	e->touched++;
	end = now();
	if (end - begin > e->longest)
		e->longest = end - begin;
	if (end - e->beat >= 1) {
		printf("alive\n");
		fflush(stdout);
		e->beat = end;
	}
	return end < e->end;
}

int main(int argc, char **argv)
{
	uint64_t random = SEED, number = 0;
	struct eater e = { 0 };

	if (argc != 3 || !(e.pages = strtoull(argv[1], NULL, 10) * (1 << 20) / PAGE_BYTES)) {
		fprintf(stderr, "usage: eater MIB SECONDS\n");
		return 2;
	}
	e.memory = mmap(NULL, e.pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	e.versions = calloc(e.pages, sizeof(*e.versions));
	if (e.memory == MAP_FAILED || !e.versions) {
		perror("eater");
		return 3;
	}
	e.beat = now();
	e.end = e.beat + strtoull(argv[2], NULL, 10);
	while (eat(&e, number++ % e.pages))
		if (number > e.pages && number % BURST == 0 && !eat(&e, pages_random(&random) % e.pages))
			break;
	printf("eater: pages=%" PRIu64 " wrong=%" PRIu64 " longest=%.3f\n", e.touched, e.wrong, e.longest);
	return e.wrong ? 1 : 0;
}
