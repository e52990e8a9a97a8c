/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bucket - so many bytes a second, and no more at once than a quarter of a second's.
 *
 * Whoever takes bytes is told how long to wait before it moves them. They are taken then, so that waits follow one another
 * in the order of the calls, and a frame need not be cut. What was taken when the bucket was empty is paid before anything
 * else. Pure: the caller knows the time, and sees to it that one thread calls at a time.
 */
#ifndef _RAMSTER_LENDER_BUCKET_H
#define _RAMSTER_LENDER_BUCKET_H

#include <stdint.h>

#define BUCKET_BURST_NS UINT64_C(250000000) /* of what was not taken, as much as this brings is kept */
#define BUCKET_MOST (UINT64_C(1) << 30) /* bytes in one call */

/* All zeroes: no limit. */
struct bucket {
	uint64_t rate; /* bytes a second; 0: no limit */
	uint64_t paid_ns; /* when all that was taken is paid */
};

/**
 * bucket_set - another rate, from the next call on
 *
 * The time that is left to pay what was taken stays as it is.
 */
void bucket_set(struct bucket *bucket, uint64_t rate);

/**
 * bucket_take - take @bytes, up to BUCKET_MOST
 * @now_ns: of one clock that never goes back
 *
 * Returns how many ns to wait before they are moved.
 */
uint64_t bucket_take(struct bucket *bucket, uint64_t bytes, uint64_t now_ns);

#endif
