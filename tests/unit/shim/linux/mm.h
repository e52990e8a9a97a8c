/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_MM_H
#define _SHIM_MM_H

#include <linux/mm_types.h>
#include <linux/slab.h>

/* Pages of RAM that the machine is said to have. */
extern unsigned long shim_totalram_pages;

static inline unsigned long totalram_pages(void)
{
	return shim_totalram_pages;
}

static inline unsigned long offset_in_page(const void *addr)
{
	return (uintptr_t)addr % PAGE_SIZE;
}

static inline struct page *virt_to_page(const void *addr)
{
	return (struct page *)((u8 *)addr - offset_in_page(addr));
}

#endif
