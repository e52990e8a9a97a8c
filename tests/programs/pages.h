/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages.h - pages such as programs have, made from a seed, so that each byte can be verified at any time.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096

enum page_kind {
	PAGE_TEXT, /* words of a small vocabulary */
	PAGE_POINTERS, /* addresses that lie near each other, and zeroes */
	PAGE_NUMBERS, /* small integers */
	PAGE_RANDOM, /* does not compress */
	PAGE_SAME, /* one word, repeated */
	PAGE_KINDS
};

/* The usual mixture: 45 % text, 20 % pointers, 20 % numbers, 5 % random, 10 % same. */
enum page_kind page_kind(uint64_t seed, uint64_t number);

/* Writes the page of that number and version to @page, PAGE_BYTES bytes aligned to 8. */
void page_fill(void *page, enum page_kind kind, uint64_t seed, uint64_t number, uint32_t version);

/* Whether @page is just what page_fill() writes. */
int page_right(const void *page, enum page_kind kind, uint64_t seed, uint64_t number, uint32_t version);

/* A pseudo-random number, and the generator's next state. */
uint64_t pages_random(uint64_t *state);

#endif
