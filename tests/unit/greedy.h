/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * greedy - an owner that asks a lender for as much as it can get, in a process of its own, for tests and benchmarks.
 *
 * It has as many data connections as an owner may have, and on each READs of as many pages as go into one under way. Answers
 * are thrown away unseen, so that it costs the machine less than the lender does.
 */
#ifndef _RAMSTER_GREEDY_H
#define _RAMSTER_GREEDY_H

#include "tests/unit/wire_client.h"

#define GREEDY_PAGE 4096 /* bytes of an item */
#define GREEDY_BYTES (R2NET_MAX_ITEMS * GREEDY_PAGE) /* payload of an answer */
#define GREEDY_ANSWER (sizeof(struct r2net_hdr) + R2NET_MAX_ITEMS * sizeof(struct r2net_result) + GREEDY_BYTES)
#define GREEDY_WINDOW 8 /* READs under way on a connection */

struct greedy {
	pid_t pid;
};

struct greedy_frame {
	struct r2net_hdr hdr;
	struct r2net_item items[R2NET_MAX_ITEMS];
};

/* Takes bytes of an answer, @length at most, and throws them away without a copy; otherwise as recv(). */
ssize_t greedy_drop(int fd, size_t length, int flags);

/* Fills in a READ of the first pages of a lease, as many as go into one. */
void greedy_read(struct greedy_frame *frame, const struct lender_lease *lease);

/**
 * greedy_start - admit it, lease it an extent, connect and begin
 * @owner: its node number; nobody else's
 *
 * Returns false if any of it fails.
 */
bool greedy_start(struct greedy *greedy, const struct wire_lender *lender, uint32_t owner);

/* Ends it, and with it its connections. */
void greedy_stop(struct greedy *greedy);

#endif
