// SPDX-License-Identifier: GPL-2.0-or-later
/* Remote space: who stands where, and when a slot may be used again. */
#include <setjmp.h>
#include <cmocka.h>

#include <linux/err.h>

#include "pages.h"
#include "tests/unit/slots.h"

/* A slot is of its class: as large as its zpage, and not much larger. */
static void test_classes(void **state)
{
	struct donor *donor = *state;
	struct extent_slot slot;
	u64 used = 0, bytes = 0;
	size_t length;
	void *entry;
	u64 before;

	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	for (length = 1; length <= PAGE_SIZE; length++) {
		before = extent_used_bytes();
		entry = alloc(donor, length, length, &slot);
		assert_non_null(entry);
		assert_int_equal(slot.length, length);
		assert_int_equal(slot.bond.mark, ~(u32)length);
		assert_int_equal(entry_location(entry).length, length);
		assert_int_equal(entry_location(entry).compressor, length % 4);
		assert_in_range(extent_used_bytes() - before, length, max(128UL, length + length / 6 + 1));
		if (length > 128) {
			used += extent_used_bytes() - before;
			bytes += length;
		}
		slot_free(entry);
		unpin(entry, &slot);
		assert_int_equal(extent_pages(), 0);
	}
	assert_in_range(used * 100 / bytes, 100, 110);
	assert_int_equal(extent_free_bytes(), SIZE);
}

/* The largest item of the wire finds a slot, too. */
static void test_largest_item(void **state)
{
	struct extent_slot slot[2];
	void *entry[2];
	unsigned int i;

	assert_int_equal(donor_lend(*state, SIZE, 1), 0);
	for (i = 0; i < 2; i++)
		entry[i] = alloc(*state, i, R2NET_MAX_ITEM_LEN, &slot[i]);
	assert_true(slot[1].offset >= slot[0].offset + R2NET_MAX_ITEM_LEN);
	for (i = 0; i < 2; i++) {
		slot_free(entry[i]);
		unpin(entry[i], &slot[i]);
	}
}

static bool has_space(void)
{
	struct extent_group *group = extent_group_next();

	if (group)
		extent_group_put(group);
	return group;
}

static void test_full(void **state)
{
	static void *entries[BLOCKS * 64];
	struct donor *donor = *state;
	struct extent_slot slot;
	unsigned int nr = 0;
	void *entry;

	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	assert_true(has_space());
	while ((entry = alloc_unpinned(donor, nr, PAGE_SIZE, &slot)))
		entries[nr++] = entry;
	assert_int_equal(nr, BLOCKS * (EXTENT_BLOCK_SIZE / 4228));
	assert_false(has_space());
	assert_int_equal(extent_free_bytes(), 0);
	/* No other class finds a block, but one slot freed is one slot to be had. */
	assert_null(alloc(donor, nr, 200, &slot));
	slot_free(entries[7]);
	entries[7] = alloc_unpinned(donor, 7, PAGE_SIZE, &slot);
	assert_non_null(entries[7]);
	assert_null(alloc(donor, nr, PAGE_SIZE, &slot));
	/* More space is found at once. */
	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	entries[nr] = alloc_unpinned(donor, nr, 200, &slot);
	assert_non_null(entries[nr++]);
	while (nr)
		slot_free(entries[--nr]);
	assert_int_equal(extent_free_bytes(), 2 * SIZE);
}

static bool same_place(const struct extent_slot *a, const struct extent_slot *b)
{
	return a->legs[0].lease == b->legs[0].lease && a->offset == b->offset;
}

/* A slot that is freed while its block is pinned is nobody's until the last pin is gone. */
static void test_slot_rule(void **state)
{
	struct extent_slot first, other, pin, slot;
	void *a, *b, *c[3];
	unsigned int i;

	assert_int_equal(donor_lend(*state, SIZE, 1), 0);
	a = alloc(*state, 1, 1000, &first);
	b = alloc_unpinned(*state, 2, 1000, &other);
	assert_true(readable(b, 2, &pin));
	assert_ptr_equal(pin.legs[0].peer, &((struct donor *)*state)->peer);
	slot_free(a);
	assert_int_equal(extent_pages(), 1);
	for (i = 0; i < 2; i++) {
		c[i] = alloc_unpinned(*state, 10 + i, 1000, &slot);
		assert_false(same_place(&slot, &first) || same_place(&slot, &other));
	}
	/* One pin of the two: still not. */
	unpin(a, &first);
	c[2] = alloc_unpinned(*state, 12, 1000, &slot);
	assert_false(same_place(&slot, &first));
	unpin(b, &pin);
	a = alloc_unpinned(*state, 3, 1000, &slot);
	assert_true(same_place(&slot, &first));
	slot_free(a);
	slot_free(b);
	for (i = 0; i < 3; i++)
		slot_free(c[i]);
}

/* A block is not given to another class while it is pinned, even with no page left in it. */
static void test_empty_block_that_is_pinned(void **state)
{
	struct extent_slot pin, slot;
	void *a, *b;

	assert_int_equal(donor_lend(*state, SIZE, 1), 0);
	a = alloc(*state, 1, 1000, &pin);
	slot_free(a);
	assert_int_equal(extent_free_bytes(), SIZE - EXTENT_BLOCK_SIZE);
	b = alloc_unpinned(*state, 1, 3000, &slot);
	assert_int_not_equal(entry_location(b).block, entry_location(a).block);
	unpin(a, &pin);
	assert_int_equal(extent_free_bytes(), SIZE - EXTENT_BLOCK_SIZE);
	slot_free(b);
	assert_int_equal(extent_free_bytes(), SIZE);
}

static void test_only_the_owner_reads(void **state)
{
	const struct extent_owner others[] = {
		{ POOL, 4 }, { POOL, 6 }, { POOL, 5 | 1 << 8 }, { POOL, 5 | 1U << 31 }, { POOL + 1, 5 }, { 0, 5 },
	};
	struct extent_slot slot;
	unsigned int i;
	void *entry;

	assert_int_equal(donor_lend(*state, SIZE, 1), 0);
	entry = alloc_unpinned(*state, 5, 100, &slot);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(slot_pin(entry, others[i], NULL, 0, &slot), -EIO);
	assert_true(readable(entry, 5, &slot));
	unpin(entry, &slot);
	slot_free(entry);
	entry = alloc_unpinned(*state, U32_MAX, 100, &slot);
	assert_true(readable(entry, U32_MAX, &slot));
	unpin(entry, &slot);
	slot_free(entry);
}

static void test_bad_leases(void **state)
{
	static const u32 sizes[] = {
		0, 1, EXTENT_BLOCK_SIZE, SIZE - 1, SIZE + 1, SIZE + SIZE / 2, R2NET_EXTENT_MAX + SIZE, U32_MAX
	};
	struct ramster_nl_lease leases[] = { { 100, 1 }, { 101, 1 }, { 100, 2 } };
	struct donor *donor = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(lease_add(&donor->peer, sizes[i], leases, 1), -EINVAL);
	/* All or none: the third is the first again. */
	assert_int_equal(lease_add(&donor->peer, SIZE, leases, 3), -EEXIST);
	assert_int_equal(extent_space_bytes(), 0);
	assert_int_equal(lease_add(&donor->peer, SIZE, leases, 2), 0);
	assert_int_equal(lease_add(&donor->peer, SIZE, leases, 1), -EEXIST);
	assert_int_equal(extent_space_bytes(), 2 * SIZE);
	assert_int_equal(refcount_read(&donor->peer.ref.refcount), 4); /* ours, the leases' and their group's */
	/* An id that the lender has given anew. */
	assert_int_equal(lease_add(&donor->peer, SIZE, &leases[2], 1), 0);
	assert_int_equal(extent_space_bytes(), 3 * SIZE);
}

static void test_leases_without_memory(void **state)
{
	struct ramster_nl_lease leases[100];
	struct donor *donor = *state;
	unsigned int i, n;
	int err;

	for (i = 0; i < ARRAY_SIZE(leases); i++)
		leases[i] = (struct ramster_nl_lease){ i, 5 };
	for (n = 1;; n++) {
		shim_fail_allocation(n);
		err = lease_add(&donor->peer, SIZE, leases, ARRAY_SIZE(leases));
		if (!err)
			break;
		assert_true(shim_allocation_failed());
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(extent_space_bytes(), 0);
		assert_int_equal(refcount_read(&donor->peer.ref.refcount), 1);
	}
	shim_fail_allocation(0);
	assert_int_equal(err, 0);
	assert_true(n > ARRAY_SIZE(leases));
	assert_int_equal(extent_space_bytes(), ARRAY_SIZE(leases) * (u64)SIZE);
}

static void test_slots_without_memory(void **state)
{
	struct donor *donor = *state;
	struct extent_slot slot;
	void *first, *second;

	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	/* A table for one block of each class is at hand, for when memory is shortest. */
	shim_fail_allocation(1);
	first = alloc_unpinned(donor, 1, 1000, &slot);
	assert_non_null(first);
	second = alloc_unpinned(donor, 2, PAGE_SIZE, &slot);
	assert_non_null(second);
	slot_free(first);
	slot_free(second);
	assert_int_equal(extent_pages(), 0);

	shim_fail_allocation(0);
}

static unsigned int count_listed(struct donor *donor, u32 size)
{
	struct ramster_nl_lease leases[2];
	unsigned int nr, of_size = 0;
	u32 have, from = 0;

	while ((nr = lease_list(&donor->peer, &from, &have, leases, 2)))
		of_size += have == size ? nr : 0;
	return of_size;
}

static void test_list_and_return(void **state)
{
	struct ramster_nl_lease leases[8];
	struct donor *donor = *state;
	struct extent_slot slot;
	void *entry;

	assert_int_equal(donor_lend(donor, SIZE, 3), 0);
	assert_int_equal(donor_lend(donor, 2 * SIZE, 2), 0);
	assert_int_equal(count_listed(donor, SIZE), 3);
	assert_int_equal(count_listed(donor, 2 * SIZE), 2);
	entry = alloc(donor, 1, 1000, &slot);
	assert_int_equal(lease_return(&donor->peer, leases, 1), 1);
	assert_int_not_equal(leases[0].extent, slot.legs[0].extent);
	/* What holds a page stays, and so does what is pinned. */
	assert_int_equal(lease_return(&donor->peer, leases, 8), 3);
	slot_free(entry);
	assert_int_equal(lease_return(&donor->peer, leases, 8), 0);
	unpin(entry, &slot);
	assert_int_equal(lease_return(&donor->peer, leases, 8), 1);
	assert_int_equal(leases[0].extent, slot.legs[0].extent);
	assert_int_equal(leases[0].generation, slot.legs[0].generation);
	assert_int_equal(extent_space_bytes(), 0);
}

/* All its blocks are found, and all its bytes are within it. */
static void test_largest_extent(void **state)
{
	static void *entries[R2NET_EXTENT_MAX / 4096];
	struct extent_slot slot;
	unsigned int nr = 0;
	u32 end = 0;

	assert_int_equal(donor_lend(*state, R2NET_EXTENT_MAX, 1), 0);
	while ((entries[nr] = alloc_unpinned(*state, nr, PAGE_SIZE, &slot))) {
		end = max(end, slot.offset + slot.length);
		nr++;
	}
	assert_int_equal(nr, R2NET_EXTENT_MAX / EXTENT_BLOCK_SIZE * (EXTENT_BLOCK_SIZE / 4228));
	assert_in_range(end, R2NET_EXTENT_MAX - EXTENT_BLOCK_SIZE, R2NET_EXTENT_MAX);
	while (nr)
		slot_free(entries[--nr]);
}

/* A lender that does not know a lease takes only that extent with it. */
static void test_lost(void **state)
{
	struct donor *donor = *state;
	struct extent_slot pin, slot;
	void *kept, *lost;
	u64 space;

	assert_int_equal(donor_lend(donor, SIZE, 2), 0);
	space = extent_free_bytes();
	lost = alloc(donor, 1, 1000, &pin);
	kept = alloc_unpinned(donor, 2, PAGE_SIZE, &slot);
	assert_int_equal(lease_lost(pin.legs[0].lease),
			 entry_location(kept).extent == entry_location(lost).extent ? 2 : 1);
	assert_int_equal(lease_lost(pin.legs[0].lease), 0);
	assert_true(slot_is_dead(lost));
	assert_true(extent_free_bytes() <= space / 2);
	assert_false(readable(lost, 1, &slot));
	slot_free(lost);
	unpin(lost, &pin);
	slot_free(kept);
	/* Only the other one is left, and can be used. */
	assert_int_equal(extent_space_bytes(), SIZE);
	assert_int_equal(extent_free_bytes(), SIZE);
	kept = alloc_unpinned(donor, 3, 1000, &slot);
	assert_non_null(kept);
	slot_free(kept);
}

/* Pages that leave make room: what they need for it is theirs when nobody else gets any. */
static void test_tables_use_the_reserve(void **state)
{
	void *entries[3 * EXTENT_BLOCK_SIZE / 4096];
	struct donor *donor = *state;
	struct extent_slot slot;
	size_t nr = 0, i;

	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	shim_leave_only_the_reserve(true);
	while (nr < ARRAY_SIZE(entries) && (entries[nr] = alloc_unpinned(donor, nr, 4096, &slot)))
		nr++;
	shim_leave_only_the_reserve(false);
	for (i = 0; i < nr; i++)
		slot_free(entries[i]);
	assert_int_equal(nr, ARRAY_SIZE(entries));
}

/* Until it is known that a page's bytes have arrived it is not there to be lost, and a dead extent takes none. */
static void test_only_committed_pages_are_lost(void **state)
{
	struct donor *donor = *state;
	struct extent_slot slot;
	void *sent, *there;

	assert_int_equal(donor_lend(donor, SIZE, 1), 0);
	there = alloc_unpinned(donor, 1, 1000, &slot);
	sent = slot_alloc(lease_of(there, 0)->extent->group, owner_of(2), 1000, 0, 0, &slot);
	assert_int_equal(extent_pages(), 1);
	assert_int_equal(lease_lost(slot.legs[0].lease), 1);
	assert_false(slot_commit(sent, 1));
	slot_abandon(sent);
	unpin(sent, &slot);
	assert_int_equal(donor_die(donor), 0);
	slot_free(there);
	assert_int_equal(donor->peer.space.nr, 0);
}

/* A page is lost once: with its lease, or with the lender. */
static void test_lost_then_dead(void **state)
{
	struct donor *donor = *state;
	struct extent_slot slots[3];
	void *pages[3];
	u64 lost;
	int i;

	assert_int_equal(donor_lend(donor, SIZE, 2), 0);
	for (i = 0; i < 3; i++)
		pages[i] = alloc(donor, i, PAGE_SIZE, &slots[i]);
	lost = lease_lost(slots[0].legs[0].lease);
	assert_in_range(lost, 1, 3);
	slot_free(pages[0]);
	unpin(pages[0], &slots[0]);
	assert_int_equal(donor_die(donor), 3 - lost);
	for (i = 1; i < 3; i++) {
		slot_free(pages[i]);
		unpin(pages[i], &slots[i]);
	}
	assert_int_equal(donor->peer.space.nr, 0);
}

static void test_dead(void **state)
{
	struct donor *donor = *state, *living = donor_new(4);
	struct extent_slot pin, slot;
	void *a, *b, *other;

	assert_int_equal(donor_lend(donor, SIZE, 3), 0);
	assert_int_equal(donor_lend(living, SIZE, 1), 0);
	a = alloc(donor, 1, 1000, &pin);
	b = alloc_unpinned(donor, 2, 1000, &slot);
	other = alloc_unpinned(living, 3, 1000, &slot);
	assert_int_equal(donor_die(donor), 2);
	assert_int_equal(donor_die(donor), 0);
	/* The empty ones are gone, nothing is given and nothing is read any more. */
	assert_int_equal(donor->peer.space.nr, 0);
	assert_int_equal(extent_free_bytes(), SIZE - EXTENT_BLOCK_SIZE);
	assert_null(alloc(donor, 4, 1000, &slot));
	assert_null(alloc(donor, 4, 3000, &slot));
	assert_false(readable(a, 1, &slot));
	assert_false(readable(b, 2, &slot));
	assert_true(readable(other, 3, &slot));
	unpin(other, &slot);
	/* The last page and the last pin take the extent with them. */
	slot_free(b);
	slot_free(a);
	assert_int_equal(refcount_read(&donor->peer.ref.refcount), 3);
	unpin(a, &pin);
	assert_int_equal(refcount_read(&donor->peer.ref.refcount), 1);
	slot_free(other);
	assert_int_equal(extent_space_bytes(), SIZE);
	donor_free(living);
}

/* What the tables cost a page when four in five slots are used. */
static void test_bytes_of_bookkeeping(void **state)
{
	struct donor *donor = *state;
	struct extent_slot slot;
	unsigned int nr = 0;
	void *entry;
	u64 seed = 8;
	static void *entries[20000];

	assert_int_equal(donor_lend(donor, R2NET_EXTENT_DEFAULT, 4), 0);
	while (nr < ARRAY_SIZE(entries) && (entry = alloc_unpinned(donor, nr, 700 + pages_random(&seed) % 1500, &slot)))
		entries[nr++] = entry;
	assert_in_range(extent_table_bytes() * 10 / extent_pages(), 90, 130);
	while (nr)
		slot_free(entries[--nr]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_classes, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_largest_item, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_full, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_slot_rule, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_empty_block_that_is_pinned, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_only_the_owner_reads, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_bad_leases, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_leases_without_memory, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_slots_without_memory, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_list_and_return, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_largest_extent, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_lost, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_tables_use_the_reserve, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_only_committed_pages_are_lost, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_lost_then_dead, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_dead, slots_set_up, slots_tear_down),
		cmocka_unit_test_setup_teardown(test_bytes_of_bookkeeping, slots_set_up, slots_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
