// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * number - the numbers of data connections.
 *
 * The file holds the instance and the first number that is certainly unused. It is written once for BLOCK numbers,
 * before the first of them is used; a restart skips what was left of the block.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/number.h"

#define BLOCK 64
#define MIDDLE (1ULL << 31)

static uint32_t remembered(const char *path, uint64_t instance)
{
	FILE *file = fopen(path, "re");
	uint64_t of = 0;
	uint32_t next = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNx64 " %" SCNu32, &of, &next) != 2 || of != instance)
		next = 0;
	fclose(file);
	return next;
}

/*
 * Hundredths of a second since boot: more than any daemon before us can have used. From the middle on it rises more slowly,
 * so that it does not begin anew for ten years.
 */
static uint32_t by_time(void)
{
	struct timespec now;
	uint64_t ticks;

	clock_gettime(CLOCK_BOOTTIME, &now);
	ticks = now.tv_sec * 100ULL + now.tv_nsec / 10000000;
	return ticks < MIDDLE ? ticks : MIDDLE + (ticks - MIDDLE) / 16;
}

static int remember(const char *path, const struct number *number)
{
	char fresh[256];
	FILE *file;
	int err = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "we");
	if (!file)
		return -errno;
	if (fprintf(file, "%" PRIx64 " %" PRIu32 "\n", number->instance, number->reserved) < 0)
		err = -errno;
	if (fclose(file) && !err)
		err = -errno;
	if (!err && rename(fresh, path))
		err = -errno;
	return err;
}

uint32_t number_next(struct number *number, const char *path, uint64_t instance, uint32_t highest)
{
	int err;

	if (number->instance != instance) {
		number->instance = instance;
		number->next = remembered(path, instance);
		if (!number->next)
			number->next = by_time();
		number->reserved = number->next;
	}
	if (number->next <= highest)
		number->next = highest + 1;
	if (number->next >= number->reserved) {
		number->reserved = number->next + BLOCK;
		err = remember(path, number);
		if (err)
			log_warn("%s: cannot be written: %s (connection numbers go by the clock after a restart)", path,
				 strerror(-err));
	}
	return number->next++;
}
