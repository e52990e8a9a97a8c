// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pagehold.c - holds memory, and touches it when it is told to.
 *
 * It fills its memory, says "filled", and obeys one command a line:
 *
 *   verify FIRST COUNT   reads pages in order, then says
 *                        "verified right=N wrong=N failed=N seconds=S first_failed=S later_failed=S"
 *   rewrite FIRST COUNT  writes pages anew, then says "rewritten"
 *
 * A page whose reading gets SIGBUS has failed. first_failed is how long the first of these took, later_failed how long
 * the slowest of all others did. Exit status at the end of its input: 0 if no byte was wrong, else 1; 2 for bad arguments.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "pages.h"

struct hold {
	uint8_t *memory;
	uint32_t *versions;
	uint64_t seed;
	uint64_t pages;
	uint64_t wrong;
};

static sigjmp_buf bus_error;

static void on_bus_error(int number)
{
	siglongjmp(bus_error, number);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void write_page(struct hold *h, uint64_t number)
{
	page_fill(h->memory + number * PAGE_BYTES, page_kind(h->seed, number), h->seed, number, ++h->versions[number]);
}

enum verdict { RIGHT, WRONG, FAILED };

/* Whatever is read here may fail at any time: the page may leave again right after it has come. */
static enum verdict check_page(const struct hold *h, uint64_t number)
{
	if (sigsetjmp(bus_error, 1))
		return FAILED;
	return page_right(h->memory + number * PAGE_BYTES, page_kind(h->seed, number), h->seed, number,
			  h->versions[number])
		       ? RIGHT
		       : WRONG;
}

static void verify(struct hold *h, uint64_t first, uint64_t count)
{
	double start = now(), first_failed = 0, later_failed = 0, begin, took;
	uint64_t seen[] = { [RIGHT] = 0, [WRONG] = 0, [FAILED] = 0 }, i;
	enum verdict verdict;

	for (i = first; i < first + count; i++) {
		begin = now();
		verdict = check_page(h, i);
		took = now() - begin;
		if (verdict == FAILED && !seen[FAILED])
			first_failed = took;
		else if (verdict == FAILED && took > later_failed)
			later_failed = took;
		seen[verdict]++;
	}
	h->wrong += seen[WRONG];
	printf("verified right=%" PRIu64 " wrong=%" PRIu64 " failed=%" PRIu64
	       " seconds=%.3f first_failed=%.3f later_failed=%.3f\n",
	       seen[RIGHT], seen[WRONG], seen[FAILED], now() - start, first_failed, later_failed);
}

static void rewrite(struct hold *h, uint64_t first, uint64_t count)
{
	uint64_t i;

	for (i = first; i < first + count; i++)
		write_page(h, i);
	printf("rewritten\n");
}

static bool obey(struct hold *h, const char *line)
{
	uint64_t first, count;
	char command[16];

	if (sscanf(line, "%15s %" SCNu64 " %" SCNu64, command, &first, &count) != 3 || first > h->pages ||
	    count > h->pages - first)
		return false;
	if (!strcmp(command, "verify"))
		verify(h, first, count);
	else if (!strcmp(command, "rewrite"))
		rewrite(h, first, count);
	else
		return false;
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_bus_error };
	static char in[BUFSIZ], out[BUFSIZ];
	struct hold h = { .seed = 1 };
	char line[80];
	uint64_t i;

	if (argc < 2 || argc > 3 || !(h.pages = strtoull(argv[1], NULL, 10) * (1 << 20) / PAGE_BYTES)) {
		fprintf(stderr, "usage: pagehold MIB [SEED]\n");
		return 2;
	}
	if (argc == 3)
		h.seed = strtoull(argv[2], NULL, 10);
	setvbuf(stdin, in, _IOFBF, sizeof(in));
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	h.versions = calloc(h.pages, sizeof(*h.versions));
	/* All but the memory that this is about: a page that fails there would end the program. */
	if (!h.versions || mlockall(MCL_CURRENT)) {
		perror("pagehold");
		return 3;
	}
	h.memory = mmap(NULL, h.pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	if (h.memory == MAP_FAILED) {
		perror("pagehold");
		return 3;
	}
	sigaction(SIGBUS, &action, NULL);
	for (i = 0; i < h.pages; i++)
		write_page(&h, i);
	printf("filled\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!obey(&h, line)) {
			fprintf(stderr, "pagehold: expected verify or rewrite FIRST COUNT, of %" PRIu64 " pages: %s",
				h.pages, line);
			return 2;
		}
	}
	return h.wrong ? 1 : 0;
}
