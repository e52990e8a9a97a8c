/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_MM_TYPES_H
#define _SHIM_MM_TYPES_H

/* A page is its bytes. */
struct page {
	u8 bytes[PAGE_SIZE] __attribute__((aligned(64)));
};

#endif
