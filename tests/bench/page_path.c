// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * page_path - what storing and loading a page costs beside its compression.
 *
 * The module's own code, built over the shim, stores and loads pages that stay local, through tmem, zcache, zbud and the
 * index. In the same process the bare compressor compresses the same pages one behind the other into one buffer, and the
 * bare decompressor takes them out again. They take turns by small groups of pages, and also in who is first, so that
 * neither caches nor whatever else the machine does favour one. Times are the processor's, of this thread.
 */
#include <getopt.h>
#include <time.h>

#include <linux/lzo.h>

#include "node.h"
#include "tests/unit/pages.h"

#define PAGES 2048
#define GROUP 64
#define ROUNDS 41
#define WARM_UP 3
#define BOUND (PAGE_SIZE + PAGE_SIZE / 16 + 64 + 3)
#define MOST_RATIO 1.25 /* for the mix, which is the last input */

enum step { COMPRESS, STORE, DECOMPRESS, LOAD, NR_STEPS };

static const char *const step_names[NR_STEPS] = { "compress", "store", "decompress", "load" };

static const struct {
	const char *name;
	int kind; /* -1: all four in turn */
} inputs[] = {
	{ "text", PAGE_TEXT }, { "pointers", PAGE_POINTERS }, { "numbers", PAGE_NUMBERS }, { "noise", PAGE_NOISE },
	{ "mix", -1 },
};

static struct page pages[PAGES], loaded;
static u8 compressed[PAGES * BOUND];
static size_t starts[PAGES + 1]; /* in it */
static struct tmem_pool *pool;
static u8 work_memory[LZO1X_1_MEM_COMPRESS] __attribute__((aligned(64)));
static double times[NR_STEPS][ROUNDS]; /* ns a page */

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void expect(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "page_path: %s\n", what);
	exit(1);
}

static void compress_page(unsigned int i)
{
	size_t length = BOUND;

	expect(lzo1x_1_compress(pages[i].bytes, PAGE_SIZE, compressed + starts[i], &length, work_memory) == LZO_E_OK,
	       "a page was not compressed");
	starts[i + 1] = starts[i] + length;
}

static void store_page(unsigned int i)
{
	expect(!tmem_store(pool, i, &pages[i], false), "a page was not stored");
}

static void decompress_page(unsigned int i)
{
	size_t length = PAGE_SIZE;

	expect(lzo1x_decompress_safe(compressed + starts[i], starts[i + 1] - starts[i], loaded.bytes, &length) ==
		       LZO_E_OK,
	       "a page was not decompressed");
}

static void load_page(unsigned int i)
{
	expect(!tmem_load_wait(pool, i, &loaded, false), "a page was not loaded");
}

static void (*const page_step[NR_STEPS])(unsigned int i) = { compress_page, store_page, decompress_page, load_page };

static void verify(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		load_page(i);
		expect(!memcmp(&loaded, &pages[i], sizeof(loaded)), "a page came back with other bytes");
	}
}

/* The nanoseconds that one step takes for a group of pages. */
static u64 run_group(enum step step, unsigned int first)
{
	u64 before = now();
	unsigned int i;

	for (i = first; i < first + GROUP; i++)
		page_step[step](i);
	return now() - before;
}

/* Two steps in turns over all pages. */
static void run_turns(enum step bare, enum step module, unsigned int round)
{
	u64 sum[NR_STEPS] = { 0 };
	unsigned int first;
	bool swap;

	for (first = 0; first < PAGES; first += GROUP) {
		swap = (first / GROUP + round) % 2;
		sum[swap ? module : bare] += run_group(swap ? module : bare, first);
		sum[swap ? bare : module] += run_group(swap ? bare : module, first);
	}
	times[bare][round] = (double)sum[bare] / PAGES;
	times[module][round] = (double)sum[module] / PAGES;
}

static void run_round(unsigned int round)
{
	run_turns(COMPRESS, STORE, round);
	run_turns(DECOMPRESS, LOAD, round);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(*sorted), compare);
	return sorted[ROUNDS / 2];
}

/* The median of the rounds' ratios. */
static double ratio(enum step module, enum step bare)
{
	double ratios[ROUNDS];
	unsigned int round;

	for (round = 0; round < ROUNDS; round++)
		ratios[round] = times[module][round] / times[bare][round];
	return median(ratios);
}

static void write_raw(FILE *raw, const char *input)
{
	unsigned int i, round;

	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < NR_STEPS; i++)
			fprintf(raw, "page_path input=%s round=%u step=%s ns_per_page=%.1f\n", input, round,
				step_names[i], times[i][round]);
}

/* Returns whether the module is as fast as is wanted. */
static bool run_input(unsigned int which, FILE *raw)
{
	double store, load;
	unsigned int i;

	pool = tmem_pool_new();
	expect(pool, "no memory");
	for (i = 0; i < PAGES; i++)
		page_make(&pages[i], inputs[which].kind < 0 ? i % 4 : (unsigned int)inputs[which].kind, i);
	for (i = 0; i < WARM_UP + ROUNDS; i++) {
		run_round(i < WARM_UP ? 0 : i - WARM_UP);
		if (!i)
			verify();
		tmem_invalidate_range(pool, 0, PAGES);
	}
	store = ratio(STORE, COMPRESS);
	load = ratio(LOAD, DECOMPRESS);
	printf("%-10s %10.0f %8.0f %6.2f %12.0f %8.0f %6.2f\n", inputs[which].name, median(times[COMPRESS]),
	       median(times[STORE]), store, median(times[DECOMPRESS]), median(times[LOAD]), load);
	if (raw)
		write_raw(raw, inputs[which].name);
	tmem_pool_destroy(pool);
	return store <= MOST_RATIO && load <= MOST_RATIO;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "raw", required_argument, NULL, 'r' }, { 0 } };
	bool reached = false;
	FILE *raw = NULL;
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r') {
			fprintf(stderr, "usage: page_path [--raw FILE]\n");
			return 2;
		}
		raw = fopen(optarg, "a");
		if (!raw) {
			fprintf(stderr, "page_path: %s: %s\n", optarg, strerror(errno));
			return 1;
		}
	}
	node_up("zbud", "lzo");
	printf("ns a page, lzo, medians of %d rounds of %d pages\n", ROUNDS, PAGES);
	printf("%-10s %10s %8s %6s %12s %8s %6s\n", "pages", "compress", "store", "ratio", "decompress", "load",
	       "ratio");
	for (i = 0; i < ARRAY_SIZE(inputs); i++)
		reached = run_input(i, raw);
	printf("wanted for the mix, at most %.2f: %s\n", MOST_RATIO, reached ? "reached" : "MISSED");
	node_down();
	if (raw && fclose(raw)) {
		fprintf(stderr, "page_path: %s\n", strerror(errno));
		return 1;
	}
	return !reached;
}
