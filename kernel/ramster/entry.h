/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry.h - what the index holds for a page, packed into one word of the xarray.
 *
 *   NULL          nothing
 *   a pointer     struct zpage: its bytes are in local RAM, or on their way here
 *   a value       bit 0 clear: all the page is one word, kept in the bits above (sign-extended from ENTRY_WORD_BITS)
 *                 bit 0 set:   its bytes are in a slot of a remote extent: the fields below
 */
#ifndef _RAMSTER_ENTRY_H
#define _RAMSTER_ENTRY_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/xarray.h>

static_assert(BITS_PER_LONG == 64);

#define ENTRY_WORD_BITS 62
#define ENTRY_COMPRESSOR_BITS 2
#define ENTRY_LENGTH_BITS 13 /* bytes, up to R2NET_MAX_ITEM_LEN */
#define ENTRY_SLOT_BITS 10 /* slot in the block */
#define ENTRY_BLOCK_BITS 9 /* block in the extent */
#define ENTRY_EXTENT_BITS 18 /* extent in this module's table: 1 TiB in extents of 4 MiB */

#define ENTRY_WRITTEN_BITS 1 /* a disk of this node has the page, too */

#define ENTRY_COMPRESSOR_SHIFT 1
#define ENTRY_LENGTH_SHIFT (ENTRY_COMPRESSOR_SHIFT + ENTRY_COMPRESSOR_BITS)
#define ENTRY_SLOT_SHIFT (ENTRY_LENGTH_SHIFT + ENTRY_LENGTH_BITS)
#define ENTRY_BLOCK_SHIFT (ENTRY_SLOT_SHIFT + ENTRY_SLOT_BITS)
#define ENTRY_EXTENT_SHIFT (ENTRY_BLOCK_SHIFT + ENTRY_BLOCK_BITS)
#define ENTRY_WRITTEN_SHIFT (ENTRY_EXTENT_SHIFT + ENTRY_EXTENT_BITS)

static_assert(ENTRY_WRITTEN_SHIFT + ENTRY_WRITTEN_BITS < BITS_PER_LONG); /* the xarray keeps one */

/* A zpage of exactly PAGE_SIZE bytes is the raw page; its compressor does not matter. */
struct remote_location {
	u32 extent;
	u16 block;
	u16 slot;
	u16 length;
	u8 compressor;
};

static inline bool entry_is_zpage(const void *entry)
{
	return entry && !xa_is_value(entry);
}

static inline bool entry_is_remote(const void *entry)
{
	return xa_is_value(entry) && (xa_to_value(entry) & 1);
}

static inline bool entry_is_same(const void *entry)
{
	return xa_is_value(entry) && !(xa_to_value(entry) & 1);
}

/* Whether entry_same() can hold @word. */
static inline bool entry_word_fits(u64 word)
{
	return (u64)((s64)(word << (64 - ENTRY_WORD_BITS)) >> (64 - ENTRY_WORD_BITS)) == word;
}

static inline void *entry_same(u64 word)
{
	return xa_mk_value((word << 1) & (BIT_ULL(ENTRY_WORD_BITS + 1) - 1));
}

static inline u64 entry_word(const void *entry)
{
	return (s64)((u64)xa_to_value(entry) << (63 - ENTRY_WORD_BITS)) >> (64 - ENTRY_WORD_BITS);
}

static inline void *entry_remote(const struct remote_location *loc)
{
	return xa_mk_value(
		1UL | (unsigned long)loc->compressor << ENTRY_COMPRESSOR_SHIFT |
		(unsigned long)loc->length << ENTRY_LENGTH_SHIFT | (unsigned long)loc->slot << ENTRY_SLOT_SHIFT |
		(unsigned long)loc->block << ENTRY_BLOCK_SHIFT | (unsigned long)loc->extent << ENTRY_EXTENT_SHIFT);
}

/* The same place, of a page that a disk has, too. */
static inline void *entry_written(const void *remote)
{
	return xa_mk_value(xa_to_value(remote) | 1UL << ENTRY_WRITTEN_SHIFT);
}

static inline bool entry_is_written(const void *remote)
{
	return xa_to_value(remote) >> ENTRY_WRITTEN_SHIFT & 1;
}

static inline struct remote_location entry_location(const void *entry)
{
	unsigned long value = xa_to_value(entry);

	return (struct remote_location){
		.compressor = value >> ENTRY_COMPRESSOR_SHIFT & (BIT(ENTRY_COMPRESSOR_BITS) - 1),
		.length = value >> ENTRY_LENGTH_SHIFT & (BIT(ENTRY_LENGTH_BITS) - 1),
		.slot = value >> ENTRY_SLOT_SHIFT & (BIT(ENTRY_SLOT_BITS) - 1),
		.block = value >> ENTRY_BLOCK_SHIFT & (BIT(ENTRY_BLOCK_BITS) - 1),
		.extent = value >> ENTRY_EXTENT_SHIFT & (BIT(ENTRY_EXTENT_BITS) - 1),
	};
}

#endif
