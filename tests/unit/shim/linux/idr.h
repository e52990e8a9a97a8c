/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_IDR_H
#define _SHIM_IDR_H

#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define SHIM_IDA_MAX 256

struct ida {
	spinlock_t lock;
	DECLARE_BITMAP(used, SHIM_IDA_MAX);
};

#define DEFINE_IDA(name) struct ida name

static inline int ida_alloc_range(struct ida *ida, unsigned int low, unsigned int high, gfp_t gfp)
{
	unsigned int id;

	shim_assert(high < SHIM_IDA_MAX);
	spin_lock(&ida->lock);
	for (id = low; id <= high && test_bit(id, ida->used); id++)
		;
	if (id <= high)
		__set_bit(id, ida->used);
	spin_unlock(&ida->lock);
	return id <= high ? (int)id : -ENOSPC;
}

static inline void ida_free(struct ida *ida, unsigned int id)
{
	spin_lock(&ida->lock);
	shim_assert(test_bit(id, ida->used));
	__clear_bit(id, ida->used);
	spin_unlock(&ida->lock);
}

#endif
