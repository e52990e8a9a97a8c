// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

#include "extent.h"
#include "peer.h"
#include "seal.h"
#include "tests/unit/batch.h"
#include "tmem.h"
#include "zcache.h"

/* The WRITE to one lender. */
struct batch_leg {
	struct batch *batch;
	struct r2net_request req;
	struct r2net_peer *peer;
	struct r2net_item items[BATCH_MAX];
	struct lease *leases[BATCH_MAX];
};

struct batch {
	unsigned int nr, nr_legs, outstanding;
	size_t length;
	struct batch_leg legs[EXTENT_MAX_COPIES];
	struct zpage *zpages[BATCH_MAX];
	void *entries[BATCH_MAX];
	unsigned int waits[BATCH_MAX]; /* legs that have not answered */
	bool failed[BATCH_MAX];
	u8 bytes[BATCH_MAX * R2NET_MAX_ITEM_LEN];
};

static void batch_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct batch_leg *leg = container_of(req, struct batch_leg, req);
	struct batch *batch = leg->batch;

	if (err == -ESTALE)
		r2net_peer_stale(leg->peer, leg->leases[i]);
	batch->failed[i] |= !!err;
	if (--batch->waits[i])
		return;
	if (!batch->failed[i] && tmem_remotified(batch->zpages[i], batch->entries[i], batch->nr_legs)) {
		zpage_put(batch->zpages[i]);
		return;
	}
	slot_abandon(batch->entries[i]);
	zcache_return(batch->zpages[i]);
}

static void batch_release(struct r2net_request *req)
{
	struct batch_leg *leg = container_of(req, struct batch_leg, req);
	struct batch *batch = leg->batch;
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		slot_unpin(batch->entries[i], leg->leases[i]);
	if (!--batch->outstanding)
		free(batch);
}

static const struct r2net_request_ops batch_ops = { .item = batch_item, .release = batch_release };

static bool batch_add(struct batch *batch, struct extent_group *group, struct zpage *zpage)
{
	void *bytes = batch->bytes + batch->length;
	struct extent_slot slot;
	unsigned int i;
	void *entry;

	zpage_copy(zpage, bytes);
	entry = slot_alloc(group, tmem_owner(zpage->pool, zpage->index), zpage->length, zpage->compressor,
			   seal_checksum(bytes, zpage->length), &slot);
	if (!entry)
		return false;
	shim_assert(!seal_page(bytes, &slot.bond));
	for (i = 0; i < slot.nr_legs; i++) {
		batch->legs[i].peer = slot.legs[i].peer;
		batch->legs[i].leases[batch->nr] = slot.legs[i].lease;
		batch->legs[i].items[batch->nr] = (struct r2net_item){
			.extent = cpu_to_le32(slot.legs[i].extent),
			.generation = cpu_to_le32(slot.legs[i].generation),
			.offset = cpu_to_le32(slot.offset),
			.length = cpu_to_le32(slot.length),
		};
	}
	batch->nr_legs = slot.nr_legs;
	batch->waits[batch->nr] = slot.nr_legs;
	batch->zpages[batch->nr] = zpage;
	batch->entries[batch->nr++] = entry;
	batch->length += slot.length;
	return true;
}

static void leg_send(struct batch *batch, struct batch_leg *leg)
{
	int err;

	leg->batch = batch;
	leg->req = (struct r2net_request){ .ops = &batch_ops,
					   .type = R2NET_WRITE,
					   .nr = batch->nr,
					   .items = leg->items,
					   .payload = batch->bytes,
					   .payload_length = batch->length };
	err = r2net_submit(leg->peer, &leg->req);
	if (err) {
		r2net_request_fail(&leg->req, err);
		r2net_request_put(&leg->req);
	}
}

unsigned int batch_send(unsigned int max)
{
	struct extent_group *group = extent_group_next();
	unsigned int nr, nr_legs, i;
	struct batch *batch;
	struct zpage *zpage;

	if (!group)
		return 0;
	batch = calloc(1, sizeof(*batch));
	shim_assert(batch);
	while (batch->nr < min(max, (unsigned int)BATCH_MAX) && (zpage = zcache_take_coldest()))
		if (!batch_add(batch, group, zpage)) {
			zcache_return(zpage);
			break;
		}
	extent_group_put(group);
	nr = batch->nr;
	nr_legs = batch->outstanding = batch->nr_legs;
	/* The last to be released frees it. */
	for (i = 0; i < nr_legs; i++)
		leg_send(batch, &batch->legs[i]);
	if (!nr)
		free(batch);
	return nr;
}
