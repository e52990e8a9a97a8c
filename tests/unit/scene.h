/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scene.h - one node with one pool, and one donor. What goes wrong in these functions fails the test that called. */
#ifndef _TESTS_SCENE_H
#define _TESTS_SCENE_H

#include "donor.h"
#include "tests/unit/batch.h"
#include "tests/unit/pages.h"
#include "tmem.h"

struct scene {
	struct tmem_pool *pool;
	struct donor *donor;
};

extern struct scene scene;

/* The donor lends two extents of the smallest size. */
void scene_up(const char *allocator, const char *compressor);
/* Frees all pages, and checks that nothing is left of any. */
void scene_down(void);

/* Returns as tmem_store(). */
int store(unsigned long index, enum page_kind kind, u64 seed);
/* The page at @index must be the one of that kind and seed. */
void check(unsigned long index, enum page_kind kind, u64 seed);
/* A load of that page must end so. */
void check_error(unsigned long index, int err);

/* Sends up to @max of the coldest pages in one WRITE, as remotify.c does. Returns how many. */
unsigned int send_coldest(unsigned int max);
/* All that may leave, in as many WRITEs as it takes. */
void send_all(void);
void drop_clean_all(void);

/* Pages of text, 0 ... @nr - 1, each of its index as seed, all at the donor. */
void fill_remote(unsigned int nr);

/* A load that is not waited for. */
struct async {
	struct tmem_load load;
	struct page page;
	unsigned int done; /* how many times */
	int err;
};

void async_load(struct async *async, unsigned long index, bool patient);
/* It must have ended well, with that page. */
void check_async(const struct async *async, enum page_kind kind, u64 seed);

#endif
