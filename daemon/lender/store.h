/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store - the descriptors that the service manager keeps while no lender runs.
 *
 * That is systemd's file descriptor store, or what speaks its protocol: NOTIFY_SOCKET to hand them over, LISTEN_FDS to get
 * them back. One thread only.
 */
#ifndef _RAMSTER_LENDER_STORE_H
#define _RAMSTER_LENDER_STORE_H

#include <stdbool.h>

enum store_name {
	STORE_TABLE,
	STORE_MEMORY,
	STORE_NAMES,
};

/**
 * store_take - what an earlier run has left
 * @fds: by name; -1 where there is none. The caller's from here on
 *
 * Call it before any other descriptor is opened. Returns NULL, or why what came is not to be trusted: fds are valid then,
 * too, and further ones were closed.
 */
const char *store_take(int fds[STORE_NAMES]);

/**
 * store_put - hand descriptors over to the service manager; they stay the caller's
 *
 * Returns NULL, or why it cannot be.
 */
const char *store_put(const int fds[STORE_NAMES]);

/* Has the service manager close what it keeps. */
void store_drop(void);

#endif
