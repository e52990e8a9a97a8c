/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * release - makes the module forget peers and nodes, so that it can be unloaded.
 */
#ifndef _RAMSTER_RELEASE_H
#define _RAMSTER_RELEASE_H

/**
 * release - make the module forget all peers and nodes
 *
 * A daemon that runs may go on; it acts again when the module is loaded. Takes a second at most, if the module does. Returns 0,
 * also if there is no module; -EBUSY if pages are with peers; or another -errno. Errors are reported.
 */
int release(void);

#endif
