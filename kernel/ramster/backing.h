/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backing.h - swapdev's fallback: a block device of at least its size, where each page has the place of its index.
 */
#ifndef _RAMSTER_BACKING_H
#define _RAMSTER_BACKING_H

#include <linux/bio.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

#define BACKING_CAME 1024

struct backing {
	struct compat_bdev dev; /* open while dev.bdev is not NULL */
	char *path;
	unsigned long *pages; /* bitmap by index: the page is here */
	unsigned long *used_once; /* the same: it has been read since it came */
	unsigned long nr;
	atomic_t came[BACKING_CAME]; /* how many pages have come, by index modulo BACKING_CAME */
	atomic_long_t used;
	struct bio_set bios;
	struct mutex writes; /* of whoever begins writes, so that two of one page never overtake each other */
	struct backing_batch *batch; /* under way; set under writes */
	wait_queue_head_t batch_over;
};

#define BACKING_BATCH 64U

/* Pages that are written together. */
struct backing_batch {
	unsigned int nr; /* up to BACKING_BATCH */
	unsigned long indices[BACKING_BATCH];
	struct page *pages[BACKING_BATCH];
	u64 failed; /* bit by page: it could not be written */
	atomic_t left;
};

/**
 * backing_open - use a block device, exclusively
 * @path: as the operator wrote it, without white space around it
 *
 * May sleep. Returns 0 or what opening it returned.
 */
int backing_open(struct backing *backing, const char *path);

/* Before anything else. */
void backing_init(struct backing *backing);

/* No I/O is under way. May sleep. Nothing if it is not open. */
void backing_close(struct backing *backing);

/* Readies it for @nr pages. May sleep. Returns 0, -ENOSPC if the device is smaller, or -ENOMEM. */
int backing_resize(struct backing *backing, unsigned long nr);

static inline bool backing_is_open(const struct backing *backing)
{
	return backing->dev.bdev;
}

/* Whether the page of that index is here. Any context. */
bool backing_has(const struct backing *backing, unsigned long index);

/* The page is here from now on. Any context. */
void backing_keep(struct backing *backing, unsigned long index);

/* The page is not here any more. Any context. */
void backing_forget(struct backing *backing, unsigned long index);

/* A page that is being read. */
struct backing_read {
	unsigned long index;
	struct page *page;
	bool again; /* it was read before, since it came */
	int came; /* backing_is_same() */
	/* Called once, in an interrupt. @err: 0 or -EIO; then the page is cleared. */
	void (*done)(struct backing_read *read, int err);
};

/* Whether the page that was read is here still, and none has come in its place since that was begun. Any context. */
bool backing_is_same(const struct backing *backing, const struct backing_read *read);

/* Begins to read a page. The caller fills in index, page and done. May sleep, but for other I/O of this device only. */
void backing_read(struct backing *backing, struct backing_read *read);

/**
 * backing_write - write one page
 * @parent: its bio_endio() is called once when the I/O is done, with an error set if it failed; the caller has counted
 *          that with bio_inc_remaining()
 *
 * The page is here from now on. Under writes. May sleep, but for other I/O of this device only; a batch that has the page is waited
 * for.
 */
void backing_write(struct backing *backing, struct bio *parent, struct page *page, unsigned long index);

/*
 * Begins to write pages. Under writes, and not while another batch is under way. Whether a page is here from then on is for the
 * caller to say: backing_keep(). May sleep, but for other I/O of this device only.
 */
void backing_batch_begin(struct backing *backing, struct backing_batch *batch);
/* Waits until they are written, or have failed. Without locks. Sleeps. */
void backing_batch_end(struct backing *backing, struct backing_batch *batch);

/* Pages that are here, also those that are elsewhere, too. */
u64 backing_pages(void);

#endif
