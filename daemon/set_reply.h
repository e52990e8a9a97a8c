/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set_reply - what `ramster set` is answered.
 */
#ifndef _RAMSTER_SET_REPLY_H
#define _RAMSTER_SET_REPLY_H

#include "daemon/ramsterd.h"
#include "proto/ramster.pb-c.h"

struct set_reply;

/* Does what is asked and tells the settings in force then. Returns NULL if memory is short, perhaps with all done. */
struct set_reply *set_reply_make(struct ramsterd *d, const Ramster__SetRequest *request);

/* The message; it points into the reply. */
const Ramster__SetReply *set_reply_message(const struct set_reply *reply);

void set_reply_free(struct set_reply *reply);

#endif
