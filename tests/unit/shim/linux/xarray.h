/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A radix tree of 64 slots a node under the xarray's names. Nothing here is safe without the lock. */
#ifndef _SHIM_XARRAY_H
#define _SHIM_XARRAY_H

#include <linux/err.h>
#include <linux/spinlock.h>

#define XA_CHUNK_SHIFT 6
#define XA_CHUNK_SIZE (1UL << XA_CHUNK_SHIFT)

struct xa_node {
	u8 shift; /* index bits below this node's */
	u8 offset; /* in the parent */
	u8 count; /* slots in use */
	struct xa_node *parent;
	void *kernel[6]; /* what makes a node as large as the kernel's */
	void *slots[XA_CHUNK_SIZE];
};

struct xarray {
	spinlock_t xa_lock;
	struct xa_node *head; /* NULL: empty */
};

struct xa_state {
	struct xarray *xa;
	unsigned long next;
	struct xa_node *xa_node; /* of the entry found last */
};

#define XA_STATE(name, array, index) struct xa_state name = { .xa = (array), .next = (index) }

#define xa_lock(xa) spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa) spin_unlock(&(xa)->xa_lock)

/* A tree without entries has no nodes here, unlike the kernel's. */
static inline void xa_destroy(struct xarray *xa)
{
	shim_assert(!xa->head);
}

static inline void *xa_mk_value(unsigned long value)
{
	shim_assert((long)value >= 0);
	return (void *)(value << 1 | 1);
}

static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

static inline bool xa_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}

/* An error as an entry: no pointer and no value looks like it. */
static inline void *shim_xa_err(long err)
{
	return (void *)((unsigned long)err << 2 | 2);
}

static inline bool xa_is_err(const void *entry)
{
	return ((unsigned long)entry & 3) == 2 && (long)entry < 0 && (long)entry >= -4 * MAX_ERRNO;
}

static inline int xa_err(void *entry)
{
	return xa_is_err(entry) ? (long)entry >> 2 : 0;
}

void xa_init(struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
/* The next three under the lock. */
void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *__xa_erase(struct xarray *xa, unsigned long index);

/* The first entry of *@index ... @last; its index is left in *@index. Takes the lock unless it is held already. */
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last, struct xa_node **node);

static inline void *shim_xa_find_after(struct xarray *xa, unsigned long *index, unsigned long last)
{
	if (*index >= last)
		return NULL;
	++*index;
	return xa_find(xa, index, last, NULL);
}

#define xa_for_each_range(xa, index, entry, start, last)                                                               \
	for (index = (start), entry = xa_find(xa, &index, last, NULL); entry;                                          \
	     entry = shim_xa_find_after(xa, &index, last))

static inline void *shim_xas_next(struct xa_state *xas, unsigned long last)
{
	unsigned long index = xas->next;
	void *entry = xa_find(xas->xa, &index, last, &xas->xa_node);

	xas->next = index + 1;
	return entry;
}

/* Not up to the last index of all. */
#define xas_for_each(xas, entry, last) while ((entry = shim_xas_next(xas, last)))
#define xas_retry(xas, entry) ((void)(xas), (void)(entry), false)
#define xas_pause(xas) ((void)(xas))

#endif
