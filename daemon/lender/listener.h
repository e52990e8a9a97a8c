/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listener - the data wire's listening socket. */
#ifndef _RAMSTER_LENDER_LISTENER_H
#define _RAMSTER_LENDER_LISTENER_H

#include <stdint.h>

/**
 * listener_open - listen on a TCP address
 * @where: "ADDR:PORT" or "[ADDR]:PORT", numeric; port 0 lets the system choose
 * @port: filled in with the port
 *
 * Returns a non-blocking socket or -1, reported.
 */
int listener_open(const char *where, uint32_t *port);

/**
 * listener_accept - take one connection and start to serve it
 * @fd: the listening socket, readable
 */
void listener_accept(int fd);

#endif
