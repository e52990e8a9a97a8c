// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "daemon/log.h"
#include "daemon/reserve.h"

#define MIN_FREE "/proc/sys/vm/min_free_kbytes"
#define RAM_SHARE 32
#define MOST_KB (64 << 10)

static int min_free_write(unsigned long kb)
{
	FILE *file = fopen(MIN_FREE, "we");
	int err = 0;

	if (!file)
		return -errno;
	if (fprintf(file, "%lu\n", kb) < 0)
		err = -errno;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

void reserve_raise(void)
{
	unsigned long have = 0, want;
	struct sysinfo info;
	FILE *file;
	int err;

	if (sysinfo(&info))
		return;
	want = info.totalram * info.mem_unit / 1024 / RAM_SHARE;
	if (want > MOST_KB)
		want = MOST_KB;
	file = fopen(MIN_FREE, "re");
	if (file) {
		if (fscanf(file, "%lu", &have) != 1)
			have = 0;
		fclose(file);
	}
	if (have >= want)
		return;
	err = min_free_write(want);
	if (err)
		log_warn("vm.min_free_kbytes is %lu; swapping to peers wants %lu, which cannot be set: %s", have, want,
			 strerror(-err));
	else
		log_info("vm.min_free_kbytes raised from %lu to %lu, for packets when memory is short", have, want);
}
