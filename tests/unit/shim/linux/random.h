/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_RANDOM_H
#define _SHIM_RANDOM_H

#include <sys/random.h>

static inline void get_random_bytes(void *buf, size_t len)
{
	shim_assert(getrandom(buf, len, 0) == (ssize_t)len);
}

static inline int get_random_bytes_wait(void *buf, size_t len)
{
	might_sleep();
	get_random_bytes(buf, len);
	return 0;
}

#endif
