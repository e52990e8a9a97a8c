/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tool - the unix socket on which `ramster` asks.
 */
#ifndef _RAMSTER_TOOL_H
#define _RAMSTER_TOOL_H

#include "daemon/ramsterd.h"

#define TOOL_PATH "/run/ramster/ramsterd.sock"
#define TOOL_CLIENTS 64 /* with more the one is closed that has asked nothing for the longest */

/**
 * tool_new - listen
 * @path: replaced if nobody listens there any more
 * @group: whose members may look; ACCESS_NO_GROUP
 *
 * Returns NULL if that fails, reported.
 */
struct tool *tool_new(struct ramsterd *d, const char *path, gid_t group);

/* Stops listening, ends the connections that are there, and removes the socket. NULL is fine. */
void tool_free(struct tool *tool);

#endif
