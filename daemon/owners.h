/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owners - the bandwidth that each owner may have from this node's lender, and what it has had, as the lender told last.
 */
#ifndef _RAMSTER_OWNERS_H
#define _RAMSTER_OWNERS_H

#include "daemon/ramsterd.h"
#include "proto/lender.h"

/* Returns NULL if memory is short. */
struct owners *owners_new(struct ramsterd *d);
void owners_free(struct owners *owners);

/* Each second: asks the lender, and tells it each bandwidth that is not as configured. */
void owners_tick(struct owners *owners);

/* Another lender, or the same one again: nothing is known of what it has. */
void owners_lender_came(struct owners *owners);

/* What an owner has had; NULL: nothing, or no lender is there. Until the next tick. */
const struct lender_owner *owners_look(const struct owners *owners, unsigned int node);

#endif
