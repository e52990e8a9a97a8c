// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lend - how much of this node's memory may be lent.
 *
 * The policy is lend_policy.h's; here are the readings that it needs, and what becomes of its decisions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/attribute.h"
#include "daemon/cgroup.h"
#include "daemon/lend.h"
#include "daemon/lend_policy.h"
#include "daemon/log.h"
#include "daemon/revoke.h"

#define MEMINFO "/proc/meminfo"
#define PRESSURE "/proc/pressure/memory"
#define SWAPDEV "/dev/ramster0"
#define SWAPDEV_BACKING "/sys/block/ramster0/backing_dev"

struct lend {
	struct lend_policy policy;
	struct lend_decision decision; /* the last; zeroes while there is no lender */
	bool told; /* the lender knows its limit */
	bool no_psi; /* the kernel does not tell pressure; that was said */
	bool only_peers; /* all swap of this node is ramster0, and that has no disk behind it */
};

/* ---- Readings ---- */

void lend_read_memory(uint64_t *total, uint64_t *available)
{
	FILE *file = fopen(MEMINFO, "re");
	unsigned long long kib;
	char line[256];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			*total = kib << 10;
		else if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			*available = kib << 10;
	}
	fclose(file);
}

static bool read_pressure(struct lend_reading *reading)
{
	FILE *file = fopen(PRESSURE, "re");
	unsigned int whole, part;
	int found = 0;

	if (!file)
		return false;
	found = fscanf(file, "some avg10=%u.%2u avg60=%*s avg300=%*s total=%" SCNu64, &whole, &part,
		       &reading->psi_total_us);
	fclose(file);
	reading->psi = found == 3;
	if (reading->psi)
		reading->psi_avg10 = whole * 100 + part;
	return reading->psi;
}

/* What is lent and on swap, of a lender whose memory is private. */
static uint64_t read_swapped(pid_t pid)
{
	unsigned long long kib = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = pid ? fopen(path, "re") : NULL;
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmSwap: %llu kB", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

/* The same, where what is lent is kept: that is in a file in memory, which is nobody's own. Its control group has it. */
static uint64_t read_swapped_kept(pid_t pid)
{
	char path[CGROUP_PATH_LEN];
	uint64_t swapped = 0;

	if (pid && !cgroup_of(pid, path))
		cgroup_read(path, "memory.swap.current", &swapped);
	return swapped;
}

static struct lend_reading take_reading(const struct ramsterd *d, uint64_t lent)
{
	pid_t pid = sidedoor_pid(d->door);
	uint64_t swapped = read_swapped(pid), kept = read_swapped_kept(pid);
	struct lend_reading reading = {
		.now_ms = uv_now(d->loop),
		.lent = lent,
		/* What is private is in both; which it is, is for the lender that runs to say, not for the settings. */
		.swapped = kept > swapped ? kept : swapped,
		.borrowing = lend_borrowing(d),
	};

	lend_read_memory(&reading.total, &reading.available);
	if (!read_pressure(&reading) && !d->lend->no_psi) {
		log_info("this kernel does not tell how long memory is waited for (CONFIG_PSI, psi=1): "
			 "how much is lent follows " MEMINFO " alone");
		d->lend->no_psi = true;
	}
	return reading;
}

static struct lend_settings settings_of(const struct ramsterd *d)
{
	static const uint64_t most[] = { [CONF_LEND_AUTO] = LEND_POLICY_ALL, [CONF_LEND_OFF] = 0 };

	return (struct lend_settings){
		.most = d->self->lend == CONF_LEND_SIZE ? d->self->lend_bytes : most[d->self->lend],
		.reserve = d->self->reserve,
		.extent_size = d->conf->extent_size,
	};
}

uint64_t lend_reserve(const struct ramsterd *d)
{
	struct lend_settings settings = settings_of(d);
	struct lend_reading reading = { 0 };

	lend_read_memory(&reading.total, &reading.available);
	return lend_policy_reserve(&settings, reading.total);
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

static void tell_change(const struct lend_decision *before, const struct lend_decision *now)
{
	if (now->revoke && !before->revoke)
		log_info("%" PRIu64 " MiB of what is lent are wanted back%s", now->revoke >> 20,
			 now->urgent ? ": memory is short here" : "");
	else if (before->revoke && !now->revoke)
		log_info("no lent memory is wanted back any more");
	if (now->limit != before->limit)
		log_debug("lending up to %" PRIu64 " MiB", now->limit >> 20);
}

void lend_tick(struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	struct lender_request request = { .command = LENDER_LIMIT };
	struct lend_settings settings = settings_of(d);
	struct lend_reading reading;
	struct lend *lend = d->lend;
	struct lend_decision decision;

	look_at_swap(d);
	if (!status) {
		lend->decision = (struct lend_decision){ 0 };
		return;
	}
	reading = take_reading(d, status->lent);
	decision = lend_policy_decide(&lend->policy, &settings, &reading);
	tell_change(&lend->decision, &decision);
	request.limit = decision.limit;
	if ((!lend->told || decision.limit != lend->decision.limit) && !sidedoor_call(d->door, &request, NULL, NULL))
		lend->told = true;
	lend->decision = decision;
}

void lend_renew(struct ramsterd *d)
{
	d->lend->told = false;
}

void lend_lender_came(struct ramsterd *d)
{
	d->lend->policy = (struct lend_policy){ 0 };
	d->lend->told = false;
}

uint64_t lend_to_revoke(const struct ramsterd *d)
{
	return d->lend->decision.revoke;
}

bool lend_urgent(const struct ramsterd *d)
{
	return d->lend->decision.urgent;
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
		.draining = revoke_draining(d->revoke),
	};

	if (!status)
		return offer;
	offer.lent = status->lent;
	offer.lender_instance = status->instance;
	offer.data_port = status->port;
	if (d->lend->told && !offer.borrowing && !offer.draining && d->self->lend != CONF_LEND_OFF &&
	    status->limit > status->lent)
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
