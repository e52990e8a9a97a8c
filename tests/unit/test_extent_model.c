// SPDX-License-Identifier: GPL-2.0-or-later
/* Remote space against a model of it: every slot that was given and may not be given again, every pin. */
#include <setjmp.h>
#include <cmocka.h>

#include <linux/err.h>

#include "pages.h"
#include "tests/unit/slots.h"

#define SLOTS 3000
#define PINS 200

struct model_slot {
	void *entry; /* NULL: not in use */
	struct extent_slot place;
	u32 index;
	bool freed; /* and waiting for its block's last pin */
};

struct model {
	struct donor *donors[2];
	struct model_slot slots[SLOTS];
	unsigned int nr_live;
	void *pins[PINS];
	struct extent_slot pinned[PINS];
	u64 seed;
};

static bool same_block(void *a, void *b)
{
	return entry_location(a).extent == entry_location(b).extent &&
	       entry_location(a).block == entry_location(b).block;
}

static bool block_pinned(const struct model *m, void *entry)
{
	unsigned int i;

	for (i = 0; i < PINS; i++)
		if (m->pins[i] && same_block(m->pins[i], entry))
			return true;
	return false;
}

static void **free_pin(struct model *m)
{
	unsigned int i;

	for (i = 0; i < PINS; i++)
		if (!m->pins[i])
			return &m->pins[i];
	return NULL;
}

static void check_free_of_others(const struct model *m, void *entry, const struct extent_slot *place)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		const struct model_slot *s = &m->slots[i];

		if (!s->entry || !same_block(s->entry, entry))
			continue;
		if (place->offset < s->place.offset + s->place.length &&
		    s->place.offset < place->offset + place->length)
			fail_msg("a slot was given that is %s", s->freed ? "not to be used yet" : "in use");
	}
}

static void model_alloc(struct model *m)
{
	struct model_slot *s = &m->slots[pages_random(&m->seed) % SLOTS];
	struct donor *donor = m->donors[pages_random(&m->seed) % 2];
	void **pin = free_pin(m);
	size_t length = 1 + pages_random(&m->seed) % PAGE_SIZE;
	void *entry;

	if (s->entry || !pin)
		return;
	if (pages_random(&m->seed) % 2)
		length = 1 + length % 600;
	s->index = pages_random(&m->seed);
	entry = alloc(donor, s->index, length, &s->place);
	if (!entry)
		return;
	assert_int_equal(s->place.length, length);
	check_free_of_others(m, entry, &s->place);
	s->entry = entry;
	s->freed = false;
	m->nr_live++;
	*pin = entry;
	m->pinned[pin - m->pins] = s->place;
}

static void model_free(struct model *m)
{
	struct model_slot *s = &m->slots[pages_random(&m->seed) % SLOTS];

	if (!s->entry || s->freed)
		return;
	slot_free(s->entry);
	m->nr_live--;
	if (block_pinned(m, s->entry))
		s->freed = true;
	else
		s->entry = NULL;
}

static void model_pin(struct model *m)
{
	struct model_slot *s = &m->slots[pages_random(&m->seed) % SLOTS];
	struct extent_slot place = { 0 };
	void **pin = free_pin(m);

	if (!s->entry || s->freed || !pin)
		return;
	assert_true(readable(s->entry, s->index, &place));
	assert_memory_equal(&place, &s->place, sizeof(place));
	*pin = s->entry;
	m->pinned[pin - m->pins] = place;
}

static void model_unpin(struct model *m, unsigned int which)
{
	void *entry = m->pins[which];
	unsigned int i;

	if (!entry)
		return;
	m->pins[which] = NULL;
	unpin(entry, &m->pinned[which]);
	if (block_pinned(m, entry))
		return;
	for (i = 0; i < SLOTS; i++)
		if (m->slots[i].entry && m->slots[i].freed && same_block(m->slots[i].entry, entry))
			m->slots[i].entry = NULL;
}

static void model_return(struct model *m)
{
	struct donor *donor = m->donors[pages_random(&m->seed) % 2];
	struct ramster_nl_lease leases[2];
	unsigned int nr = lease_return(&donor->peer, leases, 2), i, k;

	for (i = 0; i < nr; i++)
		for (k = 0; k < SLOTS; k++)
			if (m->slots[k].entry && m->slots[k].place.legs[0].peer == &donor->peer)
				assert_int_not_equal(m->slots[k].place.legs[0].extent, leases[i].extent);
	if (nr && donor->nr_extents < 200)
		assert_int_equal(donor_lend(donor, SIZE, nr), 0);
}

static void model_end(struct model *m)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (m->slots[i].entry && !m->slots[i].freed)
			slot_free(m->slots[i].entry);
	for (i = 0; i < PINS; i++)
		if (m->pins[i])
			unpin(m->pins[i], &m->pinned[i]);
}

static void test_against_a_model(void **state)
{
	static struct model m;
	struct ramster_nl_lease leases[64];
	unsigned long step;
	u64 before;

	m.donors[0] = *state;
	m.donors[1] = donor_new(4);
	assert_int_equal(donor_lend(m.donors[0], SIZE, 2), 0);
	assert_int_equal(donor_lend(m.donors[1], 2 * SIZE, 1), 0);
	before = extent_table_bytes();
	for (step = 0; step < 60000; step++) {
		u64 r = pages_random(&m.seed) % 100, phase = step / 10000 % 2;

		if (r < (phase ? 30 : 45))
			model_alloc(&m);
		else if (r < 80)
			model_free(&m);
		else if (r < 85)
			model_pin(&m);
		else if (r < 99 || step % 50)
			model_unpin(&m, pages_random(&m.seed) % PINS);
		else
			model_return(&m);
		assert_int_equal(extent_pages(), m.nr_live);
	}
	model_end(&m);
	/* What is left are the extents' own tables. */
	assert_int_equal(extent_free_bytes(), extent_space_bytes());
	while (lease_return(&m.donors[0]->peer, leases, 64) || lease_return(&m.donors[1]->peer, leases, 64))
		;
	assert_int_equal(donor_lend(m.donors[0], SIZE, 2), 0);
	assert_int_equal(donor_lend(m.donors[1], 2 * SIZE, 1), 0);
	assert_int_equal(extent_table_bytes(), before);
	donor_free(m.donors[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_against_a_model, slots_set_up, slots_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
