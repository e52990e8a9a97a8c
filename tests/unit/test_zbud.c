// SPDX-License-Identifier: GPL-2.0-or-later
/* The allocator: whose bytes are whose, and how many pages they take. */
#include <setjmp.h>
#include <cmocka.h>

#include "allocator.h"
#include "pages.h"

#define OBJECTS 400
#define STEPS 200000
#define GFP (GFP_NOWAIT | __GFP_NOWARN)

struct object {
	unsigned long handle; /* 0: none */
	size_t len;
	u64 seed;
};

static const struct allocator_ops *const ops = &zbud_allocator;

static int set_up(void **state)
{
	*state = ops->create();
	return !*state;
}

static int tear_down(void **state)
{
	assert_int_equal(ops->pages(*state), 0);
	ops->destroy(*state);
	return shim_allocated() != 0;
}

static void fill(void *pool, const struct object *object)
{
	u8 *bytes = ops->map(pool, object->handle, true);
	u64 state = object->seed;
	size_t i;

	for (i = 0; i < object->len; i++)
		bytes[i] = pages_random(&state);
	ops->unmap(pool, object->handle);
}

static void check(void *pool, const struct object *object)
{
	const u8 *bytes = ops->map(pool, object->handle, false);
	u64 state = object->seed;
	size_t i;

	for (i = 0; i < object->len; i++)
		if (bytes[i] != (u8)pages_random(&state))
			fail_msg("byte %zu of %zu is another's", i, object->len);
	ops->unmap(pool, object->handle);
}

static void test_lengths_at_their_limits(void **state)
{
	static const size_t lengths[] = { 1, 2, 63, 64, 65, 2047, 2048, 2049, 4031, 4032, 4033, 4095, 4096 };
	struct object objects[ARRAY_SIZE(lengths)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		objects[i] = (struct object){ ops->alloc(*state, lengths[i], GFP), lengths[i], i };
		assert_true(objects[i].handle);
		fill(*state, &objects[i]);
	}
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		check(*state, &objects[i]);
		ops->free(*state, objects[i].handle);
	}
}

static void test_two_share_a_page(void **state)
{
	unsigned long a = ops->alloc(*state, 2048, GFP), b = ops->alloc(*state, 2048, GFP), c;

	assert_int_equal(ops->pages(*state), 1);
	/* The place of the first one is used again. */
	ops->free(*state, a);
	assert_int_equal(ops->pages(*state), 1);
	c = ops->alloc(*state, 1000, GFP);
	assert_int_equal(ops->pages(*state), 1);
	ops->free(*state, b);
	ops->free(*state, c);
}

/* A whole page has no room beside it, nor has one with two zpages. */
static void test_no_room_beside(void **state)
{
	unsigned long whole = ops->alloc(*state, PAGE_SIZE, GFP), most = ops->alloc(*state, 4000, GFP);
	unsigned long small = ops->alloc(*state, 64, GFP), third = ops->alloc(*state, 1, GFP);

	assert_int_equal(ops->pages(*state), 3);
	ops->free(*state, whole);
	assert_int_equal(ops->pages(*state), 2);
	ops->free(*state, most);
	assert_int_equal(ops->pages(*state), 2);
	ops->free(*state, small);
	ops->free(*state, third);
}

/* The fullest page that takes a zpage gets it. */
static void test_best_fit(void **state)
{
	unsigned long loose = ops->alloc(*state, 2112, GFP), tight = ops->alloc(*state, 3072, GFP);
	unsigned long small = ops->alloc(*state, 1024, GFP), half = ops->alloc(*state, 1984, GFP);

	assert_int_equal(ops->pages(*state), 2);
	ops->free(*state, loose);
	ops->free(*state, tight);
	ops->free(*state, half);
	ops->free(*state, small);
}

static void test_memory_runs_out(void **state)
{
	unsigned int n;

	for (n = 1;; n++) {
		unsigned long handle;

		shim_fail_allocation(n);
		handle = ops->alloc(*state, 100, GFP);
		shim_fail_allocation(0);
		if (handle) {
			ops->free(*state, handle);
			break;
		}
		assert_int_equal(ops->pages(*state), 0);
	}
	assert_int_equal(n, 3);
}

static size_t random_length(u64 *seed)
{
	u64 r = pages_random(seed);

	return r % 8 ? 1 + (r >> 8) % PAGE_SIZE : PAGE_SIZE - (r >> 8) % 128;
}

static void test_against_a_model(void **state)
{
	static struct object objects[OBJECTS];
	unsigned long nr = 0, step;
	u64 seed = 3;

	for (step = 0; step < STEPS; step++) {
		struct object *object = &objects[pages_random(&seed) % OBJECTS];

		if (object->handle) {
			check(*state, object);
			ops->free(*state, object->handle);
			object->handle = 0;
			nr--;
		} else {
			object->len = random_length(&seed);
			object->seed = step;
			object->handle = ops->alloc(*state, object->len, GFP);
			assert_true(object->handle);
			fill(*state, object);
			nr++;
		}
		assert_in_range(ops->pages(*state), (nr + 1) / 2, nr);
	}
	for (step = 0; step < OBJECTS; step++)
		if (objects[step].handle) {
			check(*state, &objects[step]);
			ops->free(*state, objects[step].handle);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lengths_at_their_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_share_a_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room_beside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_best_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_against_a_model, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
