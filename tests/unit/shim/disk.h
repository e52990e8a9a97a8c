/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - a backing device in this process's memory, behind backing.h, and what swapdev does with one page. One at a time.
 */
#ifndef _TESTS_DISK_H
#define _TESTS_DISK_H

#include "backing.h"
#include "tmem.h"

struct disk {
	struct backing backing;
	struct tmem_pool *pool;
	struct page *pages;
	unsigned long batches; /* written */
	bool fail; /* writes */
	bool bring_up; /* what is read */
	void (*loaded)(unsigned long index); /* called when a page has been read, before it is brought up; or NULL */
	void (*writing)(unsigned long index); /* called while a page is being written; or NULL */
};

/* A pool's disk of @nr pages; writeback begins to work. */
void disk_up(struct disk *disk, struct tmem_pool *pool, unsigned long nr);
/* Before the pool goes. */
void disk_stop(struct disk *disk);
/* After it. */
void disk_down(struct disk *disk);

/* As swapdev stores, frees and loads a page. disk_store() returns as tmem_store(), disk_load() as tmem_load_wait(). */
int disk_store(struct disk *disk, unsigned long index, struct page *page);
void disk_free(struct disk *disk, unsigned long index);
int disk_load(struct disk *disk, unsigned long index, struct page *page, bool patient);

#endif
