/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * empty - `ramster drain` and `ramster evict`: begins, shows how far it is until it is done, or cancels.
 */
#ifndef _RAMSTER_EMPTY_TOOL_H
#define _RAMSTER_EMPTY_TOOL_H

#include <stdbool.h>

struct empty_options {
	bool evict; /* else drain */
	const char *node; /* to drain */
	bool cancel;
	bool force;
	bool json;
	bool no_wait; /* only begin */
};

/* Returns the exit status; errors are reported. */
int empty_run(const char *socket, const struct empty_options *options);

#endif
