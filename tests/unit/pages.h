/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages as programs have them, made from a seed, so that whoever knows the seed can tell whether a page is right. */
#ifndef _TESTS_PAGES_H
#define _TESTS_PAGES_H

#include <linux/mm_types.h>

enum page_kind {
	PAGE_TEXT, /* words */
	PAGE_POINTERS, /* addresses that lie near each other, and small fields between them */
	PAGE_NUMBERS, /* counters and floating point numbers */
	PAGE_NOISE, /* what does not compress */
	PAGE_WORD, /* one word over and over, of which 62 bits tell all */
	PAGE_WIDE_WORD, /* one word over and over that needs all its 64 bits */
	NR_PAGE_KINDS
};

/* The next of a sequence of random numbers; @state may start with any value. */
u64 pages_random(u64 *state);

void page_make(struct page *page, enum page_kind kind, u64 seed);

#endif
