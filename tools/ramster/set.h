/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set - changes settings of ramsterd, or shows them.
 */
#ifndef _RAMSTER_SET_H
#define _RAMSTER_SET_H

#include <stdbool.h>
#include <stddef.h>

/**
 * set_run - change settings, all or none, and say what came of it
 * @assignments: @count texts "KEY=VALUE"; none shows the settings in force
 * @json: print the daemon's whole answer as an object
 *
 * Returns the exit status; errors are reported.
 */
int set_run(const char *socket, char **assignments, size_t count, bool json);

#endif
