// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

#include "peer.h"
#include "seal.h"
#include "tests/unit/batch.h"
#include "tmem.h"
#include "zcache.h"

struct batch {
	struct r2net_request req;
	struct r2net_item items[BATCH_MAX];
	struct zpage *zpages[BATCH_MAX];
	void *entries[BATCH_MAX];
	struct lease *leases[BATCH_MAX];
	u8 bytes[BATCH_MAX * R2NET_MAX_ITEM_LEN];
};

static void batch_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct batch *batch = container_of(req, struct batch, req);

	if (!err && tmem_remotified(batch->zpages[i], batch->entries[i], 1)) {
		zpage_put(batch->zpages[i]);
		return;
	}
	slot_abandon(batch->entries[i]);
	zcache_return(batch->zpages[i]);
}

static void batch_release(struct r2net_request *req)
{
	struct batch *batch = container_of(req, struct batch, req);
	unsigned int i;

	for (i = 0; i < req->nr; i++)
		slot_unpin(batch->entries[i], batch->leases[i]);
	free(batch);
}

static const struct r2net_request_ops batch_ops = { .item = batch_item, .release = batch_release };

static bool batch_add(struct batch *batch, struct extent_group *group, struct zpage *zpage)
{
	void *bytes = batch->bytes + batch->req.payload_length;
	struct extent_slot slot;
	void *entry;

	zpage_copy(zpage, bytes);
	entry = slot_alloc(group, tmem_owner(zpage->pool, zpage->index), zpage->length, zpage->compressor,
			   seal_checksum(bytes, zpage->length), &slot);
	if (!entry)
		return false;
	shim_assert(!seal_page(bytes, &slot.bond));
	batch->items[batch->req.nr] = (struct r2net_item){
		.extent = cpu_to_le32(slot.legs[0].extent),
		.generation = cpu_to_le32(slot.legs[0].generation),
		.offset = cpu_to_le32(slot.offset),
		.length = cpu_to_le32(slot.length),
	};
	batch->leases[batch->req.nr] = slot.legs[0].lease;
	batch->zpages[batch->req.nr] = zpage;
	batch->entries[batch->req.nr++] = entry;
	batch->req.payload_length += slot.length;
	return true;
}

unsigned int batch_send(struct r2net_peer *peer, unsigned int max)
{
	struct extent_group *group = extent_group_next();
	struct batch *batch;
	struct zpage *zpage;
	unsigned int nr;
	int err;

	if (!group)
		return 0;
	batch = calloc(1, sizeof(*batch));
	batch->req = (struct r2net_request){
		.ops = &batch_ops, .type = R2NET_WRITE, .items = batch->items, .payload = batch->bytes
	};
	while (batch->req.nr < min(max, (unsigned int)BATCH_MAX) && (zpage = zcache_take_coldest()))
		if (!batch_add(batch, group, zpage)) {
			zcache_return(zpage);
			break;
		}
	extent_group_put(group);
	nr = batch->req.nr;
	if (!nr) {
		free(batch);
		return 0;
	}
	err = r2net_submit(peer, &batch->req);
	if (err) {
		r2net_request_fail(&batch->req, err);
		r2net_request_put(&batch->req);
	}
	return nr;
}
