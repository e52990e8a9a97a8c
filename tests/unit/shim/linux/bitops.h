/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/bits.h>

#define hweight64(word) ((unsigned int)__builtin_popcountll(word))

static inline bool test_and_set_bit(unsigned int i, unsigned long *map)
{
	unsigned long bit = BIT(i % BITS_PER_LONG);

	return __atomic_fetch_or(&map[i / BITS_PER_LONG], bit, __ATOMIC_SEQ_CST) & bit;
}

#endif
