/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener - the control port: takes connections, waits for their Hello, and hands them to the peer that said it.
 */
#ifndef _RAMSTER_LISTENER_H
#define _RAMSTER_LISTENER_H

#include "daemon/ramsterd.h"

#define LISTENER_STRANGERS 64 /* connections from no node's address that may wait to greet; more are closed */
#define LISTENER_STRANGERS_OF_NODE 4 /* from one of a node's; with more the oldest is closed */
#define LISTENER_HELLO_MS 3000 /* for the handshake and Hello together */

/* Listens on the local node's address and port. Returns NULL if that fails, reported. */
struct listener *listener_new(struct ramsterd *d);

/* NULL is fine. */
void listener_free(struct listener *listener);

#endif
