/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tmem.h - the index: which page is where. Front ends call this, and nothing else of the module, to store and load.
 *
 * A pool is one front end's set of pages, by index. The pool's xa_lock (a plain spinlock, never taken in interrupts) is the
 * outermost of the spinlocks on a page's way; what is under it is one entry (entry.h) an index, and the waiters of zpages
 * that are being fetched.
 */
#ifndef _RAMSTER_TMEM_H
#define _RAMSTER_TMEM_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "prefetch.h"
#include "slot.h"
#include "zcache.h"

struct backing;
struct backing_read;
struct page;
struct r2net_peer;

#define TMEM_MAX_INDEX U32_MAX

struct tmem_pool {
	struct list_head link; /* in the list of pools */
	struct kref ref; /* the front end's, and one of each zpage */
	u8 id; /* 1 ... 255 */
	struct backing *backing; /* the disk that its coldest pages may go to; or NULL. Set before the first store */
	bool through; /* that disk shall have a page before peers have it */
	bool written; /* whoever stores writes each page to a disk, too */
	struct xarray pages;
	spinlock_t prefetch_lock;
	struct prefetch prefetch;
};

/* One load under way. The caller fills in the first part and keeps it until done(). */
struct tmem_load {
	struct tmem_pool *pool;
	unsigned long index;
	struct page *page; /* where to */
	bool patient; /* wait for a slow peer rather than fail */
	ktime_t start; /* when the front end was asked */
	/*
	 * Called exactly once, in the caller's context or a thread of the module's; must not wait for the network.
	 * @err: 0 and the page is whole; -ENOENT: nothing is stored there; -EIO: it cannot be had. On an error the page
	 * is untouched or partly written.
	 */
	void (*done)(struct tmem_load *load, int err);
	/* Asked first, if there is one, where it would end with an error: returns whether it takes the load over. */
	bool (*elsewhere)(struct tmem_load *load, int err);

	/* 0 at first. */
	struct list_head link;
	u32 avoid; /* the lease from which it could not be had */
	u8 tries; /* that failed */
	bool planned; /* what to read ahead with it has been thought of */
};

/* May sleep. Returns NULL when memory or numbers have run out. */
struct tmem_pool *tmem_pool_new(void);
/* Frees all its pages, too. No other call for the pool by its front end is under way or will come. May sleep. */
void tmem_pool_destroy(struct tmem_pool *pool);

/**
 * tmem_store - take a copy of a page
 * @index: in the pool, up to 2^32 - 1
 * @page: unchanging meanwhile
 * @keep_local: it must never leave this node
 *
 * Replaces what was there, also on the pool's disk. Never sleeps. Returns 0; -ENOSPC or -ENOMEM: not taken, and what was there is as it was.
 */
int tmem_store(struct tmem_pool *pool, unsigned long index, struct page *page, bool keep_local);

/*
 * A page was read from the pool's disk: it is local from now on, if there is room and nothing else has become of it. Never sleeps.
 * @read: with its page unchanging
 */
void tmem_bring_up(struct tmem_pool *pool, const struct backing_read *read);

/* Begins a load. Never sleeps, does not wait. load->done() may be called before this returns. */
void tmem_load(struct tmem_load *load);

/*
 * The same, and waits for it. Sleeps, not interruptibly, up to the peer's deadline. Returns as done()'s @err, or -ENODATA: it cannot be
 * had, but a disk has it.
 */
int tmem_load_wait(struct tmem_pool *pool, unsigned long index, struct page *page, bool patient);

enum tmem_place {
	TMEM_NOWHERE,
	TMEM_RAM, /* here or with a peer */
	TMEM_DISK, /* on the pool's disk, and perhaps in RAM, too */
};

/* Where a page is, at one moment: it may be on its way from one to the other. Never sleeps. */
enum tmem_place tmem_place(struct tmem_pool *pool, unsigned long index);

/* Frees a page, if there is one, also on the pool's disk. Never sleeps; may be called under spinlocks, not in interrupts. Returns whether there was. */
bool tmem_invalidate(struct tmem_pool *pool, unsigned long index);
/* Frees @nr pages from @index on, but for those on the disk alone; returns how many there were. May sleep. */
unsigned long tmem_invalidate_range(struct tmem_pool *pool, unsigned long index, unsigned long nr);

/* For zcache.c, remotify.c and fetch.c. None of them sleeps. */

struct tmem_pool *tmem_pool_get(struct tmem_pool *pool);
void tmem_pool_put(struct tmem_pool *pool);

struct extent_owner tmem_owner(const struct tmem_pool *pool, unsigned long index);

/*
 * A zpage's bytes stand in a slot now, with @legs lenders: @entry, committed, replaces it. Returns false if the zpage had been
 * freed or rewritten, or one of them has lost the slot's lease.
 */
bool tmem_remotified(struct zpage *zpage, void *entry, unsigned int legs);

/*
 * A zpage's bytes stand on its pool's disk now, too: peers may have it. Returns false if it had been freed or rewritten. Takes over
 * the reference if not.
 */
bool tmem_written_through(struct zpage *zpage);

/*
 * Remote pages that the disk has, too, leave the peers. Returns whether that was one.
 */
bool tmem_drop_remote(struct tmem_pool *pool, unsigned long index);

/* Whether a disk has the page that is stored there, too. Never sleeps. */
bool tmem_is_written(struct tmem_pool *pool, unsigned long index);

/*
 * A zpage's bytes stand on its pool's disk now: it leaves the index, which then counts on the disk. Returns false if it had been
 * freed or rewritten.
 */
bool tmem_written_back(struct zpage *zpage);

/*
 * A copy is dropped: the index points to its slot again. If the slot is lost with a dead peer the copy becomes the page.
 * Takes over the reference.
 */
void tmem_drop_clean(struct zpage *zpage);

/**
 * tmem_fetch_ahead - begin to read a page ahead, if it is remote
 * @purpose: what for
 * @peer: the page must lie there; or NULL
 * @slot: where its place is left
 *
 * Returns a FETCHING zpage with a reference for the caller, its slot pinned; ERR_PTR(-EXDEV) if it lies with another peer;
 * NULL if it is not remote or memory is short.
 */
struct zpage *tmem_fetch_ahead(struct tmem_pool *pool, unsigned long index, enum fetch_purpose purpose,
			       const struct r2net_peer *peer, struct extent_slot *slot);

/* The bytes of a FETCHING zpage are here, or cannot be had from that lease. The caller keeps its reference and its pin. */
void tmem_fetched(struct zpage *zpage, const void *bytes, size_t len, int err, u32 lease);

/* A load could not be had from that lease (0: from where it was): tries again. Returns false if it has tried enough. */
bool tmem_load_again(struct tmem_load *load, u32 lease);

/* The pool of that number, with a reference, or NULL. May sleep. */
struct tmem_pool *tmem_pool_find(u8 id);

/* A load has ended: counts and calls done(). */
void tmem_load_done(struct tmem_load *load, int err);

/* Gauges. tmem_remote_index_bytes() may sleep and takes time: it walks all pools. */
u64 tmem_same_pages(void);
u64 tmem_written_pages(void); /* that a backing device has, too */
u64 tmem_remote_index_bytes(void);
/* Whether there is a pool, so that remote space is of use. */
bool tmem_active(void);

#endif
