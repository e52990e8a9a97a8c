/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_KTIME_H
#define _SHIM_KTIME_H

#include <time.h>

typedef s64 ktime_t; /* nanoseconds */

static inline ktime_t ktime_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (s64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline s64 ktime_us_delta(ktime_t later, ktime_t earlier)
{
	return (later - earlier) / 1000;
}

#endif
