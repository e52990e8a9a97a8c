/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slots.h - slots of donors, for the tests of remote space. What goes wrong in these functions fails the test that called. */
#ifndef _TESTS_SLOTS_H
#define _TESTS_SLOTS_H

#include "donor.h"
#include "extent.h"
#include "extent_table.h"
#include "slot.h"

#define SIZE R2NET_EXTENT_MIN
#define BLOCKS (SIZE / EXTENT_BLOCK_SIZE)
#define POOL 9

/* *state is a donor, until the test is over; then nothing may be left of any. */
int slots_set_up(void **state);
int slots_tear_down(void **state);

struct extent_owner owner_of(u32 index);

/* A committed slot with that donor alone, pinned by one lease or not at all. NULL if there is no room. */
void *alloc(struct donor *donor, u32 index, size_t length, struct extent_slot *slot);
void *alloc_unpinned(struct donor *donor, u32 index, size_t length, struct extent_slot *slot);
/* The same, with both donors. */
void *alloc_both(struct donor *a, struct donor *b, u32 index, size_t length, struct extent_slot *slot);

/* Ends the pins that alloc() or slot_pin() has left in @slot. */
void unpin(void *entry, const struct extent_slot *slot);

/* A lease that backs the extent of an entry. */
struct lease *lease_of(void *entry, unsigned int leg);

/* Whether the page of that index, which stands there, can be read from some lender; which one is left in @slot. */
bool readable(void *entry, u32 index, struct extent_slot *slot);

#endif
