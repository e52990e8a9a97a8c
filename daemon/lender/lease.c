// SPDX-License-Identifier: GPL-2.0-or-later
/* lease - see lease.h. */
#include <stdbool.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/lease.h"
#include "daemon/lender/owner.h"

/* @leases: LENDER_MAX_LEASES at most */
unsigned int lease_end(const struct lender_lease *leases, unsigned int count)
{
	uint64_t deadline = monotonic_ms() + LEASE_GRACE_MS;
	bool closed[LENDER_MAX_LEASES];
	unsigned int i, ended = 0;

	/* All are closed before the first is waited for: no connection can then go on from one to the next. */
	for (i = 0; i < count; i++)
		closed[i] = extent_close(&leases[i]);
	for (i = 0; i < count; i++) {
		if (!closed[i])
			continue;
		if (!extent_wait_idle(leases[i].extent, deadline)) {
			owner_shut_pinning(leases[i].owner, leases[i].extent);
			extent_wait_idle(leases[i].extent, UINT64_MAX);
		}
		extent_free(leases[i].extent);
		ended++;
	}
	return ended;
}

unsigned int lease_end_all(uint32_t owner, uint64_t instance)
{
	struct lender_lease leases[LENDER_MAX_LEASES];
	unsigned int ended = 0;
	uint32_t cursor = 0;

	do {
		unsigned int found = extent_list(&cursor, leases, LENDER_MAX_LEASES), mine = 0, i;

		for (i = 0; i < found; i++)
			if (leases[i].owner == owner && leases[i].instance == instance)
				leases[mine++] = leases[i];
		ended += lease_end(leases, mine);
	} while (cursor);
	return ended;
}
