/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/bits.h>

#define hweight64(word) ((unsigned int)__builtin_popcountll(word))

#endif
