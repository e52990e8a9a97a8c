/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lent_group - tells the module which control group the lender runs in: what that group has lent is never sent on to a
 * peer, so that no page depends on more than one other node.
 */
#ifndef _RAMSTER_LENT_GROUP_H
#define _RAMSTER_LENT_GROUP_H

#include <stddef.h>

#include "daemon/ramsterd.h"

#define LENT_GROUP_SLICE "ramster-lender.slice"

/**
 * lent_group_parse - find the group in what /proc/PID/cgroup says
 * @text: the file's contents; ends with a NUL
 * @path: where the path below cgroup2's mount is left: up to LENT_GROUP_SLICE if that is part of it, so that the group
 *        outlives the lender, else all of it
 * @size: of @path, bytes
 *
 * Returns 0; -ENOENT if the process is in no group that can be seen here, or only in the root; or -ENAMETOOLONG. *@path is
 * "" unless 0 is returned.
 */
int lent_group_parse(const char *text, char *path, size_t size);

/*
 * Each second: if the module or the lender is another one than before, tells the module the lender's group. If that
 * cannot be done, says why, and tries again at the next.
 */
void lent_group_tick(struct ramsterd *d);

/* Returns NULL if memory is short. */
struct lent_group *lent_group_new(void);
void lent_group_free(struct lent_group *group);

#endif
