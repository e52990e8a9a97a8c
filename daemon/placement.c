// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * placement - from whom to borrow.
 */
#include <stdbool.h>
#include <stddef.h>

#include "daemon/placement.h"

struct round {
	struct placement_donor *donors;
	unsigned int len;
	uint64_t size; /* of an extent */
	uint64_t share; /* most that one donor should hold */
	bool spread; /* heed @share */
};

static uint64_t room(const struct placement_donor *donor, uint64_t size)
{
	return donor->free - donor->extents * size;
}

static bool eligible(const struct round *r, const struct placement_donor *donor)
{
	if (room(donor, r->size) < r->size)
		return false;
	return !r->spread || donor->have + (donor->extents + 1) * r->size <= r->share;
}

/* The n-th eligible donor. */
static struct placement_donor *pick(const struct round *r, unsigned int n)
{
	for (unsigned int i = 0; i < r->len; i++)
		if (eligible(r, &r->donors[i]) && !n--)
			return &r->donors[i];
	return NULL;
}

static struct placement_donor *draw(const struct round *r, uint32_t (*random)(void *ctx), void *ctx)
{
	struct placement_donor *best = NULL, *donor;
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->len; i++)
		n += eligible(r, &r->donors[i]);
	for (unsigned int i = 0; n && i < PLACEMENT_CHOICES; i++) {
		donor = pick(r, random(ctx) % n);
		if (!best || room(donor, r->size) > room(best, r->size))
			best = donor;
	}
	return best;
}

uint32_t placement_choose(struct placement_donor *donors, unsigned int len, uint32_t count, uint32_t extent_size,
			  uint32_t (*random)(void *ctx), void *ctx)
{
	struct round r = { .donors = donors, .len = len, .size = extent_size };
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
	for (placed = 0; placed < count; placed++) {
		r.spread = true;
		donor = draw(&r, random, ctx);
		if (!donor) {
			r.spread = false;
			donor = draw(&r, random, ctx);
		}
		if (!donor)
			break;
		donor->extents++;
	}
	return placed;
}
