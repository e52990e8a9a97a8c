/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of memory, one behind the other. */
#ifndef _SHIM_SCATTERLIST_H
#define _SHIM_SCATTERLIST_H

#include <linux/mm.h>

struct scatterlist {
	u8 *bytes;
	unsigned int length;
	bool end;
};

static inline void sg_init_table(struct scatterlist *sg, unsigned int nr)
{
	memset(sg, 0, nr * sizeof(*sg));
	sg[nr - 1].end = true;
}

static inline void sg_set_buf(struct scatterlist *sg, void *buf, unsigned int length)
{
	sg->bytes = buf;
	sg->length = length;
}

static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int length, unsigned int offset)
{
	shim_assert(offset + length <= PAGE_SIZE);
	sg_set_buf(sg, (u8 *)page + offset, length);
}

static inline void sg_mark_end(struct scatterlist *sg)
{
	sg->end = true;
}

#endif
