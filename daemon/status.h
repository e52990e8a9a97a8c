/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status - all that `ramster` shows, gathered into one message.
 */
#ifndef _RAMSTER_STATUS_H
#define _RAMSTER_STATUS_H

#include "daemon/ramsterd.h"
#include "proto/ramster.pb-c.h"

struct status;

/**
 * status_gather - the state of now
 *
 * Reads the module anew. Returns NULL if memory is short.
 */
struct status *status_gather(struct ramsterd *d);

/* The message; it points into the status and into @d, so it is to be used at once. */
const Ramster__Status *status_message(const struct status *status);

void status_free(struct status *status);

#endif
