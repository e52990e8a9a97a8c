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

/**
 * keep_start - find out what there is and whether it may be used, and see to it that the next lender finds it, too
 * @wanted: false: what is found is given back, and nothing is kept
 * @group: the lender's control group, see oom_open()
 * @node: our number
 * @instance: a new one; becomes the earlier lender's if this one goes on where that ended
 *
 * Call it when it is certain that no thread of an earlier lender runs any more (the door's lock tells), and before any of
 * our own. Says in one line what it has done. Returns the table, or NULL: nothing is kept, lent memory is private.
 */
struct table *keep_start(bool wanted, const char *group, uint32_t node, uint64_t *instance);

#endif
