/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keep - what is lent outlives this process: the service manager holds it until the next lender starts (keep_on_restart).
 *
 * It is in two files in memory: the table (table.h) and what is lent (lent.h). The next lender goes on as the same instance,
 * with the same leases and tokens, if there is no doubt at all about what it finds; else it gives everything back and starts
 * empty, as another instance. An OOM kill in the lender's control group is such a doubt: the kernel wanted the memory.
 */
#ifndef _RAMSTER_LENDER_KEEP_H
#define _RAMSTER_LENDER_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/lender/table.h"

struct keep_options {
	bool wanted; /* false: what is found is given back, and nothing is kept */
	const char *group; /* the lender's control group, see oom_open() */
	uint32_t node; /* our number */
};

/**
 * keep_start - find out what there is and whether it may be used, and see to it that the next lender finds it, too
 * @instance: a new one; becomes the earlier lender's if this one goes on where that ended
 * @table: set; NULL: nothing is kept, lent memory is private
 *
 * Call it before any thread is started. Says in one line what it has done. Returns 0, or -EBUSY if a thread of an earlier
 * lender still runs, which may write to what is kept; nothing was touched then.
 */
int keep_start(const struct keep_options *options, uint64_t *instance, struct table **table);

#endif
