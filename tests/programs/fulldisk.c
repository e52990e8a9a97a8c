// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fulldisk.c - writes to a disk, page by page and past the page cache, until it takes no more, and verifies what it took.
 *
 * It writes pages that do not compress, then goes on after the first failure, as one full page need not be the last that
 * there is room for. Exit status: 0 if writing ended in ENOSPC and every page that was taken is right, 1 if not, 2 for bad
 * arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pages.h"

#define SEED 7
#define FAILURES 64 /* so many, and it is full */

static alignas(PAGE_BYTES) uint8_t page[PAGE_BYTES];

/* Returns how many writes failed, or -1 if one did for another reason than a full disk. */
static int fill(int disk, uint64_t pages, bool *taken)
{
	int failures = 0;
	uint64_t i;

	for (i = 0; i < pages && failures < FAILURES; i++) {
		page_fill(page, PAGE_RANDOM, SEED, i, 1);
		if (pwrite(disk, page, PAGE_BYTES, i * PAGE_BYTES) == PAGE_BYTES) {
			taken[i] = true;
			continue;
		}
		if (errno != ENOSPC) {
			fprintf(stderr, "fulldisk: page %ju: %s\n", (uintmax_t)i, strerror(errno));
			return -1;
		}
		failures++;
	}
	return failures;
}

static uint64_t count_wrong(int disk, uint64_t pages, const bool *taken)
{
	uint64_t i, wrong = 0;

	for (i = 0; i < pages; i++)
		if (taken[i] && (pread(disk, page, PAGE_BYTES, i * PAGE_BYTES) != PAGE_BYTES ||
				 !page_right(page, PAGE_RANDOM, SEED, i, 1)))
			wrong++;
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t bytes, pages, i, nr_taken = 0, wrong;
	int disk, failures;
	bool *taken;

	if (argc != 2) {
		fprintf(stderr, "usage: fulldisk DISK\n");
		return 2;
	}
	disk = open(argv[1], O_RDWR | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes)) {
		fprintf(stderr, "fulldisk: %s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	pages = bytes / PAGE_BYTES;
	taken = calloc(pages, sizeof(*taken));
	if (!taken) {
		fprintf(stderr, "fulldisk: out of memory\n");
		return 2;
	}
	failures = fill(disk, pages, taken);
	for (i = 0; i < pages; i++)
		nr_taken += taken[i];
	wrong = count_wrong(disk, pages, taken);
	printf("fulldisk: taken=%ju full=%s wrong=%ju\n", (uintmax_t)nr_taken, failures == FAILURES ? "yes" : "no",
	       (uintmax_t)wrong);
	free(taken);
	return failures != FAILURES || wrong;
}
