/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * configfs - tells the module of the cluster's nodes, and sets its parameters.
 */
#ifndef _RAMSTER_CONFIGFS_H
#define _RAMSTER_CONFIGFS_H

#include "daemon/conf.h"

/* Mounts configfs if nobody else has; while the caller is still allowed to. */
void configfs_mount(void);

/**
 * configfs_fill - make /sys/kernel/config/ramster/CLUSTER/node hold the nodes of @conf
 * @self: the local node
 *
 * Nodes that are there already stay; those that @conf does not name are removed, unless the module uses them.
 * Failures are logged. Returns 0, or the first -errno.
 */
int configfs_fill(const struct conf *conf, const struct conf_node *self);

/* Removes all clusters and nodes. Returns 0, or -errno, logged. */
int configfs_clear(void);

/**
 * configfs_set_parameters - set the module parameters that @conf gives
 *
 * Failures are logged. Returns the name of one that the module does not take, a literal; NULL: all are in force.
 */
const char *configfs_set_parameters(const struct conf *conf);

#endif
