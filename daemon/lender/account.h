/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * account - what each owner has had from this lender, and how many bytes a second it may have.
 *
 * The counters are relaxed atomics as those of self.h, and nothing is decided by them. All functions may be called by any
 * thread; owners are node numbers below R2NET_MAX_NODES.
 */
#ifndef _RAMSTER_LENDER_ACCOUNT_H
#define _RAMSTER_LENDER_ACCOUNT_H

#include <stdint.h>

#include "proto/lender.h"

/**
 * account_bandwidth - limit an owner from now on
 * @rate: bytes a second, LENDER_MIN_BANDWIDTH or more; 0: no limit, as at the beginning
 *
 * Requests that wait go on waiting for as long as they were told.
 */
void account_bandwidth(uint32_t owner, uint64_t rate);

/**
 * account_take - let an owner have another request
 * @bytes: of its frame and of its answer
 *
 * Returns how many ns to wait before it is served; counted as waited for.
 */
uint64_t account_take(uint32_t owner, uint64_t bytes);

/* Counts a request that was served: bytes of its frame, and of its answer. */
void account_served(uint32_t owner, uint64_t in, uint64_t out);

/* Counts a connection that was the owner's, but not taken. */
void account_refused(uint32_t owner);

/**
 * account_list - what owners have had
 * @cursor: the first number to look at; becomes the number to go on with, or 0 when there are no more
 * @owners: filled in; those of whom there is nothing to say are left out
 * @count: room in @owners
 *
 * Returns how many were filled in.
 */
unsigned int account_list(uint32_t *cursor, struct lender_owner *owners, unsigned int count);

#endif
