/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pending - the connections that have not proven anything yet, by the address that they come from.
 *
 * Each of them holds a thread for as long as an opening may take. One address gets a share only, so that it cannot keep
 * the others' connections from being opened; and the oldest gives way to a newer one, so that those that say nothing do
 * not keep out who comes from the same address and proves itself at once. Any thread may call these.
 */
#ifndef _RAMSTER_LENDER_PENDING_H
#define _RAMSTER_LENDER_PENDING_H

#include <sys/socket.h>

#define PENDING_OF_ADDRESS 64
#define PENDING_MAX 512 /* of all addresses together */
#define PENDING_SHUT 64 /* had to give way, and their threads have not ended yet */

/**
 * pending_begin - count a connection, and shut the oldest if there are too many
 * @address: an IPv4 address counts by itself, an IPv6 address with all of its /64; others are as one
 * @fd: the connection's; open until pending_end()
 * @full: PENDING_OF_ADDRESS or PENDING_MAX if there were as many already, from its address or in all; else 0
 *
 * Returns a number for pending_end(); -EAGAIN if PENDING_SHUT that gave way are still there.
 */
int pending_begin(const struct sockaddr_storage *address, int fd, unsigned int *full);

/* It has proven itself or will be closed. Before that. */
void pending_end(int number);

#endif
