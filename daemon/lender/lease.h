/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lease - how leases end: extents and the connections that use them together. */
#ifndef _RAMSTER_LENDER_LEASE_H
#define _RAMSTER_LENDER_LEASE_H

#include <stdint.h>

#include "proto/lender.h"

#define LEASE_GRACE_MS 1000 /* for connections to leave an extent before they are shut */
#define LEASE_NO_GRACE_MS 30000 /* in which an owner has none after its connections had to be shut */

/**
 * lease_end - end leases and give their memory back to the system
 * @leases: of one owner; size is not looked at; those that are not in force are skipped
 *
 * Waits for their pins: LEASE_GRACE_MS for all together, then the connections that hold some are shut and only page
 * faults of this node can keep them. An owner that let that time pass has none for LEASE_NO_GRACE_MS, so that it cannot
 * make whoever ends its leases wait again and again. Any thread. Returns how many were ended.
 */
unsigned int lease_end(const struct lender_lease *leases, unsigned int count);

/**
 * lease_end_some - lease_end() up to LENDER_TURN_LEASES of one owner instance
 *
 * Returns how many were ended; fewer: there are no more.
 */
unsigned int lease_end_some(uint32_t owner, uint64_t instance);

#endif
