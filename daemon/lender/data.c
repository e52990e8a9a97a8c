// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * data - see data.h.
 *
 * A request is read and validated whole. Then, in a turn of the owner, its extents are pinned, and the kernel copies between
 * socket and extent. Pins are held from validation to the payload's last byte. Items that name no lease of this owner, or a
 * range past its end, are answered so; their WRITE payload is received into a buffer that nobody reads.
 */
#include <stddef.h>

#include "daemon/lender/account.h"
#include "daemon/lender/data.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/gate.h"
#include "daemon/lender/self.h"
#include "daemon/lender/transfer.h"

struct request {
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[R2NET_MAX_ITEMS];
	} frame;
	struct {
		struct r2net_hdr hdr;
		struct r2net_result results[R2NET_MAX_ITEMS];
	} answer;
	struct iovec iov[1 + R2NET_MAX_ITEMS]; /* the answer's head, then payload */
	struct extent *pins[R2NET_MAX_ITEMS]; /* NULL: this item is not served */
	unsigned int items;
	uint32_t payload; /* bytes of all items */
	bool write;
	uint8_t discard[R2NET_MAX_ITEM_LEN];
};

/*
 * Reads header and items. Every data frame has at least R2NET_MIN_DATA_FRAME bytes, so one call takes header and first
 * item and no payload. Returns false if the connection is to end.
 */
static bool receive_items(struct connection *conn, struct request *rq)
{
	uint8_t *frame = (uint8_t *)&rq->frame;
	size_t have, head = sizeof(rq->frame.hdr), need;

	have = connection_begin(conn, frame, R2NET_MIN_DATA_FRAME);
	if (!have)
		return false;
	if (have < head) {
		if (!connection_receive(conn, frame + have, head - have)) {
			connection_malformed(conn, "header cut short");
			return false;
		}
		have = head;
	}
	if (!r2net_request_valid(&rq->frame.hdr, R2NET_ROLE_DATA)) {
		connection_malformed(conn, "not a valid WRITE or READ");
		return false;
	}
	rq->items = le16_to_cpu(rq->frame.hdr.items);
	rq->write = rq->frame.hdr.type == R2NET_WRITE;
	need = head + rq->items * sizeof(struct r2net_item);
	if (have < need && !connection_receive(conn, frame + have, need - have)) {
		connection_malformed(conn, "items cut short");
		return false;
	}
	return true;
}

/* Adds the items' lengths up. Returns whether each is valid and, for WRITE, together they make the frame's. */
static bool items_valid(struct request *rq)
{
	uint32_t table = rq->items * sizeof(struct r2net_item);
	unsigned int i;

	rq->payload = 0;
	for (i = 0; i < rq->items; i++) {
		if (!r2net_item_valid(&rq->frame.items[i]))
			return false;
		rq->payload += le32_to_cpu(rq->frame.items[i].length);
	}
	return le32_to_cpu(rq->frame.hdr.length) == table + (rq->write ? rq->payload : 0);
}

/* Bytes of the frame, and those of the answer without payload. */
static uint64_t frame_bytes(const struct request *rq)
{
	return sizeof(rq->frame.hdr) + le32_to_cpu(rq->frame.hdr.length);
}

static uint64_t head_bytes(const struct request *rq)
{
	return sizeof(rq->answer.hdr) + rq->items * sizeof(struct r2net_result);
}

/* Waits for as long as the owner has used its bandwidth up; without a turn or pins. */
static void wait_for_bandwidth(struct connection *conn, const struct request *rq)
{
	uint64_t ns = account_take(conn->owner, frame_bytes(rq) + head_bytes(rq) + (rq->write ? 0 : rq->payload));

	if (ns)
		connection_pause(conn, ns);
}

/* Pins one item's extent and says in *@place where its bytes are. */
static enum r2net_status pin(struct connection *conn, struct request *rq, unsigned int i, uint8_t **place)
{
	const struct r2net_item *item = &rq->frame.items[i];
	uint32_t id = le32_to_cpu(item->extent), offset = le32_to_cpu(item->offset);
	struct extent *extent;

	/* Announced before it is taken, so that whoever closes the extent and then looks here misses none. */
	atomic_store_explicit(&conn->pinned[i], id, memory_order_relaxed);
	extent = extent_pin(id, le32_to_cpu(item->generation), conn->owner, conn->instance);
	if (!extent) {
		count_add(stale, 1);
		return R2NET_ESTALE;
	}
	if ((uint64_t)offset + le32_to_cpu(item->length) > extent->size) {
		extent_unpin(extent);
		count_add(range, 1);
		return R2NET_ERANGE;
	}
	rq->pins[i] = extent;
	*place = extent->memory + offset;
	return R2NET_OK;
}

/* Pins all items and prepares results and the payload's places. Returns how many places. */
static unsigned int pin_items(struct connection *conn, struct request *rq)
{
	struct iovec *iov = &rq->iov[1];
	unsigned int i;

	for (i = 0; i < rq->items; i++) {
		uint32_t length = le32_to_cpu(rq->frame.items[i].length);
		uint8_t *place = rq->discard;
		enum r2net_status status;

		rq->pins[i] = NULL;
		status = pin(conn, rq, i, &place);
		rq->answer.results[i].status = cpu_to_le32(status);
		rq->answer.results[i].length = cpu_to_le32(status == R2NET_OK && !rq->write ? length : 0);
		if (status == R2NET_OK || rq->write)
			*iov++ = (struct iovec){ .iov_base = place, .iov_len = length };
	}
	return iov - &rq->iov[1];
}

static void unpin_items(struct connection *conn, struct request *rq)
{
	unsigned int i;

	for (i = 0; i < rq->items; i++) {
		if (rq->pins[i])
			extent_unpin(rq->pins[i]);
		atomic_store_explicit(&conn->pinned[i], 0, memory_order_relaxed);
	}
}

static size_t iov_bytes(const struct iovec *iov, unsigned int count)
{
	size_t bytes = 0;

	while (count--)
		bytes += iov++->iov_len;
	return bytes;
}

/* In a turn. */
static bool send_answer(struct connection *conn, struct request *rq, unsigned int places)
{
	size_t head = head_bytes(rq);
	size_t payload = iov_bytes(&rq->iov[1], places);

	rq->answer.hdr = (struct r2net_hdr){
		.magic = cpu_to_le32(R2NET_MAGIC),
		.version = R2NET_VERSION,
		.type = R2NET_ANSWER,
		.items = cpu_to_le16(rq->items),
		.length = cpu_to_le32(head - sizeof(rq->answer.hdr) + payload),
		.tag = rq->frame.hdr.tag,
	};
	rq->iov[0] = (struct iovec){ .iov_base = &rq->answer, .iov_len = head };
	return transfer_send(conn, rq->iov, 1 + places);
}

/* Before the answer goes out, so that whoever has it sees it counted. */
static void count_served(const struct connection *conn, const struct request *rq)
{
	unsigned int i, items = 0;
	uint64_t bytes = 0;

	for (i = 0; i < rq->items; i++) {
		if (!rq->pins[i])
			continue;
		items++;
		bytes += le32_to_cpu(rq->frame.items[i].length);
	}
	if (rq->write) {
		count_add(write_items, items);
		count_add(write_bytes, bytes);
	} else {
		count_add(read_items, items);
		count_add(read_bytes, bytes);
	}
	account_served(conn->owner, frame_bytes(rq), head_bytes(rq) + (rq->write ? 0 : bytes));
}

static bool serve_write(struct connection *conn, struct request *rq)
{
	bool whole, sent = false;
	unsigned int places;

	gate_enter(conn->owner);
	places = pin_items(conn, rq);
	whole = transfer_receive(conn, &rq->iov[1], places);
	unpin_items(conn, rq);
	if (whole) {
		count_served(conn, rq);
		sent = send_answer(conn, rq, 0);
	}
	gate_leave(conn->owner);
	if (!whole)
		connection_malformed(conn, "WRITE's payload cut short");
	return sent;
}

static bool serve_read(struct connection *conn, struct request *rq)
{
	unsigned int places;
	bool whole;

	gate_enter(conn->owner);
	places = pin_items(conn, rq);
	count_served(conn, rq);
	whole = send_answer(conn, rq, places);
	unpin_items(conn, rq);
	gate_leave(conn->owner);
	return whole;
}

void data_serve(struct connection *conn)
{
	struct request rq;

	while (!atomic_load(&conn->shut) && receive_items(conn, &rq)) {
		if (!items_valid(&rq)) {
			connection_malformed(conn, "an item's length is not valid");
			break;
		}
		wait_for_bandwidth(conn, &rq);
		if (atomic_load(&conn->shut))
			break;
		if (!(rq.write ? serve_write(conn, &rq) : serve_read(conn, &rq)))
			break;
	}
}
