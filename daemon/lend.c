// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lend - how much of this node's memory may be lent.
 *
 * lend = auto: half of what would be available without the lender, less a reserve. Lending takes memory away from
 * MemAvailable, so what is lent is added back first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/attribute.h"
#include "daemon/lend.h"
#include "daemon/log.h"

#define RECONSIDER_TICKS 3
#define RESERVE_MIN (16ULL << 20)
#define RESERVE_MAX (1ULL << 30)
#define RESERVE_SHARE 16 /* of all memory */
#define STEP_MIN (8ULL << 20) /* changes of the limit smaller than this, or than a share of it, are not worth a word */
#define STEP_SHARE 16
#define SWAPDEV "/dev/ramster0"
#define SWAPDEV_BACKING "/sys/block/ramster0/backing_dev"

struct lend {
	unsigned int ticks;
	bool told; /* the lender knows @limit */
	uint64_t limit;
	bool only_peers; /* all swap of this node is ramster0, and that has no disk behind it */
};

static uint64_t meminfo(const char *field)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char format[64], line[256];
	unsigned long long kib = 0;

	if (!file)
		return 0;
	snprintf(format, sizeof(format), "%s: %%llu kB", field);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, format, &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

static uint64_t automatic(uint64_t lent)
{
	uint64_t reserve = meminfo("MemTotal") / RESERVE_SHARE;
	uint64_t limit = (meminfo("MemAvailable") + lent) / 2;

	if (reserve < RESERVE_MIN)
		reserve = RESERVE_MIN;
	if (reserve > RESERVE_MAX)
		reserve = RESERVE_MAX;
	limit = limit > reserve ? limit - reserve : 0;
	return limit > lent ? limit : lent;
}

static uint64_t wanted_limit(const struct ramsterd *d, uint64_t lent)
{
	uint64_t limit = 0;

	switch (d->self->lend) {
	case CONF_LEND_AUTO:
		limit = automatic(lent);
		break;
	case CONF_LEND_SIZE:
		limit = d->self->lend_bytes;
		break;
	case CONF_LEND_OFF:
		break;
	}
	return limit - limit % d->conf->extent_size;
}

static bool swaps_only_to_peers(void)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[512], path[256], backing[256];
	bool others = false, ours = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%255s", path) != 1 || path[0] != '/')
			continue; /* the headline */
		if (strcmp(path, SWAPDEV))
			others = true;
		else
			ours = true;
	}
	fclose(file);
	return ours && !others && !attribute_read(SWAPDEV_BACKING, backing, sizeof(backing)) &&
	       !strcmp(backing, "none");
}

static void look_at_swap(struct ramsterd *d)
{
	bool now = swaps_only_to_peers();

	if (now && !d->lend->only_peers && d->self->lend != CONF_LEND_OFF)
		log_warn("this node lends nothing: all its swap is " SWAPDEV
			 " without a backing device, so lent memory could "
			 "only go to other peers (give it a swap disk or a backing device)");
	d->lend->only_peers = now;
}

static bool worth_telling(const struct lend *lend, uint64_t limit)
{
	uint64_t step = lend->limit / STEP_SHARE > STEP_MIN ? lend->limit / STEP_SHARE : STEP_MIN;

	return !lend->told || limit >= lend->limit + step || lend->limit >= limit + step;
}

void lend_tick(struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	struct lender_request request = { .command = LENDER_LIMIT };
	struct lend *lend = d->lend;

	look_at_swap(d);
	if (!status || (lend->told && ++lend->ticks % RECONSIDER_TICKS))
		return;
	request.limit = wanted_limit(d, status->lent);
	if (!worth_telling(lend, request.limit))
		return;
	if (sidedoor_call(d->door, &request, NULL, NULL))
		return;
	log_debug("lending up to %llu MiB", (unsigned long long)request.limit >> 20);
	lend->limit = request.limit;
	lend->told = true;
}

void lend_renew(struct ramsterd *d)
{
	d->lend->told = false;
}

bool lend_borrowing(const struct ramsterd *d)
{
	for (unsigned int i = 0; i < d->view.peers_len; i++)
		if (d->view.peers[i].pages && d->view.peers[i].state != RAMSTER_PEER_DEAD)
			return true;
	return d->lend->only_peers;
}

struct offer lend_offer(const struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	struct offer offer = {
		.owner_instance = d->view.instance,
		.borrowing = lend_borrowing(d),
	};

	if (!status)
		return offer;
	offer.lent = status->lent;
	offer.lender_instance = status->instance;
	offer.data_port = status->port;
	if (d->lend->told && !offer.borrowing && d->self->lend != CONF_LEND_OFF && status->limit > status->lent)
		offer.free = status->limit - status->lent;
	offer.free -= offer.free % d->conf->extent_size;
	return offer;
}

const char *lend_mode_name(const struct ramsterd *d)
{
	static const char *const names[] = { "auto", "off", "size" };

	return names[d->self->lend];
}

struct lend *lend_new(struct ramsterd *d)
{
	return calloc(1, sizeof(struct lend));
}

void lend_free(struct lend *lend)
{
	free(lend);
}
