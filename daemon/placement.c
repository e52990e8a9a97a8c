// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * placement - from whom to borrow.
 *
 * Donors only lose eligibility while extents are shared out: so the rules are given up in order, from the highest
 * priority with spreading to the lowest without, and none is tried twice.
 */
#include <stdbool.h>
#include <stddef.h>

#include "daemon/placement.h"

#define PROBES 8 /* at random for an eligible donor, before all are looked at */
#define RTT_BUCKETS 33 /* powers of two */
#define RTT_FLOOR_US 256 /* below it round trips tell nothing */
#define SHARE_BITS 20 /* of a share of memory as an integer */

struct round {
	struct placement_donor *donors;
	unsigned int len;
	uint64_t size; /* of an extent */
	uint64_t share; /* most that one donor should hold */
	bool spread; /* heed @share */
	bool back; /* extents go back to donors */
	uint32_t priority; /* of the donors that are filled now */
	unsigned int usual; /* bucket of the usual round trip */
	uint32_t (*random)(void *ctx);
	void *ctx;
};

static bool eligible(const struct round *r, const struct placement_donor *donor)
{
	if (r->back)
		return donor->have >= r->size;
	if (donor->extents >= donor->most || donor->free < (donor->extents + 1) * r->size)
		return false;
	return !r->spread || donor->have + (donor->extents + 1) * r->size <= r->share;
}

static bool drawable(const struct round *r, const struct placement_donor *donor)
{
	return donor->priority == r->priority && eligible(r, donor);
}

/* ---- Round trips ---- */

static unsigned int bucket(uint32_t rtt_us)
{
	return rtt_us > RTT_FLOOR_US ? 32 - __builtin_clz(rtt_us) : 32 - __builtin_clz(RTT_FLOOR_US);
}

/* The median, as a bucket. */
static unsigned int usual_rtt(const struct placement_donor *donors, unsigned int len)
{
	unsigned int counts[RTT_BUCKETS] = { 0 }, known = 0, seen = 0, i;

	for (i = 0; i < len; i++) {
		if (!donors[i].rtt_us)
			continue;
		counts[bucket(donors[i].rtt_us)]++;
		known++;
	}
	for (i = 0; i + 1 < RTT_BUCKETS; i++) {
		seen += counts[i];
		if (2 * seen >= known)
			break;
	}
	return i;
}

/* ---- Choosing ---- */

/* What the donor is worth with the next extent still to be placed. */
static uint64_t score(const struct round *r, const struct placement_donor *donor)
{
	uint64_t room = donor->free / r->size - donor->extents;
	uint64_t all = donor->free / r->size + donor->lent / r->size;
	uint64_t worth = all ? (room << SHARE_BITS) / all * donor->weight : 0;
	unsigned int far = donor->rtt_us ? bucket(donor->rtt_us) : 0;

	return far > r->usual + 1 ? worth >> (far - r->usual - 1) : worth;
}

/* The first drawable donor from a random place on, or NULL. */
static struct placement_donor *any(const struct round *r)
{
	unsigned int from = r->random(r->ctx) % r->len;

	for (unsigned int i = 0; i < r->len; i++) {
		struct placement_donor *donor = &r->donors[(from + i) % r->len];

		if (drawable(r, donor))
			return donor;
	}
	return NULL;
}

static struct placement_donor *draw(const struct round *r)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		struct placement_donor *donor = &r->donors[r->random(r->ctx) % r->len];

		if (drawable(r, donor))
			return donor;
	}
	return any(r);
}

/* Returns NULL if no donor of this priority takes any. */
static struct placement_donor *best_of_some(const struct round *r)
{
	struct placement_donor *best = draw(r), *donor;

	for (unsigned int i = 1; best && i < PLACEMENT_CHOICES; i++) {
		donor = draw(r);
		if (r->back ? score(r, donor) < score(r, best) : score(r, donor) > score(r, best))
			best = donor;
	}
	return best;
}

/* Goes on to the first priority of any eligible donor, without spreading if there is none with. */
static bool next_rule(struct round *r)
{
	bool found = false;

	for (unsigned int i = 0; i < r->len; i++) {
		uint32_t priority = r->donors[i].priority;

		if (!eligible(r, &r->donors[i]) ||
		    (found && (r->back ? priority >= r->priority : priority <= r->priority)))
			continue;
		r->priority = priority;
		found = true;
	}
	if (found || !r->spread)
		return found;
	r->spread = false;
	return next_rule(r);
}

static struct placement_donor *next_donor(struct round *r)
{
	struct placement_donor *donor = best_of_some(r);

	while (!donor && next_rule(r))
		donor = best_of_some(r);
	return donor;
}

uint32_t placement_choose(struct placement_donor *donors, unsigned int len, uint32_t count, uint32_t extent_size,
			  uint32_t (*random)(void *ctx), void *ctx)
{
	struct round r = {
		.donors = donors,
		.len = len,
		.size = extent_size,
		.spread = true,
		.usual = usual_rtt(donors, len),
		.random = random,
		.ctx = ctx,
	};
	struct placement_donor *donor;
	uint64_t total = count * r.size;
	uint32_t placed;

	for (unsigned int i = 0; i < len; i++) {
		donors[i].extents = 0;
		total += donors[i].have;
	}
	r.share = (total + 1) / 2;
	if (r.share % r.size)
		r.share += r.size - r.share % r.size;
	if (!len || !next_rule(&r))
		return 0;
	for (placed = 0; placed < count; placed++) {
		donor = next_donor(&r);
		if (!donor)
			break;
		donor->extents++;
	}
	return placed;
}

struct placement_donor *placement_give_back(struct placement_donor *donors, unsigned int len, uint32_t extent_size,
					    uint32_t (*random)(void *ctx), void *ctx)
{
	struct round r = {
		.donors = donors,
		.len = len,
		.size = extent_size,
		.back = true,
		.usual = usual_rtt(donors, len),
		.random = random,
		.ctx = ctx,
	};

	for (unsigned int i = 0; i < len; i++)
		donors[i].extents = 0;
	return next_rule(&r) ? best_of_some(&r) : NULL;
}
