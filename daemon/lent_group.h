/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lent_group - tells the module which control group the lender runs in: what that group has lent is never sent on to a
 * peer, so that no page depends on more than one other node.
 */
#ifndef _RAMSTER_LENT_GROUP_H
#define _RAMSTER_LENT_GROUP_H

#include "daemon/ramsterd.h"

/*
 * Each second: if the module or the lender is another one than before, tells the module the lender's group. If that
 * cannot be done, says why, and tries again at the next.
 */
void lent_group_tick(struct ramsterd *d);

/* Returns NULL if memory is short. */
struct lent_group *lent_group_new(void);
void lent_group_free(struct lent_group *group);

#endif
