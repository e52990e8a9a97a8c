/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings - the part of a configuration that `ramster set` may change while ramsterd runs. Pure: they work on a struct
 * conf; reload.h puts it into force.
 *
 *   lend, reserve            of the local node
 *   quota, bandwidth         the cluster's
 *   NODE.quota, NODE.bandwidth, NODE.weight, NODE.priority
 *
 * NODE.lend and NODE.reserve are understood for the local node.
 */
#ifndef _RAMSTER_SETTINGS_H
#define _RAMSTER_SETTINGS_H

#include "daemon/conf.h"

#define SETTINGS_NAME_LEN (CONF_NAME_LEN + CONF_WORD_LEN)

/**
 * settings_assign - change a configuration by several assignments, all or none
 * @conf: changed only if all are good
 * @self: number of the local node
 * @assignments: @count texts "KEY=VALUE", in which spaces may stand around each word
 * @error: on error, one line that says what is wrong and what is expected
 *
 * Returns 0, -EINVAL, or -ENOMEM.
 */
int settings_assign(struct conf *conf, unsigned int self, char *const *assignments, size_t count,
		    char error[CONF_ERROR_LEN]);

/**
 * settings_each - call a function for each setting
 * @fn: @value is valid during the call, as is @loaded: the value in @was, or NULL if it is the same or @was has none
 * @was: another configuration
 */
void settings_each(const struct conf *conf, const struct conf *was, unsigned int self,
		   void (*fn)(void *ctx, const char *name, const char *value, const char *loaded), void *ctx);

#endif
