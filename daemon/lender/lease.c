// SPDX-License-Identifier: GPL-2.0-or-later
/* lease - see lease.h. */
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/lease.h"
#include "daemon/lender/owner.h"

/* Of each owner: when its connections are given time again, in ms of monotonic_ms(). */
static _Atomic uint64_t no_grace_until[R2NET_MAX_NODES];

/* @leases: LENDER_MAX_LEASES at most */
unsigned int lease_end(const struct lender_lease *leases, unsigned int count)
{
	bool closed[LENDER_MAX_LEASES], grace;
	uint64_t deadline = monotonic_ms();
	unsigned int i, ended = 0;

	if (!count)
		return 0;
	grace = deadline >= atomic_load(&no_grace_until[leases->owner]);
	if (grace)
		deadline += LEASE_GRACE_MS;

	/* All are closed before the first is waited for: no connection can then go on from one to the next. */
	for (i = 0; i < count; i++)
		closed[i] = extent_close(&leases[i]);
	for (i = 0; i < count; i++) {
		if (!closed[i])
			continue;
		if (!extent_wait_idle(leases[i].extent, deadline)) {
			if (grace)
				atomic_store(&no_grace_until[leases->owner], monotonic_ms() + LEASE_NO_GRACE_MS);
			owner_shut_pinning(leases[i].owner, leases[i].extent);
			extent_wait_idle(leases[i].extent, UINT64_MAX);
		}
		extent_free(leases[i].extent);
		ended++;
	}
	return ended;
}

unsigned int lease_end_some(uint32_t owner, uint64_t instance)
{
	struct lender_lease leases[LENDER_MAX_LEASES], some[LENDER_TURN_LEASES];
	unsigned int found, count = 0, i;
	uint32_t cursor = 0;

	do {
		found = extent_list(&cursor, leases, LENDER_MAX_LEASES);
		for (i = 0; i < found && count < LENDER_TURN_LEASES; i++)
			if (leases[i].owner == owner && leases[i].instance == instance)
				some[count++] = leases[i];
	} while (cursor && count < LENDER_TURN_LEASES);
	return lease_end(some, count);
}
