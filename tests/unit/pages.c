// SPDX-License-Identifier: GPL-2.0-or-later
#include "pages.h"

u64 pages_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void make_text(u8 *bytes, u64 *state)
{
	static const char *const words[] = {
		"the",	   "page",  "of",      "memory", "which",  "a",	      "node",	  "lends",  "to",     "another",
		"and",	   "takes", "back",    "when",	 "there",  "is",      "none",	  "left",   "kernel", "swap",
		"because", "its",   "network", "faster", "than",   "any",     "disk",	  "that",   "was",    "ever",
		"in",	   "it",    "request", "answer", "should", "through", "together", "before", "index",  "value",
	};
	size_t at = 0, len;
	const char *word;
	u64 r;

	while (at < PAGE_SIZE) {
		r = pages_random(state);
		word = words[r % ARRAY_SIZE(words)];
		len = min(strlen(word), PAGE_SIZE - at);
		memcpy(bytes + at, word, len);
		at += len;
		if (at < PAGE_SIZE)
			bytes[at++] = r >> 32 & 15 ? ' ' : (r >> 36 & 3 ? '\n' : '0' + (r >> 40) % 10);
	}
}

static void make_pointers(u8 *bytes, u64 *state)
{
	u64 base = 0x7f0000000000 | (pages_random(state) & 0xfffff000000), r, words[4];
	size_t at;

	for (at = 0; at < PAGE_SIZE; at += sizeof(words)) {
		r = pages_random(state);
		words[0] = base | (r & 0xffff0);
		words[1] = r >> 20 & 3 ? base | (r >> 24 & 0xffff0) : 0;
		words[2] = r >> 44 & 0xff;
		words[3] = r >> 52 & 1 ? (u64)-1 : 0;
		memcpy(bytes + at, words, sizeof(words));
	}
}

static void make_numbers(u8 *bytes, u64 *state)
{
	u64 counter = pages_random(state) & 0xffffff;
	size_t at;
	double f;

	for (at = 0; at < PAGE_SIZE; at += 2 * sizeof(u64)) {
		counter += pages_random(state) % 100;
		f = (double)(counter % 10000) / 4;
		memcpy(bytes + at, &counter, sizeof(counter));
		memcpy(bytes + at + sizeof(counter), &f, sizeof(f));
	}
}

static void make_words(u8 *bytes, u64 word)
{
	size_t at;

	for (at = 0; at < PAGE_SIZE; at += sizeof(word))
		memcpy(bytes + at, &word, sizeof(word));
}

void page_make(struct page *page, enum page_kind kind, u64 seed)
{
	u64 state = seed, word;
	size_t at;

	switch (kind) {
	case PAGE_TEXT:
		make_text(page->bytes, &state);
		break;
	case PAGE_POINTERS:
		make_pointers(page->bytes, &state);
		break;
	case PAGE_NUMBERS:
		make_numbers(page->bytes, &state);
		break;
	case PAGE_WORD:
		make_words(page->bytes, (s64)(pages_random(&state) << 2) >> 2);
		break;
	case PAGE_WIDE_WORD:
		make_words(page->bytes, (pages_random(&state) & ~(3ULL << 61)) | 1ULL << 61);
		break;
	case PAGE_NOISE:
	default:
		for (at = 0; at < PAGE_SIZE; at += sizeof(word)) {
			word = pages_random(&state);
			memcpy(page->bytes + at, &word, sizeof(word));
		}
	}
}
