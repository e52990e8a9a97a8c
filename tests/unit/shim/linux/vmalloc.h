/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_VMALLOC_H
#define _SHIM_VMALLOC_H

#include <linux/slab.h>

static inline void *vmalloc(size_t size)
{
	return shim_alloc(size, GFP_KERNEL);
}

static inline void vfree(const void *ptr)
{
	might_sleep();
	shim_free(ptr);
}

#endif
