/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lend_policy - how much of a node's memory may be lent, and how much of what is lent is wanted back. Pure.
 *
 * What could be lent is what would be available without the lender, less a reserve; lent memory that the kernel has
 * swapped out is not there to be lent. The limit follows it down at once
 * and up slowly: at most a sixteenth of all memory a second, and not before memory was neither short nor waited for
 * (PSI) for some seconds. Differences below a quarter of the reserve change nothing, so that it does not flap.
 */
#ifndef _RAMSTER_LEND_POLICY_H
#define _RAMSTER_LEND_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define LEND_POLICY_ALL UINT64_MAX /* lend_settings.most */

struct lend_settings {
	uint64_t most; /* bytes to lend at most; 0: nothing, LEND_POLICY_ALL: as much as there is */
	uint64_t reserve; /* bytes that stay available; 0: a sixteenth of all memory, 16 MiB ... 1 GiB */
	uint32_t extent_size; /* bytes, not 0 */
};

/* The node as it is at one moment. */
struct lend_reading {
	uint64_t now_ms; /* of a clock that never goes back */
	uint64_t total; /* MemTotal, bytes */
	uint64_t available; /* MemAvailable, bytes */
	uint64_t lent; /* bytes */
	uint64_t swapped; /* bytes of what is lent that are on this node's own swap; 0: none, or not known */
	bool borrowing; /* it has pages with others */
	bool psi; /* the next two are known */
	uint32_t psi_avg10; /* "some" of memory, hundredths of a percent */
	uint64_t psi_total_us; /* the same since boot */
};

/* Zeroes to begin with, and again when the lender is another one. */
struct lend_policy {
	bool begun;
	bool pressed; /* memory is waited for, so that less must be lent */
	uint64_t limit; /* bytes, not yet rounded to extents */
	uint64_t decided_ms; /* the last decision */
	uint64_t trouble_ms; /* when memory was short or waited for last */
	uint64_t pressed_ms; /* when the limit was lowered for pressure last */
	uint64_t psi_ms, psi_total_us; /* the last sample of the stall time */
	uint32_t stalled; /* share of the time before it, hundredths of a percent */
};

struct lend_decision {
	uint64_t limit; /* most bytes to lend now, in whole extents; may be less than what is lent */
	uint64_t revoke; /* bytes that owners should give back, in whole extents or all that is lent; 0: none */
	bool urgent; /* revoke: without it this node soon has to swap */
};

/* The reserve in force, bytes. */
uint64_t lend_policy_reserve(const struct lend_settings *settings, uint64_t total);

/**
 * lend_policy_decide - the limit after one more reading
 *
 * Readings may come in any rhythm, about one a second.
 * While the node borrows it lends nothing new, and wants back only under pressure, or what is over settings.most.
 */
struct lend_decision lend_policy_decide(struct lend_policy *policy, const struct lend_settings *settings,
					const struct lend_reading *reading);

#endif
