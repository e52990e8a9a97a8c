// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <cmocka.h>

#include <linux/err.h>

#include "tests/unit/slots.h"

int slots_set_up(void **state)
{
	assert_int_equal(extent_init(), 0);
	*state = donor_new(3);
	return 0;
}

int slots_tear_down(void **state)
{
	extent_set_copies(1);
	donor_free(*state);
	assert_int_equal(extent_pages(), 0);
	assert_int_equal(extent_pages_missing(), 0);
	assert_int_equal(extent_used_bytes(), 0);
	assert_int_equal(extent_space_bytes(), 0);
	assert_int_equal(extent_free_bytes(), 0);
	assert_int_equal(extent_moving_bytes(), 0);
	extent_exit();
	assert_int_equal(extent_table_bytes(), 0);
	return shim_allocated() != 0;
}

struct extent_owner owner_of(u32 index)
{
	return (struct extent_owner){ .pool = POOL, .index = index };
}

static void *alloc_with(struct r2net_peer *peers[], unsigned int nr, u32 index, size_t length, struct extent_slot *slot)
{
	struct extent_group *group;
	void *entry;

	mutex_lock(&extents_mutex);
	group = extent_group_of(peers, nr);
	mutex_unlock(&extents_mutex);
	assert_non_null(group);
	entry = slot_alloc(group, owner_of(index), length, index % 4, ~index, slot);
	extent_group_put(group);
	if (!entry)
		return NULL;
	assert_int_equal(slot->nr_legs, nr);
	assert_true(slot_commit(entry, nr));
	return entry;
}

void *alloc(struct donor *donor, u32 index, size_t length, struct extent_slot *slot)
{
	return alloc_with((struct r2net_peer *[]){ &donor->peer }, 1, index, length, slot);
}

void *alloc_unpinned(struct donor *donor, u32 index, size_t length, struct extent_slot *slot)
{
	void *entry = alloc(donor, index, length, slot);

	if (entry)
		unpin(entry, slot);
	return entry;
}

void *alloc_both(struct donor *a, struct donor *b, u32 index, size_t length, struct extent_slot *slot)
{
	return alloc_with((struct r2net_peer *[]){ &a->peer, &b->peer }, 2, index, length, slot);
}

void unpin(void *entry, const struct extent_slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr_legs; i++)
		slot_unpin(entry, slot->legs[i].lease);
}

struct lease *lease_of(void *entry, unsigned int leg)
{
	return extent_table[entry_location(entry).extent]->legs[leg];
}

bool readable(void *entry, u32 index, struct extent_slot *slot)
{
	return !slot_pin(entry, owner_of(index), NULL, 0, slot);
}
