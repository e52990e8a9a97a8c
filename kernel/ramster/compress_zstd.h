/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compress_zstd.h - zstd's own ways of asking for memory and of failing, made to fit compress.c's table.
 *
 * @memory is what zstd_compress_memory() or zstd_decompress_memory() bytes were allocated for; all else as there.
 */
#ifndef _RAMSTER_COMPRESS_ZSTD_H
#define _RAMSTER_COMPRESS_ZSTD_H

#include <linux/types.h>

size_t zstd_compress_memory(void);
size_t zstd_decompress_memory(void);
size_t zstd_page_compress(void *memory, const void *page, void *buf);
int zstd_page_decompress(void *memory, const void *src, size_t len, void *page);

#endif
