// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lzo - compresses each page that a fuzzer has once: it has few, and compression took more time than all that is fuzzed.
 * The linker has the library's function behind this one (--wrap).
 */
#include <lzo/lzo1x.h>

#include "tests/fuzz/fuzz.h"

#define PAGE 4096
#define PAGES 32

static struct known {
	unsigned char page[PAGE];
	unsigned char compressed[PAGE + PAGE / 16 + 67]; /* the library's bound */
	lzo_uint length; /* 0: this place is free */
} known[PAGES];

int __real_lzo1x_1_compress(const unsigned char *page, lzo_uint len, unsigned char *buf, lzo_uint *out, void *memory);
int __wrap_lzo1x_1_compress(const unsigned char *page, lzo_uint len, unsigned char *buf, lzo_uint *out, void *memory);

int __wrap_lzo1x_1_compress(const unsigned char *page, lzo_uint len, unsigned char *buf, lzo_uint *out, void *memory)
{
	struct known *k = known;

	check(len == PAGE);
	while (k < known + PAGES && k->length && memcmp(k->page, page, len))
		k++;
	check(k < known + PAGES);
	if (!k->length) {
		check(__real_lzo1x_1_compress(page, len, k->compressed, &k->length, memory) == LZO_E_OK);
		memcpy(k->page, page, len);
	}
	memcpy(buf, k->compressed, k->length);
	*out = k->length;
	return LZO_E_OK;
}
