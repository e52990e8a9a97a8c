/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_SORT_H
#define _SHIM_SORT_H

#include <stdlib.h>

#define sort(base, nr, size, compare, swap) qsort(base, nr, size, compare)

#endif
