/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_KTIME_H
#define _SHIM_KTIME_H

#include <time.h>

typedef s64 ktime_t; /* nanoseconds */

extern ktime_t shim_time_passed; /* beside what does by itself */

static inline ktime_t ktime_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (s64)now.tv_sec * 1000000000 + now.tv_nsec + READ_ONCE(shim_time_passed);
}

static inline s64 ktime_us_delta(ktime_t later, ktime_t earlier)
{
	return (later - earlier) / 1000;
}

#define ktime_before(a, b) ((a) < (b))
#define ktime_ms_delta(later, earlier) (((later) - (earlier)) / 1000000)

#endif
