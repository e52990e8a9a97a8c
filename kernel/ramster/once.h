/* SPDX-License-Identifier: GPL-2.0 */
/*
 * once.h - numbers that are written under a lock and read, with READ_ONCE(), without it.
 */
#ifndef _RAMSTER_ONCE_H
#define _RAMSTER_ONCE_H

#include <linux/compiler.h>

/* The caller holds the lock of @x, or is the only one that writes it. */
#define ADD_ONCE(x, n) WRITE_ONCE(x, (x) + (n))
#define SUB_ONCE(x, n) WRITE_ONCE(x, (x) - (n))

#endif
