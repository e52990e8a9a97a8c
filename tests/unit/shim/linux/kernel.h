/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_KERNEL_H
#define _SHIM_KERNEL_H

static inline unsigned long int_sqrt(unsigned long x)
{
	unsigned long root = 0, bit;

	for (bit = 1UL << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= x)
			root |= bit;
	return root;
}

#endif
