/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nodemanager.h - the cluster's nodes as ramsterd declared them in configfs:
 *   /sys/kernel/config/ramster/<cluster>/node/<name>/{num,address,port,local,state}
 */
#ifndef _RAMSTER_NODEMANAGER_H
#define _RAMSTER_NODEMANAGER_H

#include <linux/types.h>

struct nodemanager_node;

/**
 * nodemanager_get - pin a node, so that it cannot be removed from configfs
 * @num: its number
 *
 * May sleep. Returns ERR_PTR(-ENOENT) if there is none of that number.
 */
struct nodemanager_node *nodemanager_get(u32 num);
/* Process context. */
void nodemanager_put(struct nodemanager_node *node);

/* A pinned node's number. Any context. */
u32 nodemanager_number(const struct nodemanager_node *node);

/* May sleep. Until nodemanager_open() no node can be made, and so there is no peer; nodemanager_exit() wants that there is none. */
int nodemanager_init(void);
void nodemanager_open(void);
void nodemanager_exit(void);

#endif
