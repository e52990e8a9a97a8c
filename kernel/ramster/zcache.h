/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zcache.h - compressed pages in local RAM: struct zpage, and the order in which they leave.
 *
 * A zpage is born by zcache_store() or zcache_fetching() with one reference, which becomes the index's. Whoever works on
 * one without holding the index's lock takes another. zcache_forget() ends the index's. The last zpage_put() frees it.
 *
 * zcache.lock (plain spinlock, inside a pool's xa_lock or alone) guards the lists and zpage.state.
 */
#ifndef _RAMSTER_ZCACHE_H
#define _RAMSTER_ZCACHE_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct tmem_pool;

enum zpage_state {
	ZPAGE_NEW, /* not yet in the index */
	ZPAGE_STORED, /* the only copy; in the list of the coldest first */
	ZPAGE_SENDING, /* the only copy; it is on its way to a peer or to the disk */
	ZPAGE_FETCHING, /* no bytes yet: a READ of its slot is under way */
	ZPAGE_CLEAN, /* a copy that stands beside its slot and can be dropped; in the list of copies */
	ZPAGE_DEAD, /* the index has let go of it */
};

/* What a remote page is read for, before anybody asks for it. */
enum fetch_purpose {
	FETCH_COPY, /* it stays where it is; what comes is a copy */
	FETCH_HOME, /* it is local from then on */
	FETCH_DISK, /* it is local on its way to the disk */
	FETCH_PURPOSES
};

struct zpage {
	union {
		struct list_head lru; /* STORED, CLEAN: one of zcache's lists; SENDING: free for the sender */
		struct list_head waiters; /* FETCHING: struct tmem_load; under the pool's xa_lock */
	};
	struct tmem_pool *pool; /* a reference, from when it is in the index on */
	unsigned long index;
	unsigned long handle; /* of the allocator; 0 = no bytes */
	void *remote; /* CLEAN, FETCHING: the index's entry for its slot; else NULL */
	refcount_t ref;
	u16 length; /* bytes; PAGE_SIZE = the raw page */
	u8 compressor;
	u8 state; /* enum zpage_state */
	bool keep_local; /* never remotified */
	bool written; /* a disk has the page, too; under the pool's xa_lock */
	u8 purpose; /* FETCHING: enum fetch_purpose; under the pool's xa_lock */
};

/**
 * zcache_store - compress a page
 * @page: locked or otherwise unchanging, mapped or not
 * @keep_local: never to be sent to a peer
 * @gfp: what to allocate with, not sleeping
 * @entry: where what the index shall hold is left: a value for a page of one word (which may look like an error pointer),
 *         or a zpage in state NEW with one reference
 *
 * Never sleeps. Returns 0; -ENOSPC when zcache is at its limit; -ENOMEM when memory is short.
 */
int zcache_store(struct page *page, bool keep_local, gfp_t gfp, void **entry);

/* The zpage is in the index now: lets it age. Never sleeps. Takes over nothing; the caller still holds a reference. */
void zcache_stored(struct zpage *zpage);

/**
 * zcache_fetching - a zpage without bytes yet, for a slot that is being read ahead
 * @remote: the index's entry for the slot
 * @purpose: what on its way to the disk makes room by that, and comes even if zcache is full
 *
 * Never sleeps. Returns NULL when memory is short or zcache is full. State FETCHING, one reference.
 */
struct zpage *zcache_fetching(void *remote, enum fetch_purpose purpose);

/* Gives a FETCHING zpage its bytes. Never sleeps. Returns 0, or -ENOMEM. The state stays for the index to change. */
int zcache_fill(struct zpage *zpage, const void *bytes, size_t len);

/* FETCHING to CLEAN, into the list of copies. Never sleeps; under the pool's xa_lock. */
void zcache_fetched(struct zpage *zpage);

/*
 * FETCHING to STORED, among the coldest or, if that is its purpose, among those that go to the disk: its slot is about to go.
 * Never sleeps; under the pool's xa_lock.
 */
void zcache_keep_fetched(struct zpage *zpage);

/**
 * zpage_decompress - a zpage's page
 * @zpage: referenced, with bytes
 * @page: where to; wholly written on success
 *
 * Never sleeps. Returns 0 or -EIO.
 */
int zpage_decompress(const struct zpage *zpage, struct page *page);

/* The same for bytes that are not a zpage's. */
int zcache_decompress(u8 compressor, const void *bytes, size_t len, struct page *page);

/* Copies a zpage's zpage.length bytes to @buf. Never sleeps. */
void zpage_copy(const struct zpage *zpage, void *buf);

void zpage_get(struct zpage *zpage);
/* Any context but interrupts; never sleeps. */
void zpage_put(struct zpage *zpage);

/* The index has let go of the zpage: off the lists, state DEAD, and the index's reference ends. Never sleeps. */
void zcache_forget(struct zpage *zpage);

/**
 * zcache_take_coldest - begin to send the coldest zpage away
 *
 * One that must be on the disk before peers may have it, and is not, does not count.
 *
 * Returns it in state SENDING, with a reference for the caller, or NULL. Never sleeps.
 */
struct zpage *zcache_take_coldest(void);

/* Why a zpage goes to the disk. */
enum disk_purpose {
	DISK_FETCHED, /* it was fetched for that */
	DISK_ROOM, /* it is the coldest of those whose pool has a disk */
	DISK_THROUGH, /* it is the coldest of those that the disk must have before peers may */
};

/* Begins to write a zpage to the disk, as zcache_take_coldest(). */
struct zpage *zcache_take_for_disk(enum disk_purpose purpose);

/* How many zpages have been written and wait until peers get them. */
unsigned long zcache_written_waiting(void);

/* Whether there is a zpage that zcache_take_coldest() would return. */
bool zcache_has_stored(void);

/* A SENDING zpage stays local after all: back to where the coldest are, unless it died meanwhile. Never sleeps. */
void zcache_return(struct zpage *zpage);

/* The same, behind the others of its kind: it cannot leave now, or is written and can. */
void zcache_return_warm(struct zpage *zpage);

/**
 * zcache_take_clean - begin to drop the oldest copy
 *
 * Returns it with a reference for the caller, off the list, or NULL. The caller makes the index forget it. Never sleeps.
 */
struct zpage *zcache_take_clean(void);

/* A CLEAN zpage, whose slot is lost or is about to go, becomes the only copy: STORED. Never sleeps; under the pool's xa_lock. */
void zcache_keep_clean(struct zpage *zpage);

/* Whether more is held than may stay, so that remotify should work (and for how long once it does). */
bool zcache_above_high(void);
bool zcache_above_low(void);
/* Whether little is held, so that remote pages may come home. */
bool zcache_far_below_high(void);
/* Whether so little room is left that pages should go to the disk if peers have none. */
bool zcache_nearly_full(void);
/* Whether the next store would be refused for want of room. */
bool zcache_full(void);

/* Gathers half-empty pages of the allocator. May sleep. */
void zcache_compact(void);

/* Gauges. Any context. */
u64 zcache_pages(void);
u64 zcache_clean_pages(void);
u64 zcache_zpage_bytes(void);
u64 zcache_local_bytes(void);
u64 zcache_limit_bytes(void);

/* Pages came: calls the pressure hook if there are too many. Any context. */
void zcache_press(void);

/* Called, from any context that stores, when zcache_above_high() became true. */
void zcache_set_pressure_hook(void (*hook)(void));

/* May sleep. The compressor's and allocator's names come from module parameters. */
int zcache_init(const char *allocator);
void zcache_exit(void);

/* The compressor of the next stores. May sleep. 0, -EINVAL for an unknown name, or -ENOMEM. */
int zcache_set_compressor(const char *name);
const char *zcache_compressor(void);

/* Percent of RAM: 1 ... 50. remotify starts at @remotify, stores are refused at @limit. Returns 0 or -EINVAL. */
int zcache_set_limits(unsigned int remotify, unsigned int limit);

#endif
