/* SPDX-License-Identifier: GPL-2.0 */
/*
 * allocator.h - where the bytes of zpages live. Two implementations stand behind one table:
 *   zbud.c     up to two zpages a page: wastes more, never needs compaction, simple enough to reason about
 *   zsmalloc.c the kernel's zsmalloc: packs tightly
 */
#ifndef _RAMSTER_ALLOCATOR_H
#define _RAMSTER_ALLOCATOR_H

#include <linux/types.h>

struct allocator_ops {
	const char *name;

	/* May sleep. Returns the pool, or NULL. destroy() wants it empty. */
	void *(*create)(void);
	void (*destroy)(void *pool);

	/*
	 * alloc: @len is 1 ... PAGE_SIZE bytes. Returns a handle, or 0. Sleeps only if @gfp allows it.
	 * free: any context but hard interrupts; never sleeps.
	 */
	unsigned long (*alloc)(void *pool, size_t len, gfp_t gfp);
	void (*free)(void *pool, unsigned long handle);

	/*
	 * map: the zpage's bytes, valid until unmap(). Between the two the caller must not sleep, nor be in an
	 * interrupt or have softirqs disabled, nor map another. @write: the bytes are about to be written, all of them.
	 */
	void *(*map)(void *pool, unsigned long handle, bool write);
	void (*unmap)(void *pool, unsigned long handle);

	/* Pages of RAM that the pool takes. Any context. */
	unsigned long (*pages)(void *pool);
	/* Gathers half-empty pages. May sleep. Returns how many pages that freed. */
	unsigned long (*compact)(void *pool);
};

extern const struct allocator_ops zbud_allocator;
extern const struct allocator_ops zsmalloc_allocator;

#endif
