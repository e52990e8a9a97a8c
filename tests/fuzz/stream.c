// SPDX-License-Identifier: GPL-2.0-or-later
/* stream - see stream.h. */
#include "conn.h"
#include "request.h"
#include "tests/fuzz/stream.h"

/* What a frame can be made wrong in, by its version. */
enum spoil {
	SPOIL_NOTHING = 0xe0, /* and less */
	SPOIL_ALL, /* the frame stays as it was */
	SPOIL_MAGIC,
	SPOIL_VERSION,
	SPOIL_RESERVED,
	SPOIL_TYPE,
	SPOIL_TAG,
	SPOIL_OLD_TAG,
	SPOIL_MORE,
	SPOIL_LESS,
	SPOIL_LONG,
	SPOIL_SHORT,
	SPOIL_HUGE,
	SPOIL_RESULT,
	SPOIL_STATUS,
	SPOIL_CUT,
	SPOIL_FIT,
};

struct stream stream;
u8 stream_payload[256 + (R2NET_MAX_ITEMS + 1) * R2NET_MAX_ITEM_LEN];

/* One in flight, or NULL. */
static struct r2net_request *choose(const struct r2net_conn *conn, u64 random)
{
	unsigned int i;

	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		if (conn->inflight[(random + i) % R2NET_MAX_WINDOW])
			return conn->inflight[(random + i) % R2NET_MAX_WINDOW];
	return NULL;
}

/* Makes the results right for @req. Returns the payload's length. */
static u32 repair_results(struct r2net_result *results, const struct r2net_request *req)
{
	u32 total = 0, length, status, i;

	for (i = 0; i < req->nr; i++) {
		status = le32_to_cpu(results[i].status) % 16;
		if (status > R2NET_EAGAIN)
			status = R2NET_OK;
		length = req->type == R2NET_READ && status == R2NET_OK ? le32_to_cpu(req->items[i].length) : 0;
		results[i].status = cpu_to_le32(status);
		results[i].length = cpu_to_le32(length);
		total += length;
	}
	return total;
}

static void spoil_hdr(struct r2net_hdr *hdr, const struct r2net_hdr *raw, const u64 *tags)
{
	switch ((enum spoil)raw->version) {
	case SPOIL_MAGIC:
		hdr->magic = raw->magic;
		break;
	case SPOIL_VERSION:
		hdr->version = raw->version;
		break;
	case SPOIL_RESERVED:
		hdr->reserved = raw->reserved;
		break;
	case SPOIL_TYPE:
		hdr->type = raw->type;
		break;
	case SPOIL_TAG:
		hdr->tag = raw->tag;
		break;
	case SPOIL_OLD_TAG:
		hdr->tag = cpu_to_le64(tags[le64_to_cpu(raw->tag) % R2NET_MAX_WINDOW]);
		break;
	case SPOIL_MORE:
		hdr->items = cpu_to_le16(le16_to_cpu(hdr->items) + 1);
		hdr->length = cpu_to_le32(le32_to_cpu(hdr->length) + sizeof(struct r2net_result));
		break;
	case SPOIL_LESS:
		hdr->items = cpu_to_le16(le16_to_cpu(hdr->items) - 1);
		hdr->length = cpu_to_le32(le32_to_cpu(hdr->length) - sizeof(struct r2net_result));
		break;
	case SPOIL_LONG:
		hdr->length = cpu_to_le32(le32_to_cpu(hdr->length) + 1);
		break;
	case SPOIL_SHORT:
		hdr->length = cpu_to_le32(le32_to_cpu(hdr->length) - 1);
		break;
	case SPOIL_HUGE:
		hdr->length = raw->length;
		break;
	default:
		break;
	}
}

/* Makes one result wrong. Returns how much longer the payload is by that, if the header is to say so. */
static u32 spoil_result(struct r2net_result *result, const struct r2net_hdr *raw)
{
	u32 length = le32_to_cpu(result->length);

	if (raw->version == SPOIL_STATUS)
		result->status = raw->reserved;
	if (raw->version == SPOIL_RESULT)
		result->length = raw->length;
	if (raw->version != SPOIL_FIT)
		return 0;
	result->length = cpu_to_le32(le32_to_cpu(raw->length) % (2 * R2NET_MAX_ITEM_LEN));
	return le32_to_cpu(result->length) - length;
}

/* Zeroes are read once the input is at its end. */
static void take_raw(void *bytes, size_t len)
{
	size_t got = min(len, stream.left);

	memset(bytes, 0, len);
	memcpy(bytes, stream.input, got);
	stream.input += got;
	stream.left -= got;
}

static void put(const void *bytes, size_t len)
{
	len = min(len, STREAM_MAX - stream.size);
	memcpy(stream.bytes + stream.size, bytes, len);
	stream.size += len;
}

void stream_make(const struct r2net_conn *conn, const u64 tags[R2NET_MAX_WINDOW])
{
	struct r2net_result results[R2NET_MAX_ITEMS];
	const struct r2net_request *req;
	struct r2net_hdr hdr, raw;
	u32 table, length;

	take_raw(&raw, sizeof(raw));
	req = choose(conn, le64_to_cpu(raw.tag));
	if (!req || raw.version == SPOIL_ALL) {
		put(&raw, sizeof(raw));
		return;
	}
	table = req->nr * sizeof(*results);
	take_raw(results, table);
	length = repair_results(results, req);
	length += spoil_result(&results[le16_to_cpu(raw.items) % req->nr], &raw);
	hdr = (struct r2net_hdr){
		.magic = cpu_to_le32(R2NET_MAGIC),
		.version = R2NET_VERSION,
		.type = R2NET_ANSWER,
		.items = cpu_to_le16(req->nr),
		.length = cpu_to_le32(table + length),
		.tag = cpu_to_le64(req->tag),
	};
	spoil_hdr(&hdr, &raw, tags);
	put(&hdr, sizeof(hdr));
	put(results, table);
	if (raw.version == SPOIL_CUT)
		length = stream.left = 0;
	put(stream_payload + stream.size % 256, length);
}

void stream_init(const u8 *input, size_t size, bool repair)
{
	unsigned int i;

	if (!stream_payload[1])
		for (i = 0; i < sizeof(stream_payload); i++)
			stream_payload[i] = i * 151 + (i >> 8) * 7;
	stream.input = input;
	stream.left = size;
	stream.size = stream.at = 0;
	if (repair)
		return;
	take_raw(stream.bytes, size);
	stream.size = size;
}
