// SPDX-License-Identifier: GPL-2.0
/*
 * compress_zstd.c - zstd at its lowest ordinary level, whose contexts are laid anew into the work memory for each page.
 */
#include <linux/errno.h>
#include <linux/mm.h>

#include "compat/zstd.h"
#include "compress.h"
#include "compress_zstd.h"

#define ZSTD_PAGE_LEVEL 1

size_t zstd_compress_memory(void)
{
	zstd_parameters params = zstd_get_params(ZSTD_PAGE_LEVEL, PAGE_SIZE);

	return zstd_cctx_workspace_bound(&params.cParams);
}

size_t zstd_decompress_memory(void)
{
	return zstd_dctx_workspace_bound();
}

size_t zstd_page_compress(void *memory, const void *page, void *buf)
{
	zstd_parameters params = zstd_get_params(ZSTD_PAGE_LEVEL, PAGE_SIZE);
	zstd_cctx *cctx = zstd_init_cctx(memory, zstd_compress_memory());
	size_t len;

	if (!cctx)
		return 0;
	len = zstd_compress_cctx(cctx, buf, COMPRESS_BOUND, page, PAGE_SIZE, &params);
	return zstd_is_error(len) ? 0 : len;
}

int zstd_page_decompress(void *memory, const void *src, size_t len, void *page)
{
	zstd_dctx *dctx = zstd_init_dctx(memory, zstd_decompress_memory());

	if (!dctx)
		return -EIO;
	return zstd_decompress_dctx(dctx, page, PAGE_SIZE, src, len) == PAGE_SIZE ? 0 : -EIO;
}
