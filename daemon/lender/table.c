// SPDX-License-Identifier: GPL-2.0-or-later
/* table - see table.h. */
#include <stddef.h>
#include <string.h>

#include "daemon/lender/table.h"

#define TABLE_MAGIC UINT64_C(0x6c626174746e656c) /* "lenttabl" */
#define STATE_FORCE (UINT64_C(1) << 31)
#define STATE_CHECK ((uint32_t)STATE_FORCE - 1)

_Static_assert(sizeof(struct table_head) == 56, "no padding in what is summed");
_Static_assert(sizeof(struct table_owner) == 48, "as it was");
_Static_assert(sizeof(struct table_entry) == 32, "as it was");
_Static_assert(sizeof(struct table) <= UINT32_MAX, "head.bytes");

/* CRC32C bit by bit: a few bytes at each change. */
static uint32_t crc(uint32_t sum, const void *data, size_t length)
{
	const uint8_t *byte = data;
	unsigned int bit;

	sum = ~sum;
	while (length--) {
		sum ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (UINT32_C(0x82f63b78) & -(sum & 1));
	}
	return ~sum;
}

static uint32_t head_check(const struct table_head *head)
{
	return crc(0, head, offsetof(struct table_head, check));
}

static uint64_t with_check(uint32_t ids)
{
	return (uint64_t)crc(TABLE_VERSION, &ids, sizeof(ids)) << 32 | ids;
}

static uint64_t make_state(uint32_t id, uint32_t generation, bool force)
{
	uint64_t state = (uint64_t)generation << 32 | (force ? STATE_FORCE : 0);

	return state | (crc(crc(0, &id, sizeof(id)), &state, sizeof(state)) & STATE_CHECK);
}

static uint32_t entry_check(const struct table_entry *entry, uint32_t id, uint32_t generation)
{
	uint32_t sum = crc(crc(0, &id, sizeof(id)), &generation, sizeof(generation));

	sum = crc(sum, &entry->instance, sizeof(entry->instance));
	sum = crc(sum, &entry->size, sizeof(entry->size));
	return crc(sum, &entry->owner, sizeof(entry->owner));
}

static uint32_t owner_check(const struct table_owner *own, uint64_t instance)
{
	uint32_t sum = crc(crc(0, &own->number, sizeof(own->number)), own->token, sizeof(own->token));

	return crc(sum, &instance, sizeof(instance));
}

void table_init(struct table *table, const struct table_head *head)
{
	table->head = *head;
	table->head.magic = TABLE_MAGIC;
	table->head.version = TABLE_VERSION;
	table->head.bytes = sizeof(*table);
	table->head.check = head_check(&table->head);
	atomic_store(&table->ids, with_check(1));
}

static const char *head_wrong(const struct table_head *head, uint32_t node)
{
	if (head->magic != TABLE_MAGIC)
		return "it is no table of leases";
	if (head->version != TABLE_VERSION || head->bytes != sizeof(struct table))
		return "another version of the lender made it";
	if (head->check != head_check(head) || !head->instance)
		return "its checksum is wrong";
	if (head->node != node)
		return "it is that of another node number";
	return NULL;
}

static bool entry_right(const struct table_entry *entry, uint32_t id)
{
	uint64_t state = atomic_load(&entry->state);
	uint32_t generation = state >> 32;

	if (state != make_state(id, generation, state & STATE_FORCE))
		return false;
	if (!(state & STATE_FORCE))
		return true;
	return generation && entry->check == entry_check(entry, id, generation) && entry->owner < R2NET_MAX_NODES &&
	       entry->instance && entry->size >= R2NET_EXTENT_MIN && entry->size <= R2NET_EXTENT_MAX &&
	       !(entry->size % R2NET_EXTENT_MIN);
}

const char *table_check(struct table *table, uint32_t node)
{
	const char *wrong = head_wrong(&table->head, node);
	uint64_t ids = atomic_load(&table->ids);
	uint32_t i;

	if (wrong)
		return wrong;
	if (ids != with_check(ids) || !(uint32_t)ids || (uint32_t)ids > EXTENT_IDS)
		return "the checksum of its length is wrong";
	for (i = 1; i < (uint32_t)ids; i++)
		if (!entry_right(&table->entries[i], i))
			return "a lease in it has a wrong checksum";
	for (i = 0; i < R2NET_MAX_NODES; i++) {
		struct table_owner *own = &table->owners[i];
		uint64_t instance = atomic_load(&own->admitted);

		if (instance && (own->number != i || own->check != owner_check(own, instance)))
			return "an owner in it has a wrong checksum";
	}
	return NULL;
}

void table_add(struct table *table, uint32_t id)
{
	atomic_store(&table->entries[id].state, make_state(id, 0, false));
	atomic_store(&table->ids, with_check(id + 1));
}

uint32_t table_ids(const struct table *table)
{
	return (uint32_t)atomic_load(&table->ids);
}

void table_lease(struct table *table, const struct lender_lease *lease)
{
	struct table_entry *entry = &table->entries[lease->extent];

	entry->instance = lease->instance;
	entry->size = lease->size;
	entry->owner = lease->owner;
	entry->check = entry_check(entry, lease->extent, lease->generation);
	atomic_store(&entry->state, make_state(lease->extent, lease->generation, true));
}

void table_end(struct table *table, uint32_t id)
{
	struct table_entry *entry = &table->entries[id];

	atomic_store(&entry->state, make_state(id, atomic_load(&entry->state) >> 32, false));
}

bool table_get(const struct table *table, uint32_t id, struct lender_lease *lease)
{
	const struct table_entry *entry = &table->entries[id];
	uint64_t state = atomic_load(&entry->state);

	*lease = (struct lender_lease){ .extent = id, .generation = state >> 32 };
	if (!(state & STATE_FORCE))
		return false;
	lease->size = entry->size;
	lease->owner = entry->owner;
	lease->instance = entry->instance;
	return true;
}

void table_admit(struct table *table, uint32_t owner, uint64_t instance, const uint8_t *token)
{
	struct table_owner *own = &table->owners[owner];

	atomic_store(&own->admitted, 0);
	memcpy(own->token, token, R2NET_TOKEN_LEN);
	own->number = owner;
	own->check = owner_check(own, instance);
	atomic_store(&own->admitted, instance);
}

void table_expel(struct table *table, uint32_t owner)
{
	struct table_owner *own = &table->owners[owner];

	atomic_store(&own->admitted, 0);
	explicit_bzero(own->token, R2NET_TOKEN_LEN);
}

uint64_t table_admitted(const struct table *table, uint32_t owner, uint8_t token[R2NET_TOKEN_LEN])
{
	const struct table_owner *own = &table->owners[owner];
	uint64_t instance = atomic_load(&own->admitted);

	if (instance)
		memcpy(token, own->token, R2NET_TOKEN_LEN);
	return instance;
}
