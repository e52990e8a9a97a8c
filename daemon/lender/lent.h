/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lent - the memory behind the extents.
 *
 * Private anonymous memory; or, where what is lent is kept (keep.h), ranges of one sparse file in memory, each id's at a
 * place of its own. It is never locked: this node's kernel can always reclaim it, in huge pages or small ones.
 */
#ifndef _RAMSTER_LENDER_LENT_H
#define _RAMSTER_LENDER_LENT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/lender/extent.h"

#define LENT_FILE_BYTES ((uint64_t)EXTENT_IDS * R2NET_EXTENT_MAX) /* id 0 is not lent */

/**
 * lent_init - say where memory comes from; call it before any other, and before any thread is started
 * @fd: the file, LENT_FILE_BYTES long; stays open. -1: private memory
 */
void lent_init(int fd);

/**
 * lent_new - memory for an extent: zeroed, faulted in, aligned so that huge pages can back all of it
 * @size: bytes, as of an extent
 *
 * Returns NULL if there is none.
 */
uint8_t *lent_new(uint32_t id, size_t size);

/* The memory that the file has for an extent, as it was left; NULL if it cannot be mapped, and then it is given back. */
uint8_t *lent_again(uint32_t id, size_t size);

/* Gives memory back to the system. It must not be touched afterwards. */
void lent_free(uint32_t id, uint8_t *memory, size_t size);

/* Where an id's range of the file begins, bytes. */
static inline uint64_t lent_offset(uint32_t id)
{
	return (uint64_t)id * R2NET_EXTENT_MAX;
}

#endif
