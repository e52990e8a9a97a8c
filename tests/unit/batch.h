/* SPDX-License-Identifier: GPL-2.0-or-later */
/* batch.h - WRITEs as remotify.c makes them, one at a time. */
#ifndef _TESTS_BATCH_H
#define _TESTS_BATCH_H

#define BATCH_MAX 16 /* pages of a WRITE */

struct r2net_peer;

/* Sends up to @max of the coldest pages to a peer, the only one that lends. Returns how many. */
unsigned int batch_send(struct r2net_peer *peer, unsigned int max);

#endif
