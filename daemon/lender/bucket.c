// SPDX-License-Identifier: GPL-2.0-or-later
/* bucket - see bucket.h. */
#include "daemon/lender/bucket.h"

#define NS_PER_S UINT64_C(1000000000)

void bucket_set(struct bucket *bucket, uint64_t rate)
{
	bucket->rate = rate;
}

uint64_t bucket_take(struct bucket *bucket, uint64_t bytes, uint64_t now_ns)
{
	uint64_t full_ns = now_ns > BUCKET_BURST_NS ? now_ns - BUCKET_BURST_NS : 0, wait_ns;

	if (!bucket->rate)
		return 0;
	if (bucket->paid_ns < full_ns)
		bucket->paid_ns = full_ns;
	wait_ns = bucket->paid_ns > now_ns ? bucket->paid_ns - now_ns : 0;
	bucket->paid_ns += bytes * NS_PER_S / bucket->rate;
	return wait_ns;
}
