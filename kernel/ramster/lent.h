/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lent.h - which pages hold what this node has lent: they are never sent on to a peer, so that no page depends on more than
 * one other node.
 */
#ifndef _RAMSTER_LENT_H
#define _RAMSTER_LENT_H

#include <linux/types.h>

struct page;

/**
 * lent_set_group - say which control group the lender runs in
 * @fd: of a directory of the cgroup2 file system, of the calling task
 *
 * Replaces the one before. May sleep. Returns 0; -EBADF; -ENOENT if the group was removed; or -EOPNOTSUPP if this kernel
 * does not account memory by group.
 */
int lent_set_group(int fd);

/*
 * Whether a page is charged to that group or one below it: false while memory is accounted elsewhere (cgroup v1) or not at
 * all. The page is locked or otherwise stays charged. Never sleeps.
 */
bool lent_page(struct page *page);

/* May sleep. */
void lent_exit(void);

#endif
