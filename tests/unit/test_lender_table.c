// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of leases and tokens that outlives the lender: cut short, spoilt, or of another lender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "daemon/lender/table.h"

#define NODE 7
#define OWNER 3
#define LEASES 4
#define USED offsetof(struct table, entries[LEASES + 1]) /* bytes of a table that mean anything */

static struct table *table;
static uint8_t before[USED], after[USED];

static struct lender_lease lease_of(uint32_t id, uint32_t generation)
{
	return (struct lender_lease){ .extent = id,
				      .generation = generation,
				      .size = R2NET_EXTENT_MIN * id,
				      .owner = OWNER + id,
				      .instance = 0x1000 + generation };
}

/* Ids 1 ... LEASES were used; id 2 is not in force. OWNER has a token. */
static int set_up(void **state)
{
	struct table_head head = { .node = NODE, .instance = 77, .pair = 1, .group = 2, .kills = 3 };
	uint8_t token[R2NET_TOKEN_LEN];
	uint32_t id;

	memset(table, 0, USED);
	table_init(table, &head);
	for (id = 1; id <= LEASES; id++) {
		struct lender_lease lease = lease_of(id, 1);

		assert_int_equal(table_ids(table), id);
		table_add(table, id);
		table_lease(table, &lease);
	}
	table_end(table, 2);
	memset(token, 0x5a, sizeof(token));
	table_admit(table, OWNER, 0x1234, token);
	memcpy(before, table, USED);
	return 0;
}

static void is_refused(const char *why)
{
	const char *wrong = table_check(table, NODE);

	assert_non_null(wrong);
	if (why)
		assert_string_equal(wrong, why);
}

/* All that a lender would go on with. */
struct seen {
	uint64_t instance, group, kills, pair;
	uint32_t ids;
	struct lender_lease leases[LEASES + 1];
	bool force[LEASES + 1];
	uint64_t admitted[R2NET_MAX_NODES];
	uint8_t tokens[R2NET_MAX_NODES][R2NET_TOKEN_LEN];
};

static struct seen look(void)
{
	static struct seen seen;
	uint32_t i;

	memset(&seen, 0, sizeof(seen));
	seen.instance = table->head.instance;
	seen.group = table->head.group;
	seen.kills = table->head.kills;
	seen.pair = table->head.pair;
	seen.ids = table_ids(table);
	for (i = 1; i < seen.ids; i++)
		seen.force[i] = table_get(table, i, &seen.leases[i]);
	for (i = 0; i < R2NET_MAX_NODES; i++)
		seen.admitted[i] = table_admitted(table, i, seen.tokens[i]);
	return seen;
}

static void what_was_kept_is_found(void **state)
{
	uint8_t token[R2NET_TOKEN_LEN], wanted[R2NET_TOKEN_LEN];
	struct lender_lease lease, same;
	uint32_t id;

	assert_null(table_check(table, NODE));
	assert_int_equal(table_ids(table), LEASES + 1);
	for (id = 1; id <= LEASES; id++) {
		assert_int_equal(table_get(table, id, &lease), id != 2);
		same = lease_of(id, 1);
		assert_int_equal(lease.generation, 1);
		if (id != 2)
			assert_memory_equal(&lease, &same, sizeof(lease));
	}
	memset(wanted, 0x5a, sizeof(wanted));
	assert_int_equal(table_admitted(table, OWNER, token), 0x1234);
	assert_memory_equal(token, wanted, sizeof(token));
	assert_int_equal(table_admitted(table, OWNER + 1, token), 0);
	table_expel(table, OWNER);
	assert_int_equal(table_admitted(table, OWNER, token), 0);
	assert_null(table_check(table, NODE));
}

static void empty_or_strange_is_refused(void **state)
{
	memset(table, 0, USED);
	is_refused("it is no table of leases");
	memset(table, 0xff, USED);
	is_refused("it is no table of leases");
	set_up(NULL);
	table->head.version++;
	is_refused("another version of the lender made it");
	set_up(NULL);
	table->head.bytes--;
	is_refused("another version of the lender made it");
	set_up(NULL);
	assert_string_equal(table_check(table, NODE + 1), "it is that of another node number");
}

/* Whatever bit is wrong: it is found, or it does not matter. */
static void no_wrong_bit_is_used(void **state)
{
	static struct seen right, now;
	unsigned int refused = 0;
	size_t bit;

	right = look();
	for (bit = 0; bit < USED * 8; bit++) {
		((uint8_t *)table)[bit / 8] ^= 1U << bit % 8;
		if (table_check(table, NODE)) {
			refused++;
		} else {
			now = look();
			assert_memory_equal(&now, &right, sizeof(now));
		}
		((uint8_t *)table)[bit / 8] ^= 1U << bit % 8;
	}
	assert_null(table_check(table, NODE));
	/* The head; 3 leases of 28 bytes and 1 state; 1 owner. That of others' admissions is found as well. */
	assert_true(refused >= 8 * (sizeof(table->head) + 3 * 28 + 8 + 48 + 8 * (R2NET_MAX_NODES - 1)));
}

/*
 * Any of a change's words may have been stored when the process was killed, or not: what is found then is refused, or is as
 * before, or as after. @first: of the words that the change stores; none of it is refused if they came in @order.
 */
static void tear(size_t at, unsigned int words, const unsigned int *order)
{
	static struct seen old, new, now;
	uint64_t *place = (uint64_t *)((uint8_t *)table + at);
	unsigned int mask, i, in_order = 0;

	memcpy(after, table, USED);
	new = look();
	memcpy(table, before, USED);
	old = look();
	assert_memory_not_equal(&old, &new, sizeof(old));
	for (mask = 0; mask < 1U << words; mask++) {
		for (i = 0; i < words; i++)
			memcpy(&place[i], (mask & 1U << i ? after : before) + at + i * 8, 8);
		if (table_check(table, NODE))
			continue;
		now = look();
		if (memcmp(&now, &old, sizeof(now)))
			assert_memory_equal(&now, &new, sizeof(now));
	}
	memcpy(&place[0], before + at, words * 8);
	for (i = 0; i < words; i++) {
		in_order |= 1U << order[i];
		memcpy(&place[order[i]], after + at + order[i] * 8, 8);
		assert_null(table_check(table, NODE));
	}
	assert_int_equal(in_order, (1U << words) - 1);
}

static void half_a_lease_is_none(void **state)
{
	static const unsigned int order[] = { 1, 2, 3, 0 }; /* the state last */
	struct lender_lease lease = lease_of(2, 2);

	table_lease(table, &lease);
	tear(offsetof(struct table, entries[2]), 4, order);
}

static void half_an_end_is_none(void **state)
{
	static const unsigned int order[] = { 0 };

	table_end(table, 3);
	tear(offsetof(struct table, entries[3]), 1, order);
}

/* From one instance to another it is not admitted in between. */
static void half_a_token_is_none(void **state)
{
	static const unsigned int order[] = { 1, 2, 3, 4, 5, 0 };
	uint8_t token[R2NET_TOKEN_LEN];

	table_expel(table, OWNER);
	memcpy(before, table, USED);
	memset(token, 0xa5, sizeof(token));
	table_admit(table, OWNER, 0x4321, token);
	tear(offsetof(struct table, owners[OWNER]), 6, order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_kept_is_found, set_up),
		cmocka_unit_test_setup(empty_or_strange_is_refused, set_up),
		cmocka_unit_test_setup(no_wrong_bit_is_used, set_up),
		cmocka_unit_test_setup(half_a_lease_is_none, set_up),
		cmocka_unit_test_setup(half_an_end_is_none, set_up),
		cmocka_unit_test_setup(half_a_token_is_none, set_up),
	};

	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("lender table", tests, NULL, NULL);
}
