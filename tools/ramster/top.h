/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top - the status again and again.
 */
#ifndef _RAMSTER_TOP_H
#define _RAMSTER_TOP_H

#include <stdbool.h>

struct top {
	const char *socket;
	double interval; /* seconds, over 0 */
	bool json;
	bool once; /* after one interval, end */
};

/**
 * top_run - show until a signal or "q" ends it
 *
 * A screen if the output is a terminal; else one block of text, or with @json one object on a line, an interval.
 * ramsterd may go and come back meanwhile. Returns the exit status; a failure to reach it at first is reported.
 */
int top_run(const struct top *top);

#endif
