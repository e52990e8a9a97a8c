// SPDX-License-Identifier: GPL-2.0-or-later
/* misbehaviour - see misbehaviour.h. */
#include <string.h>

#include "misbehaviour.h"

static void bad_magic(struct answer *a)
{
	a->hdr.magic ^= cpu_to_le32(1);
}

static void bad_version(struct answer *a)
{
	a->hdr.version++;
}

static void bad_type_of_frame(struct answer *a)
{
	a->hdr.type = R2NET_READ;
}

static void bad_reserved(struct answer *a)
{
	a->hdr.reserved = cpu_to_le32(1);
}

static void bad_tag(struct answer *a)
{
	a->hdr.tag ^= cpu_to_le64(1ULL << 40);
}

static void no_items(struct answer *a)
{
	a->hdr.items = 0;
}

static void more_items(struct answer *a)
{
	a->hdr.items = cpu_to_le16(le16_to_cpu(a->hdr.items) + 1);
}

static void too_many_items(struct answer *a)
{
	a->hdr.items = cpu_to_le16(R2NET_MAX_ITEMS + 1);
}

static void no_length(struct answer *a)
{
	a->hdr.length = 0;
}

static void short_length(struct answer *a)
{
	a->hdr.length = cpu_to_le32(le32_to_cpu(a->hdr.length) - 1);
}

static void long_length(struct answer *a)
{
	a->hdr.length = cpu_to_le32(le32_to_cpu(a->hdr.length) + 1);
	a->body_len++;
}

static void length_over_limit(struct answer *a)
{
	a->hdr.length = cpu_to_le32(R2NET_MAX_LENGTH + 1);
}

static void length_of_4_gib(struct answer *a)
{
	a->hdr.length = cpu_to_le32(UINT32_MAX);
}

static void long_item(struct answer *a)
{
	results(a)->length = cpu_to_le32(le32_to_cpu(results(a)->length) + 1);
}

static void huge_item(struct answer *a)
{
	results(a)->length = cpu_to_le32(UINT32_MAX);
}

static void half_frame(struct answer *a)
{
	a->cut = (a->body_len + 1) / 2;
	a->hang_up = true;
}

static void half_header(struct answer *a)
{
	a->cut = a->body_len + sizeof(a->hdr) / 2;
	a->hang_up = true;
}

static void no_answer(struct answer *a)
{
	a->cut = a->body_len + sizeof(a->hdr);
	a->hang_up = true;
}

/* This one, while others are answered. */
static void withheld(struct answer *a)
{
	a->cut = a->body_len + sizeof(a->hdr);
}

static void silence(struct answer *a)
{
	a->cut = a->body_len + sizeof(a->hdr);
	a->silence = true;
}

static void twice(struct answer *a)
{
	a->again = true;
}

/* After the owner's patience has ended. */
static void late(struct answer *a)
{
	a->delay_ms = SLOW_DEADLINE_MS + DEADLINE_MS;
}

/* The bytes are older already. */
static void replayed(struct answer *a)
{
}

static void altered(struct answer *a)
{
	size_t table = le16_to_cpu(a->hdr.items) * sizeof(struct r2net_result), i;

	for (i = table; i < a->body_len; i++)
		a->body[i] ^= 0x10;
}

/* Good bytes, each page in the place of another. */
static void swapped(struct answer *a)
{
	size_t nr = le16_to_cpu(a->hdr.items), table = nr * sizeof(struct r2net_result);
	size_t first = le32_to_cpu(results(a)->length), rest = a->body_len - table - first;
	static uint8_t page[R2NET_MAX_ITEM_LEN];

	memcpy(page, a->body + table, first);
	memmove(a->body + table, a->body + table + first, rest);
	memcpy(a->body + table + rest, page, first);
}

static void refuse(struct answer *a, unsigned int status)
{
	unsigned int nr = le16_to_cpu(a->hdr.items), i;

	a->body_len = nr * sizeof(struct r2net_result);
	a->hdr.length = cpu_to_le32(a->body_len);
	for (i = 0; i < nr; i++)
		results(a)[i] = (struct r2net_result){ .status = cpu_to_le32(status) };
}

static void stale(struct answer *a)
{
	refuse(a, R2NET_ESTALE);
}

static void out_of_range(struct answer *a)
{
	refuse(a, R2NET_ERANGE);
}

static void unknown_status(struct answer *a)
{
	refuse(a, 99);
}

/* A refusal, but with the bytes that it does not have. */
static void stale_with_bytes(struct answer *a)
{
	results(a)->status = cpu_to_le32(R2NET_ESTALE);
	if (!results(a)->length)
		results(a)->length = cpu_to_le32(1);
}

const struct misbehaviour misbehaviours[] = {
	{ .name = "magic", .spoil = bad_magic },
	{ .name = "version", .spoil = bad_version },
	{ .name = "type", .spoil = bad_type_of_frame },
	{ .name = "reserved", .spoil = bad_reserved },
	{ .name = "tag", .spoil = bad_tag },
	{ .name = "items-0", .spoil = no_items },
	{ .name = "items-more", .spoil = more_items },
	{ .name = "items-limit", .spoil = too_many_items },
	{ .name = "length-0", .spoil = no_length },
	{ .name = "length-short", .spoil = short_length },
	{ .name = "length-long", .spoil = long_length },
	{ .name = "length-limit", .spoil = length_over_limit },
	{ .name = "length-4g", .spoil = length_of_4_gib },
	{ .name = "item-long", .spoil = long_item },
	{ .name = "item-4g", .spoil = huge_item },
	{ .name = "stale-with-bytes", .spoil = stale_with_bytes },
	{ .name = "twice", .spoil = twice },
	{ .name = "half-frame", .spoil = half_frame },
	{ .name = "half-header", .spoil = half_header },
	{ .name = "hang-up", .spoil = no_answer },
	{ .name = "withheld", .spoil = withheld, .ends = true },
	{ .name = "silence", .spoil = silence, .repeat = true },
	{ .name = "late", .spoil = late },
	{ .name = "altered", .spoil = altered, .repeat = true },
	{ .name = "swapped", .spoil = swapped, .repeat = true },
	{ .name = "replayed", .spoil = replayed, .repeat = true, .replays = true },
	{ .name = "stale", .spoil = stale, .repeat = true },
	{ .name = "range", .spoil = out_of_range, .repeat = true },
	{ .name = "status", .spoil = unknown_status, .repeat = true },
};

const unsigned int nr_misbehaviours = sizeof(misbehaviours) / sizeof(misbehaviours[0]);
