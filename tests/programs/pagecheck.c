// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pagecheck.c - a program that needs more memory than its machine has, and verifies every byte of it.
 *
 * It fills its memory, then goes over it in rounds: in order, at random, and rewriting a part in between. Each page is
 * verified whenever it is read. It tells how long a page took in each phase. Exit status: 0 if all bytes were right, 1 if
 * any was wrong, 2 for bad arguments, 3 if it got no memory.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "pages.h"

#define TEMPLATES 64

struct check {
	uint64_t seed;
	uint64_t pages;
	unsigned int rounds;
	int kind; /* enum page_kind of all pages, or -1: the usual mixture */
	bool quiet; /* copies pages from templates and looks at one word: measures what it costs to move pages, not to make them */
	uint8_t *memory;
	uint32_t *versions;
	uint64_t wrong;
	uint8_t *templates; /* TEMPLATES pages */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static enum page_kind kind_of(const struct check *c, uint64_t number)
{
	return c->kind < 0 ? page_kind(c->seed, number) : (enum page_kind)c->kind;
}

static void copy_page(struct check *c, uint64_t number)
{
	uint64_t *page = (void *)(c->memory + number * PAGE_BYTES);

	memcpy(page, c->templates + number % TEMPLATES * PAGE_BYTES, PAGE_BYTES);
	page[0] = number;
	page[PAGE_BYTES / sizeof(*page) / 2] = number * 0x9e3779b97f4a7c15ULL;
}

static void make_templates(struct check *c)
{
	uint64_t i;

	for (i = 0; i < TEMPLATES; i++)
		page_fill(c->templates + i * PAGE_BYTES, kind_of(c, i), c->seed, i, 1);
}

static void write_page(struct check *c, uint64_t number)
{
	if (c->quiet) {
		copy_page(c, number);
		return;
	}
	page_fill(c->memory + number * PAGE_BYTES, kind_of(c, number), c->seed, number, ++c->versions[number]);
}

static void verify_page(struct check *c, uint64_t number)
{
	const volatile uint64_t *page = (void *)(c->memory + number * PAGE_BYTES);
	uint64_t right[PAGE_BYTES / sizeof(uint64_t)];

	if (c->quiet) {
		(void)page[1];
		return;
	}
	if (page_right((void *)page, kind_of(c, number), c->seed, number, c->versions[number]))
		return;
	c->wrong++;
	page_fill(right, kind_of(c, number), c->seed, number, c->versions[number]);
	fprintf(stderr, "pagecheck: page %" PRIu64 " is wrong: begins %016" PRIx64 ", not %016" PRIx64 "\n", number,
		page[0], right[0]);
}

static void report(const char *phase, uint64_t pages, double seconds)
{
	printf("%s pages=%" PRIu64 " seconds=%.3f us_per_page=%.1f\n", phase, pages, seconds, seconds * 1e6 / pages);
	fflush(stdout);
}

static void fill(struct check *c)
{
	double start = now();
	uint64_t i;

	for (i = 0; i < c->pages; i++)
		write_page(c, i);
	report("fill", c->pages, now() - start);
}

static void read_in_order(struct check *c)
{
	double start = now();
	uint64_t i;

	for (i = 0; i < c->pages; i++)
		verify_page(c, i);
	report("in_order", c->pages, now() - start);
}

static void read_at_random(struct check *c, uint64_t *random)
{
	double start = now();
	uint64_t i, nr = c->pages / 2;

	for (i = 0; i < nr; i++)
		verify_page(c, pages_random(random) % c->pages);
	report("at_random", nr, now() - start);
}

static void rewrite(struct check *c, uint64_t *random)
{
	double start = now();
	uint64_t i, number, nr = c->pages / 4;

	for (i = 0; i < nr; i++) {
		number = pages_random(random) % c->pages;
		verify_page(c, number);
		write_page(c, number);
	}
	report("rewrite", nr, now() - start);
}

static uint64_t number_arg(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text || value < min || value > max) {
		fprintf(stderr, "pagecheck: %s: expected a number from %" PRIu64 " to %" PRIu64 "\n", text, min, max);
		exit(2);
	}
	return value;
}

static int kind_arg(const char *text)
{
	static const char *const names[PAGE_KINDS] = { "text", "pointers", "numbers", "random", "same" };
	int kind;

	for (kind = 0; kind < PAGE_KINDS; kind++)
		if (!strcmp(text, names[kind]))
			return kind;
	fprintf(stderr, "pagecheck: %s: expected text, pointers, numbers, random or same\n", text);
	exit(2);
}

static void arguments(struct check *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },  { "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' }, { "kind", required_argument, NULL, 'k' },
		{ "quiet", no_argument, NULL, 'q' },	  { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "m:r:s:k:q", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			c->pages = number_arg(optarg, 1, 1 << 20) * (1 << 20) / PAGE_BYTES;
			break;
		case 'r':
			c->rounds = number_arg(optarg, 0, 1000000);
			break;
		case 's':
			c->seed = number_arg(optarg, 0, UINT64_MAX);
			break;
		case 'k':
			c->kind = kind_arg(optarg);
			break;
		case 'q':
			c->quiet = true;
			break;
		default:
			fprintf(stderr, "usage: pagecheck --mib N [--rounds N] [--seed N] [--kind KIND] [--quiet]\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct check c = { .seed = 1, .pages = 64 << 8, .rounds = 1, .kind = -1 };
	uint64_t random;
	unsigned int i;

	arguments(&c, argc, argv);
	c.memory = mmap(NULL, c.pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	c.versions = calloc(c.pages, sizeof(*c.versions));
	c.templates = malloc(TEMPLATES * PAGE_BYTES);
	if (c.memory == MAP_FAILED || !c.versions || !c.templates) {
		fprintf(stderr, "pagecheck: no memory\n");
		exit(3);
	}
	random = c.seed;
	make_templates(&c);
	fill(&c);
	for (i = 0; i < c.rounds; i++) {
		read_in_order(&c);
		read_at_random(&c, &random);
		rewrite(&c, &random);
	}
	if (c.rounds)
		read_in_order(&c);
	printf("pagecheck: %s pages=%" PRIu64 " wrong=%" PRIu64 "\n", c.wrong ? "FAIL" : "PASS", c.pages, c.wrong);
	return c.wrong ? 1 : 0;
}
