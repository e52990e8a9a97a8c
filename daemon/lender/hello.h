/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello - what a socket has to say before it is a connection. */
#ifndef _RAMSTER_LENDER_HELLO_H
#define _RAMSTER_LENDER_HELLO_H

#include <stdbool.h>

#include "daemon/lender/connection.h"

/**
 * hello_exchange - read HELLO, have the owner prove itself, join it, answer
 * @conn: with fd, peer and a wake of -1
 *
 * Returns true if the connection has joined; then the caller must owner_leave(). Else it was counted and reported.
 * Either way the caller closes fd, and wake unless it is -1.
 */
bool hello_exchange(struct connection *conn);

#endif
