/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_STRING_H
#define _SHIM_STRING_H

#include <string.h>

static inline void memset64(u64 *to, u64 word, size_t n)
{
	while (n--)
		*to++ = word;
}

/* Equal but for a newline at the end. */
static inline bool sysfs_streq(const char *a, const char *b)
{
	size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

	return la == lb && !memcmp(a, b, la);
}

#endif
