// SPDX-License-Identifier: GPL-2.0-or-later
/* What leaves the node says nothing, and what comes back is what left, or is found out. */
#include <setjmp.h>
#include <cmocka.h>

#include <crypto/aead.h>
#include <linux/err.h>
#include <linux/notifier.h>

#include "node.h"
#include "seal.h"
#include "tests/unit/scene.h"
#include "tests/unit/slots.h"

#define LENGTH 1000

static const struct seal_bond bond = {
	.serial = 0x123456789abcdef0, .mark = 7, .index = 4711, .length = LENGTH, .pool = 1, .compressor = 2
};

static u8 plain[LENGTH], sealed[LENGTH + SEAL_TAG];

static int set_up(void **state)
{
	unsigned int i;

	node_up("zbud", "lzo");
	for (i = 0; i < LENGTH; i++)
		plain[i] = i / 8;
	memcpy(sealed, plain, LENGTH);
	assert_int_equal(seal_page(sealed, &bond), 0);
	return 0;
}

static int tear_down(void **state)
{
	node_down();
	return 0;
}

static int open_with(const struct seal_bond *with)
{
	u8 copy[sizeof(sealed)];
	int err;

	memcpy(copy, sealed, sizeof(copy));
	err = seal_open(copy, with);
	if (!err)
		assert_memory_equal(copy, plain, LENGTH);
	return err;
}

static void it_opens(void **state)
{
	assert_int_equal(seal_length(LENGTH), LENGTH + SEAL_TAG);
	assert_int_equal(open_with(&bond), 0);
}

/* None of the page's own eight equal bytes stand together any more. */
static void it_cannot_be_read(void **state)
{
	unsigned int i;

	for (i = 0; i + 8 <= LENGTH; i += 8)
		assert_memory_not_equal(sealed + i, plain + i, 8);
}

static void the_same_page_never_looks_the_same(void **state)
{
	struct seal_bond next = bond;
	u8 again[sizeof(sealed)];

	next.mark++;
	memcpy(again, plain, LENGTH);
	assert_int_equal(seal_page(again, &next), 0);
	assert_memory_not_equal(again, sealed, LENGTH);
}

static void a_changed_bit_is_found(void **state)
{
	unsigned int bit;

	for (bit = 0; bit < 8 * sizeof(sealed); bit++) {
		sealed[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(open_with(&bond), -EBADMSG);
		sealed[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(open_with(&bond), 0);
}

/* Another page's bytes, or an older writing of this one's. */
static void it_is_bound(void **state)
{
	struct seal_bond other;

#define REFUSED_WITH(field)                                                                                            \
	do {                                                                                                           \
		other = bond;                                                                                          \
		other.field++;                                                                                         \
		assert_int_equal(open_with(&other), -EBADMSG);                                                         \
	} while (0)
	REFUSED_WITH(serial);
	REFUSED_WITH(mark);
	REFUSED_WITH(index);
	REFUSED_WITH(pool);
	REFUSED_WITH(compressor);
	other = bond;
	other.length--;
	assert_int_equal(open_with(&other), -EBADMSG);
}

/* Each load of the module has a key of its own. */
static void another_key_does_not_open_it(void **state)
{
	node_down();
	node_up("zbud", "lzo");
	assert_int_equal(open_with(&bond), -EBADMSG);
}

/* The largest page, anywhere in memory. */
static void it_may_lie_across_pages(void **state)
{
	static u8 memory[4 * PAGE_SIZE] __attribute__((aligned(4096)));
	struct seal_bond raw = bond;
	unsigned int offset, i;

	raw.length = PAGE_SIZE;
	for (offset = 0; offset < 2 * PAGE_SIZE; offset += 61) {
		memset(memory, 0xaa, sizeof(memory));
		assert_int_equal(seal_page(memory + offset, &raw), 0);
		assert_int_equal(seal_open(memory + offset, &raw), 0);
		for (i = 0; i < PAGE_SIZE; i++)
			assert_int_equal(memory[offset + i], 0xaa);
		assert_int_equal(memory[offset + PAGE_SIZE + SEAL_TAG], 0xaa);
	}
}

static void without_it_a_checksum_finds_accidents(void **state)
{
	struct seal_bond off = bond;
	u8 copy[LENGTH];

	assert_int_equal(seal_set(false), 0);
	assert_int_equal(seal_length(LENGTH), LENGTH);
	off.mark = seal_checksum(plain, LENGTH);
	memcpy(copy, plain, LENGTH);
	assert_int_equal(seal_page(copy, &off), 0);
	assert_memory_equal(copy, plain, LENGTH);
	assert_int_equal(seal_open(copy, &off), 0);
	copy[LENGTH / 2] ^= 4;
	assert_int_equal(seal_open(copy, &off), -EBADMSG);
}

static void it_stays_as_it_is_while_pages_may_be_away(void **state)
{
	struct donor *donor = donor_new(3);

	assert_int_equal(donor_lend(donor, R2NET_EXTENT_MIN, 1), 0);
	assert_int_equal(seal_set(false), -EBUSY);
	assert_true(seal_is_on());
	assert_int_equal(seal_set(true), 0);
	donor_free(donor);
	assert_int_equal(seal_set(false), 0);
	assert_false(seal_is_on());
}

static void a_kernel_without_the_cipher(void **state)
{
	node_down();
	shim_no_cipher = true;
	assert_int_equal(seal_init(true), -EOPNOTSUPP);
	assert_int_equal(seal_init(false), 0);
	assert_int_equal(seal_set(true), -EOPNOTSUPP);
	seal_exit();
	shim_no_cipher = false;
	node_up("zbud", "lzo");
}

/* The same nonce twice would give both pages away. */
static void no_nonce_comes_twice(void **state)
{
	struct donor *donor = donor_new(3);
	struct extent_slot slot;
	u64 serial = 0;
	void *entry;
	u32 i;

	assert_int_equal(donor_lend(donor, R2NET_EXTENT_MIN, 1), 0);
	for (i = 1; i <= 3000; i++) {
		entry = alloc_unpinned(donor, 5, 100, &slot);
		assert_non_null(entry);
		assert_int_equal(slot.bond.mark, i);
		assert_true(!serial || serial == slot.bond.serial);
		serial = slot.bond.serial;
		slot_free(entry);
	}
	/* In another extent the marks begin anew, with another serial. */
	assert_int_equal(donor_lend(donor, R2NET_EXTENT_MIN, 2), 0);
	assert_int_equal(extent_table[1]->serial == serial, 0);
	assert_int_equal(extent_table[1]->serial == extent_table[2]->serial, 0);
	donor_free(donor);
}

static void an_extent_that_has_used_its_marks_takes_no_more(void **state)
{
	struct donor *donor = donor_new(3);
	struct extent_slot slot;
	void *entry;

	assert_int_equal(donor_lend(donor, R2NET_EXTENT_MIN, 1), 0);
	extent_table[0]->marks = U32_MAX - 1;
	entry = alloc_unpinned(donor, 5, 100, &slot);
	assert_non_null(entry);
	assert_int_equal(slot.bond.mark, U32_MAX);
	assert_null(extent_group_next());
	assert_true(readable(entry, 5, &slot));
	unpin(entry, &slot);
	slot_free(entry);
	donor_free(donor);
}

/* A machine that goes on from a snapshot must not go on with the marks of the one that the snapshot was taken of. */
static void a_clone_begins_anew(void **state)
{
	struct donor *donor = donor_new(3);
	struct extent_slot slot;
	u64 serial;
	void *entry;

	assert_int_equal(donor_lend(donor, R2NET_EXTENT_MIN, 1), 0);
	entry = alloc_unpinned(donor, 5, 100, &slot);
	serial = slot.bond.serial;
	shim_clone_notifier->notifier_call(shim_clone_notifier, 0, NULL);
	assert_null(extent_group_next());
	assert_true(readable(entry, 5, &slot));
	assert_int_equal(slot.bond.serial == serial, 1);
	unpin(entry, &slot);
	assert_true(seal_serial() != serial + 1);
	slot_free(entry);
	donor_free(donor);
}

int main(void)
{
#define SEALED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SEALED(it_opens),
		SEALED(it_cannot_be_read),
		SEALED(the_same_page_never_looks_the_same),
		SEALED(a_changed_bit_is_found),
		SEALED(it_is_bound),
		SEALED(another_key_does_not_open_it),
		SEALED(it_may_lie_across_pages),
		SEALED(without_it_a_checksum_finds_accidents),
		SEALED(it_stays_as_it_is_while_pages_may_be_away),
		SEALED(a_kernel_without_the_cipher),
		SEALED(no_nonce_comes_twice),
		SEALED(an_extent_that_has_used_its_marks_takes_no_more),
		SEALED(a_clone_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
