/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch - says in the log when this node's pages begin to be less safe or slower to get than they should be, and when that
 * is over. `ramster status` tells the same of the moment.
 */
#ifndef _RAMSTER_WATCH_H
#define _RAMSTER_WATCH_H

#include <stdbool.h>

struct conf_node;
struct ramsterd;

struct watch {
	bool missing; /* remote pages lack a copy */
	bool disk; /* pages are on the backing device */
	bool lone; /* one donor has all remote pages */
};

/* The donor that has all remote pages, though cluster.conf has others; NULL: there are several, or no such pages. */
const struct conf_node *watch_lone_donor(const struct ramsterd *d);

/* Each second. The module's view is fresh. */
void watch_tick(struct ramsterd *d);

#endif
