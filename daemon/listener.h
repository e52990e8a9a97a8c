/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener - the control port: takes connections, waits for their Hello, and hands them to the peer that said it.
 */
#ifndef _RAMSTER_LISTENER_H
#define _RAMSTER_LISTENER_H

#include "daemon/ramsterd.h"

#define LISTENER_STRANGERS 64 /* connections that may wait to greet; more are closed */
#define LISTENER_HELLO_MS 3000

/* Listens on the local node's address and port. Returns NULL if that fails, reported. */
struct listener *listener_new(struct ramsterd *d);

/* NULL is fine. */
void listener_free(struct listener *listener);

#endif
