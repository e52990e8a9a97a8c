// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pages.c - makes and verifies pages.
 */
#include <string.h>

#include "pages.h"

#define WORDS_PER_PAGE (PAGE_BYTES / sizeof(uint64_t))

/* Eight bytes each, spaces included, so that text is written word by word. */
static const char vocabulary[][9] = {
	"memory  ", "cluster ", "page    ", "node the", " of and ", "swapping", "kernel  ", "network ",
	"remote  ", "is moved", " to the ", "lender, ", "request ", "answer. ", "extent  ", "because ",
	"when it ", "in order", "which is", " a slot ", "returned", "before, ", "another ", "without ",
	"stores  ", "loads   ", "quickly ", "through ", "pressure", " more of", "waiting ", "balance ",
};

uint64_t pages_random(uint64_t *state)
{
	uint64_t x = (*state += 0x9e3779b97f4a7c15ULL);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t page_state(uint64_t seed, uint64_t number, uint32_t version)
{
	uint64_t state = seed ^ (number * 0xd6e8feb86659fd93ULL) ^ ((uint64_t)version << 40);

	pages_random(&state);
	return state;
}

enum page_kind page_kind(uint64_t seed, uint64_t number)
{
	static const unsigned char upto[PAGE_KINDS] = { 45, 65, 85, 90, 100 };
	uint64_t state = page_state(seed, number, 0);
	unsigned int percent = pages_random(&state) % 100, kind = 0;

	while (percent >= upto[kind])
		kind++;
	return kind;
}

static uint64_t text_word(uint64_t random)
{
	uint64_t word;

	memcpy(&word, vocabulary[random % (sizeof(vocabulary) / sizeof(vocabulary[0]))], sizeof(word));
	/* Every now and then a word that is not in the vocabulary. */
	if (random >> 60 == 0)
		word ^= (random >> 8) & 0x0f0f0f0f;
	return word;
}

static uint64_t page_word(enum page_kind kind, uint64_t random)
{
	switch (kind) {
	case PAGE_TEXT:
		return text_word(random);
	case PAGE_POINTERS:
		return random >> 62 ? 0x00007f0000000000ULL + ((random & 0xffff) << 4) : 0;
	case PAGE_NUMBERS:
		return random & 0x3ff;
	default:
		return random;
	}
}

/* The first word tells pages and versions apart, of all kinds but PAGE_SAME, whose one word does. */
static uint64_t first_word(uint64_t seed, uint64_t number, uint32_t version)
{
	return (seed << 56) ^ (number << 24) ^ version;
}

void page_fill(void *page, enum page_kind kind, uint64_t seed, uint64_t number, uint32_t version)
{
	uint64_t state = page_state(seed, number, version), *words = page,
		 same = pages_random(&state) >> (number % 2 ? 0 : 8);
	size_t i;

	words[0] = kind == PAGE_SAME ? same : first_word(seed, number, version);
	for (i = 1; i < WORDS_PER_PAGE; i++)
		words[i] = kind == PAGE_SAME ? same : page_word(kind, pages_random(&state));
}

int page_right(const void *page, enum page_kind kind, uint64_t seed, uint64_t number, uint32_t version)
{
	uint64_t right[WORDS_PER_PAGE];

	page_fill(right, kind, seed, number, version);
	return !memcmp(page, right, sizeof(right));
}
