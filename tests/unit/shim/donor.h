/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * donor.h - a lender in this process's memory, behind peer.h: it takes requests and answers them when the test says so.
 *
 * It checks what every lender relies on: requests that are well formed, and the slot rule: nothing is written to bytes that
 * another outstanding request names.
 */
#ifndef _TESTS_DONOR_H
#define _TESTS_DONOR_H

#include "peer.h"

struct donor_extent;

struct donor {
	struct r2net_peer peer;
	struct list_head pending; /* requests without an answer, under peer.lock */
	unsigned int nr_pending; /* with ADD_ONCE() */
	struct list_head serving; /* those that are being answered, under peer.lock */
	struct donor_extent *extents; /* under peer.lock */
	unsigned int nr_extents;

	/* What the test makes it do wrong; all 0: nothing. With WRITE_ONCE() while other threads run. */
	int submit_err; /* of r2net_submit() */
	int item_err; /* of each item that is answered */
	unsigned int item_err_permille; /* -EIO for some */
	bool corrupt; /* a byte of what READs bring */
	bool replay; /* READs bring what was there before the last WRITE */
	bool wait; /* answer when told to, rather than at once */
	u64 seed; /* of what it does by chance, under peer.lock */

	unsigned long reads, writes, items; /* of the requests that it took; with ADD_ONCE() */
	unsigned long refused; /* requests, by submit_err; with ADD_ONCE() */
};

struct donor *donor_new(u32 node);
/* Leases @nr extents of @size bytes to this node. Returns as extent_add(). */
int donor_lend(struct donor *donor, u32 size, unsigned int nr);

/* Answers the @n-th pending request, from 0. Returns false if there are not so many. */
bool donor_answer(struct donor *donor, unsigned int n);
/* Answers all. Returns how many. */
unsigned int donor_answer_all(struct donor *donor);
/* The deadline of the pending requests passes, but for patient ones; they stay outstanding. */
void donor_expire(struct donor *donor);
/* The pending READs have waited for so long: others are asked for those that others may have. Returns for how many. */
unsigned int donor_slow(struct donor *donor, unsigned long waited_us);
/* The connections break: the WRITEs that are pending fail, and stay outstanding until donor_fence(). */
void donor_break(struct donor *donor);
void donor_fence(struct donor *donor);
/* All states but DEAD, which is donor_die()'s. */
void donor_set_state(struct donor *donor, enum ramster_nl_peer_state state);
/* The lender is gone with all that it held. Returns how many pages that were. */
u64 donor_die(struct donor *donor);
/* No request is outstanding, no page is there. */
void donor_free(struct donor *donor);

#endif
