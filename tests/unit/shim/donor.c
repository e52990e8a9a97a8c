// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "donor.h"
#include "netlink.h"
#include "once.h"
#include "tests/unit/pages.h"

struct donor_extent {
	u32 id;
	u32 generation;
	u32 size;
	u8 *bytes;
	u8 *before; /* each byte as it was before it was written last */
};

#define DONOR_MAX_EXTENTS 256

struct workqueue_struct *r2net_wq;

static struct donor *to_donor(struct r2net_peer *peer)
{
	return container_of(peer, struct donor, peer);
}

struct donor *donor_new(u32 node)
{
	struct donor *donor = kzalloc(sizeof(*donor), GFP_KERNEL);

	shim_assert(donor);
	kref_init(&donor->peer.ref);
	donor->peer.node = node;
	donor->peer.state = RAMSTER_PEER_UP;
	spin_lock_init(&donor->peer.lock);
	lease_space_init(&donor->peer.space);
	INIT_LIST_HEAD(&donor->pending);
	INIT_LIST_HEAD(&donor->serving);
	INIT_LIST_HEAD(&donor->peer.fencing);
	donor->extents = kvcalloc(DONOR_MAX_EXTENTS, sizeof(*donor->extents), GFP_KERNEL);
	shim_assert(donor->extents);
	return donor;
}

int donor_lend(struct donor *donor, u32 size, unsigned int nr)
{
	struct ramster_nl_lease leases[DONOR_MAX_EXTENTS];
	unsigned int i;

	spin_lock(&donor->peer.lock);
	shim_assert(donor->nr_extents + nr <= DONOR_MAX_EXTENTS);
	for (i = 0; i < nr; i++) {
		struct donor_extent *extent = &donor->extents[donor->nr_extents++];

		extent->id = donor->nr_extents * 7;
		extent->generation = donor->nr_extents + 1000;
		extent->size = size;
		extent->bytes = calloc(2, size);
		shim_assert(extent->bytes);
		extent->before = extent->bytes + size;
		leases[i] = (struct ramster_nl_lease){ extent->id, extent->generation };
	}
	spin_unlock(&donor->peer.lock);
	return lease_add(&donor->peer, size, leases, nr);
}

/* In @before, if it is not NULL: the bytes that were there before. */
static u8 *item_bytes(struct donor *donor, const struct r2net_item *item, u8 **before)
{
	u32 offset = le32_to_cpu(item->offset), length = le32_to_cpu(item->length);
	unsigned int i;

	lockdep_assert_held(&donor->peer.lock);
	for (i = 0; i < donor->nr_extents; i++) {
		const struct donor_extent *extent = &donor->extents[i];

		if (extent->id != le32_to_cpu(item->extent))
			continue;
		shim_assert(extent->generation == le32_to_cpu(item->generation));
		shim_assert(offset <= extent->size && length <= extent->size - offset);
		if (before)
			*before = extent->before + offset;
		return extent->bytes + offset;
	}
	shim_die(__FILE__, __LINE__, "an extent that was lent");
}

static bool items_overlap(const struct r2net_item *a, const struct r2net_item *b)
{
	u32 a_offset = le32_to_cpu(a->offset), b_offset = le32_to_cpu(b->offset);

	return a->extent == b->extent && a_offset < b_offset + le32_to_cpu(b->length) &&
	       b_offset < a_offset + le32_to_cpu(a->length);
}

static void check_slot_rule(const struct r2net_request *a, const struct r2net_request *b)
{
	unsigned int i, k;

	if (a->type == R2NET_READ && b->type == R2NET_READ)
		return;
	for (i = 0; i < a->nr; i++)
		for (k = 0; k < b->nr; k++)
			shim_assert(!items_overlap(&a->items[i], &b->items[k]));
}

static void check_request(struct donor *donor, const struct r2net_request *req)
{
	const struct r2net_request *other;
	u32 total = 0;
	unsigned int i;

	lockdep_assert_held(&donor->peer.lock);
	shim_assert(req->nr >= 1 && req->nr <= R2NET_MAX_ITEMS);
	for (i = 0; i < req->nr; i++) {
		shim_assert(r2net_item_valid(&req->items[i]) && item_bytes(donor, &req->items[i], NULL));
		total += le32_to_cpu(req->items[i].length);
	}
	shim_assert(req->payload_length == (req->type == R2NET_WRITE ? total : 0));
	list_for_each_entry(other, &donor->pending, link)
		check_slot_rule(req, other);
	list_for_each_entry(other, &donor->serving, link)
		check_slot_rule(req, other);
	list_for_each_entry(other, &donor->peer.fencing, link)
		check_slot_rule(req, other);
}

static void request_take(struct donor *donor, struct r2net_request *req)
{
	check_request(donor, req);
	list_add_tail(&req->link, &donor->pending);
	ADD_ONCE(donor->nr_pending, 1);
	ADD_ONCE(donor->items, req->nr);
	if (req->type == R2NET_READ)
		ADD_ONCE(donor->reads, 1);
	else
		ADD_ONCE(donor->writes, 1);
}

int r2net_submit(struct r2net_peer *peer, struct r2net_request *req)
{
	struct donor *donor = to_donor(peer);
	int err = READ_ONCE(donor->submit_err);

	req->claimed = 0;
	req->hedged = false;
	refcount_set(&req->ref, 1);
	spin_lock(&peer->lock);
	if (peer->state == RAMSTER_PEER_DEAD)
		err = -EIO;
	if (!err)
		request_take(donor, req);
	else
		ADD_ONCE(donor->refused, 1);
	spin_unlock(&peer->lock);
	if (!err && !READ_ONCE(donor->wait))
		donor_answer_all(donor);
	return err;
}

bool r2net_request_claim(struct r2net_request *req, unsigned int i)
{
	return !test_and_set_bit(i, &req->claimed);
}

void r2net_peer_stale(struct r2net_peer *peer, struct lease *lease)
{
	lease_lost(lease);
}

void r2net_request_fail(struct r2net_request *req, int err)
{
	unsigned int i;

	for (i = 0; i < req->nr; i++)
		if (r2net_request_claim(req, i))
			req->ops->item(req, i, err, NULL);
}

void r2net_request_put(struct r2net_request *req)
{
	if (refcount_dec_and_test(&req->ref))
		req->ops->release(req);
}

static int item_fate(struct donor *donor)
{
	int err = READ_ONCE(donor->item_err);
	u64 chance;

	if (err)
		return err;
	spin_lock(&donor->peer.lock);
	chance = pages_random(&donor->seed);
	spin_unlock(&donor->peer.lock);
	return chance % 1000 < READ_ONCE(donor->item_err_permille) ? -EIO : 0;
}

/* What the lender does, it does to all items, even when nobody waits for the answer any more. @bytes: what READs bring. */
static void serve(struct donor *donor, const struct r2net_request *req, u8 *bytes)
{
	const u8 *payload = req->payload;
	u8 *there, *before;
	unsigned int i;
	u32 length;

	for (i = 0; i < req->nr; i++) {
		length = le32_to_cpu(req->items[i].length);
		spin_lock(&donor->peer.lock);
		there = item_bytes(donor, &req->items[i], &before);
		spin_unlock(&donor->peer.lock);
		if (req->type == R2NET_READ) {
			memcpy(bytes, READ_ONCE(donor->replay) ? before : there, length);
			if (READ_ONCE(donor->corrupt))
				bytes[length / 2] ^= 1;
			bytes += R2NET_MAX_ITEM_LEN;
		} else {
			memcpy(before, there, length);
			memcpy(there, payload, length);
			payload += length;
		}
	}
}

static void deliver(struct donor *donor, struct r2net_request *req, u8 *bytes)
{
	unsigned int i;
	int err;

	for (i = 0; i < req->nr; i++, bytes += R2NET_MAX_ITEM_LEN) {
		err = item_fate(donor);
		if (r2net_request_claim(req, i))
			req->ops->item(req, i, err, err || req->type != R2NET_READ ? NULL : bytes);
	}
}

/* A request is in the list, for the slot rule, until the lender has done with it. */
static struct r2net_request *pending_get(struct donor *donor, unsigned int n)
{
	struct r2net_request *req, *found = NULL;

	spin_lock(&donor->peer.lock);
	list_for_each_entry(req, &donor->pending, link)
		if (!n--) {
			found = req;
			break;
		}
	spin_unlock(&donor->peer.lock);
	return found;
}

/* Takes the @n-th request, so that no other thread answers it. */
static struct r2net_request *serving_get(struct donor *donor, unsigned int n)
{
	struct r2net_request *req, *found = NULL;

	spin_lock(&donor->peer.lock);
	list_for_each_entry(req, &donor->pending, link)
		if (!n--) {
			found = req;
			list_move_tail(&req->link, &donor->serving);
			SUB_ONCE(donor->nr_pending, 1);
			break;
		}
	spin_unlock(&donor->peer.lock);
	return found;
}

bool donor_answer(struct donor *donor, unsigned int n)
{
	struct r2net_request *req = serving_get(donor, n);
	u8 *bytes;

	if (!req)
		return false;
	bytes = malloc(R2NET_MAX_ITEMS * R2NET_MAX_ITEM_LEN);
	shim_assert(bytes);
	serve(donor, req, bytes);
	spin_lock(&donor->peer.lock);
	list_del_init(&req->link);
	spin_unlock(&donor->peer.lock);
	deliver(donor, req, bytes);
	r2net_request_put(req);
	free(bytes);
	return true;
}

unsigned int donor_answer_all(struct donor *donor)
{
	unsigned int nr = 0;

	while (donor_answer(donor, 0))
		nr++;
	return nr;
}

void donor_expire(struct donor *donor)
{
	struct r2net_request *req;
	unsigned int n;

	for (n = 0; (req = pending_get(donor, n)); n++)
		if (!req->patient)
			r2net_request_fail(req, -ETIMEDOUT);
}

unsigned int donor_slow(struct donor *donor, unsigned long waited_us)
{
	struct r2net_request *req;
	unsigned int n, hedged = 0;

	for (n = 0; (req = pending_get(donor, n)); n++) {
		if (!req->hedge || req->hedged)
			continue;
		refcount_inc(&req->ref);
		req->hedged = req->ops->hedge(req, waited_us);
		hedged += req->hedged;
		r2net_request_put(req);
	}
	return hedged;
}

void donor_break(struct donor *donor)
{
	unsigned int nr = READ_ONCE(donor->nr_pending);
	struct r2net_request *req;

	while (nr--) {
		req = pending_get(donor, 0);
		shim_assert(req->type == R2NET_WRITE);
		r2net_request_fail(req, -EIO);
		if (req->ops->detached)
			req->ops->detached(req);
		spin_lock(&donor->peer.lock);
		list_move_tail(&req->link, &donor->peer.fencing);
		SUB_ONCE(donor->nr_pending, 1);
		spin_unlock(&donor->peer.lock);
	}
}

void donor_fence(struct donor *donor)
{
	struct r2net_request *req, *next;
	LIST_HEAD(fenced);

	spin_lock(&donor->peer.lock);
	list_splice_init(&donor->peer.fencing, &fenced);
	spin_unlock(&donor->peer.lock);
	list_for_each_entry_safe(req, next, &fenced, link)
		r2net_request_put(req);
}

void donor_set_state(struct donor *donor, enum ramster_nl_peer_state state)
{
	spin_lock(&donor->peer.lock);
	WRITE_ONCE(donor->peer.state, state);
	spin_unlock(&donor->peer.lock);
}

u64 donor_die(struct donor *donor)
{
	struct r2net_request *req;

	donor_set_state(donor, RAMSTER_PEER_DEAD);
	while ((req = serving_get(donor, 0))) {
		spin_lock(&donor->peer.lock);
		list_del_init(&req->link);
		spin_unlock(&donor->peer.lock);
		r2net_request_fail(req, -EIO);
		r2net_request_put(req);
	}
	return lease_peer_dead(&donor->peer);
}

void donor_free(struct donor *donor)
{
	struct ramster_nl_lease leases[DONOR_MAX_EXTENTS];
	unsigned int i;

	shim_assert(list_empty(&donor->pending) && list_empty(&donor->serving) && list_empty(&donor->peer.fencing));
	lease_return(&donor->peer, leases, DONOR_MAX_EXTENTS);
	shim_assert(!donor->peer.space.nr);
	for (i = 0; i < donor->nr_extents; i++)
		free(donor->extents[i].bytes);
	shim_assert(refcount_read(&donor->peer.ref.refcount) == 1);
	kvfree(donor->extents);
	kfree(donor);
}

struct r2net_peer *r2net_peer_get(struct r2net_peer *peer)
{
	kref_get(&peer->ref);
	return peer;
}

static void peer_release(struct kref *ref)
{
	shim_die(__FILE__, __LINE__, "the donor holds its peer's last reference");
}

void r2net_peer_put(struct r2net_peer *peer)
{
	kref_put(&peer->ref, peer_release);
}

void netlink_event_need(u64 bytes)
{
}

void netlink_event_vacated(void)
{
}
