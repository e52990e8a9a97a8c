/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_VMALLOC_H
#define _SHIM_VMALLOC_H

#include <linux/slab.h>

static inline void *vmalloc(size_t size)
{
	return shim_alloc(size, GFP_KERNEL);
}

/* All memory is of one kind. */
static inline bool is_vmalloc_addr(const void *addr)
{
	return false;
}

static inline struct page *vmalloc_to_page(const void *addr)
{
	shim_die(__FILE__, __LINE__, "no memory of vmalloc");
}

static inline void vfree(const void *ptr)
{
	might_sleep();
	shim_free(ptr);
}

#endif
