/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_BITMAP_H
#define _SHIM_BITMAP_H

#include <linux/bitops.h>

#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

static inline void __set_bit(unsigned int i, unsigned long *map)
{
	map[i / BITS_PER_LONG] |= BIT(i % BITS_PER_LONG);
}

static inline void __clear_bit(unsigned int i, unsigned long *map)
{
	map[i / BITS_PER_LONG] &= ~BIT(i % BITS_PER_LONG);
}

static inline bool test_bit(unsigned int i, const unsigned long *map)
{
	return READ_ONCE(map[i / BITS_PER_LONG]) & BIT(i % BITS_PER_LONG);
}

/* The first bit from @from on that differs from @flip's, or @size. */
static inline unsigned long shim_find_bit(const unsigned long *map, unsigned long size, unsigned long from,
					  unsigned long flip)
{
	unsigned long word, i;

	for (i = from; i < size; i = (i / BITS_PER_LONG + 1) * BITS_PER_LONG) {
		word = (map[i / BITS_PER_LONG] ^ flip) & (~0UL << (i % BITS_PER_LONG));
		if (!word)
			continue;
		i = i / BITS_PER_LONG * BITS_PER_LONG + __builtin_ctzl(word);
		return min(i, size);
	}
	return size;
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size, unsigned long from)
{
	return shim_find_bit(map, size, from, 0);
}

static inline unsigned long find_first_zero_bit(const unsigned long *map, unsigned long size)
{
	return shim_find_bit(map, size, 0, ~0UL);
}

#define for_each_set_bit(i, map, size)                                                                                 \
	for (i = find_next_bit(map, size, 0); i < (size); i = find_next_bit(map, size, i + 1))

#endif
