/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - a small process that gives kept memory back when the kernel kills the lender for want of memory.
 *
 * Memory in a file that the service manager holds, too, is not freed by the lender's death: without the guard the kernel
 * would go on to kill others until the next lender looks.
 */
#ifndef _RAMSTER_LENDER_GUARD_H
#define _RAMSTER_LENDER_GUARD_H

#include <stdint.h>

/**
 * guard_start - start it; it ends with this process
 * @memory: the file
 * @events: of oom_open()
 * @kills: what the counter was when the file was made
 *
 * Call it before any thread is started, and after signals were blocked. Returns 0 or -errno.
 */
int guard_start(int memory, int events, uint64_t kills);

#endif
