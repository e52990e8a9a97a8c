/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compress.h - the compressors, behind one small table.
 *
 * Each has a number that is kept with every zpage and remote location, so that the compressor can be changed at any
 * time: older pages are still decompressed by the one that made them.
 */
#ifndef _RAMSTER_COMPRESS_H
#define _RAMSTER_COMPRESS_H

#include <linux/types.h>

enum compressor { COMPRESSOR_LZO, COMPRESSOR_LZO_RLE, COMPRESSOR_LZ4, COMPRESSOR_ZSTD, NR_COMPRESSORS };

/* Room that compress_page() may write, in bytes: what LZO makes of a page of noise. */
#define COMPRESS_BOUND (PAGE_SIZE + PAGE_SIZE / 16 + 64 + 3 + 2)

/**
 * compress_begin - take this CPU's buffers
 *
 * Returns a buffer of COMPRESS_BOUND bytes. Disables preemption until compress_end(): the caller must not sleep.
 */
void *compress_begin(void);
void compress_end(void);

/**
 * compress_page - compress one page
 * @which: a compressor for which compress_prepare() succeeded
 * @page: PAGE_SIZE bytes
 * @buf: from compress_begin()
 *
 * Between compress_begin() and compress_end(). Returns the compressed length in bytes, or 0 if it failed.
 */
size_t compress_page(enum compressor which, const void *page, void *buf);

/**
 * decompress_page - the reverse
 * @which: what compressed it
 * @src: @len bytes
 * @page: PAGE_SIZE bytes, wholly written on success
 *
 * Never sleeps; disables preemption meanwhile. Returns 0, or -EIO if @src is not a compressed page.
 */
int decompress_page(enum compressor which, const void *src, size_t len, void *page);

/**
 * compress_prepare - allocate what a compressor needs
 * @which: the compressor
 *
 * May sleep. What it allocates stays until compress_exit(). Returns 0 or -ENOMEM.
 */
int compress_prepare(enum compressor which);

/* The compressor of that name, or -EINVAL. */
int compress_find(const char *name);
const char *compress_name(enum compressor which);

/* May sleep. */
int compress_init(void);
void compress_exit(void);

#endif
