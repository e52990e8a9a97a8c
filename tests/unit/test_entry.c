// SPDX-License-Identifier: GPL-2.0-or-later
/* What the index holds for a page, packed into one word. */
#include <setjmp.h>
#include <cmocka.h>

#include "entry.h"
#include "pages.h"
#include "r2net.h"

static void test_words_at_their_limits(void **state)
{
	static const struct {
		u64 word;
		bool fits;
	} words[] = {
		{ 0, true },
		{ 1, true },
		{ ~0ULL, true },
		{ (1ULL << 61) - 1, true }, /* the largest */
		{ 1ULL << 61, false },
		{ ~0ULL << 61, true }, /* the smallest */
		{ (~0ULL << 61) - 1, false },
		{ 1ULL << 62, false },
		{ 1ULL << 63, false },
		{ 0x5555555555555555, false },
		{ 0xaaaaaaaaaaaaaaaa, false },
		{ 0x1555555555555555, true },
		{ 0xeaaaaaaaaaaaaaaa, true },
	};
	unsigned int i;
	void *entry;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		assert_int_equal(entry_word_fits(words[i].word), words[i].fits);
		if (!words[i].fits)
			continue;
		entry = entry_same(words[i].word);
		assert_true(entry_is_same(entry) && !entry_is_remote(entry) && !entry_is_zpage(entry));
		assert_true(entry_word(entry) == words[i].word);
	}
}

static void test_random_words(void **state)
{
	u64 seed = 1, word;
	unsigned int i;

	for (i = 0; i < 100000; i++) {
		word = (s64)pages_random(&seed) >> (i % 62);
		assert_int_equal(entry_word_fits(word), (s64)word >> 61 == 0 || (s64)word >> 61 == -1);
		if (entry_word_fits(word))
			assert_true(entry_word(entry_same(word)) == word);
	}
}

static void check_location(struct remote_location loc)
{
	void *entry = entry_remote(&loc);
	struct remote_location back = entry_location(entry);

	assert_true(entry_is_remote(entry) && !entry_is_same(entry) && !entry_is_zpage(entry));
	assert_false(xa_is_err(entry));
	assert_int_equal(back.extent, loc.extent);
	assert_int_equal(back.block, loc.block);
	assert_int_equal(back.slot, loc.slot);
	assert_int_equal(back.length, loc.length);
	assert_int_equal(back.compressor, loc.compressor);
}

/* Each field at its limits, alone and with all others at theirs. */
static void test_locations_at_their_limits(void **state)
{
	const struct remote_location top = {
		.extent = BIT(ENTRY_EXTENT_BITS) - 1,
		.block = BIT(ENTRY_BLOCK_BITS) - 1,
		.slot = BIT(ENTRY_SLOT_BITS) - 1,
		.length = BIT(ENTRY_LENGTH_BITS) - 1,
		.compressor = BIT(ENTRY_COMPRESSOR_BITS) - 1,
	};
	unsigned int i;

	for (i = 0; i < 32; i++)
		check_location((struct remote_location){
			.extent = i & 1 ? top.extent : 0,
			.block = i & 2 ? top.block : 0,
			.slot = i & 4 ? top.slot : 0,
			.length = i & 8 ? top.length : 0,
			.compressor = i & 16 ? top.compressor : 0,
		});
	assert_true(top.length >= R2NET_MAX_ITEM_LEN);
}

static void test_random_locations(void **state)
{
	u64 seed = 2;
	unsigned int i;

	for (i = 0; i < 100000; i++)
		check_location((struct remote_location){
			.extent = pages_random(&seed) & (BIT(ENTRY_EXTENT_BITS) - 1),
			.block = pages_random(&seed) & (BIT(ENTRY_BLOCK_BITS) - 1),
			.slot = pages_random(&seed) & (BIT(ENTRY_SLOT_BITS) - 1),
			.length = pages_random(&seed) & (BIT(ENTRY_LENGTH_BITS) - 1),
			.compressor = pages_random(&seed) & (BIT(ENTRY_COMPRESSOR_BITS) - 1),
		});
}

static void test_pointers_and_nothing(void **state)
{
	u64 object;

	assert_true(entry_is_zpage(&object));
	assert_false(entry_is_same(&object) || entry_is_remote(&object));
	assert_false(entry_is_zpage(NULL) || entry_is_same(NULL) || entry_is_remote(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_at_their_limits),	  cmocka_unit_test(test_random_words),
		cmocka_unit_test(test_locations_at_their_limits), cmocka_unit_test(test_random_locations),
		cmocka_unit_test(test_pointers_and_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
