/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_BITS_H
#define _SHIM_BITS_H

#define BITS_PER_LONG 64
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK(high, low) ((~0UL >> (BITS_PER_LONG - 1 - (high))) & (~0UL << (low)))

/* The position of the highest bit, from 1; 0 for 0. */
static inline unsigned int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

#endif
