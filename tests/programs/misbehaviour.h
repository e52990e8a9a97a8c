/* SPDX-License-Identifier: GPL-2.0-or-later */
/* misbehaviour - answers that no lender should give: each spoils a good one. */
#ifndef _TESTS_MISBEHAVIOUR_H
#define _TESTS_MISBEHAVIOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "r2net.h"

#define DEADLINE_MS 500 /* as the kernel is told */
#define SLOW_DEADLINE_MS 1000

struct answer {
	struct r2net_hdr hdr;
	uint8_t body[R2NET_MAX_LENGTH + 4096]; /* results, payload */
	size_t body_len;
	size_t cut; /* bytes that are not sent at the end */
	bool hang_up; /* afterwards */
	bool again; /* it is sent twice */
	bool silence; /* nothing is answered any more */
	unsigned int delay_ms; /* before it is sent */
};

/* They come first in its body. */
static inline struct r2net_result *results(struct answer *a)
{
	return (void *)a->body;
}

struct misbehaviour {
	const char *name;
	void (*spoil)(struct answer *a);
	bool repeat; /* the connection lives on */
	bool replays; /* the bytes are those that came first */
	bool ends; /* the kernel ends the connection after a while */
};

extern const struct misbehaviour misbehaviours[];
extern const unsigned int nr_misbehaviours;

#endif
