/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pending - how many connections have not proven anything yet, by the address that they come from.
 *
 * Each of them holds a thread for as long as an opening may take. One address gets a share only, so that it cannot keep
 * the others' connections from being opened. Any thread may call these.
 */
#ifndef _RAMSTER_LENDER_PENDING_H
#define _RAMSTER_LENDER_PENDING_H

#include <sys/socket.h>

#define PENDING_OF_ADDRESS 64
#define PENDING_MAX 512 /* of all addresses together */

/**
 * pending_begin - count a connection
 * @address: an IPv4 address counts by itself, an IPv6 address with all of its /64; others are as one
 *
 * Returns a number for pending_end(); -EUSERS if its address has as many as it may, -ENFILE if all together have.
 */
int pending_begin(const struct sockaddr_storage *address);

void pending_end(int number);

#endif
