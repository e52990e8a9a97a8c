/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reload - puts a configuration into force: the first one, and each that follows it.
 */
#ifndef _RAMSTER_RELOAD_H
#define _RAMSTER_RELOAD_H

#include "daemon/ramsterd.h"

/**
 * reload_load - read and check a configuration
 * @name: of the local node; NULL: the host's name
 * @self: set to the local node in it
 *
 * Returns the configuration, the caller's to free(), or NULL with a line in @error.
 */
struct conf *reload_load(const char *path, const char *name, const struct conf_node **self, char error[CONF_ERROR_LEN]);

/* Puts the first configuration into force: @conf, now the daemon's. Returns 0, or -ENOMEM. */
int reload_first(struct ramsterd *d, struct conf *conf);

/**
 * reload_set - change settings that are in force, all or none, until the file is read again
 * @assignments: @count texts, as settings_assign()
 * @error: on error, what is wrong with them
 *
 * Returns 0, -EINVAL, or -ENOMEM.
 */
int reload_set(struct ramsterd *d, char *const *assignments, size_t count, char error[CONF_ERROR_LEN]);

/*
 * Reads the file again, and the keys; a file that cannot be used leaves everything but the keys as it is, keys that cannot be
 * used leave all as it is, and either is logged.
 */
void reload(struct ramsterd *d, const char *path);

/* Makes d->peers those of d->conf: keeps those that did not change. */
void reload_peers(struct ramsterd *d);

#endif
