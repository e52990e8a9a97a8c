/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libzstd by the kernel's names. */
#ifndef _SHIM_ZSTD_H
#define _SHIM_ZSTD_H

#define ZSTD_STATIC_LINKING_ONLY
#define ZSTD_DISABLE_DEPRECATE_WARNINGS
#include <zstd.h>

typedef ZSTD_parameters zstd_parameters;
typedef ZSTD_CCtx zstd_cctx;
typedef ZSTD_DCtx zstd_dctx;

#define zstd_get_params(level, size) ZSTD_getParams(level, size, 0)
#define zstd_cctx_workspace_bound(params) ZSTD_estimateCCtxSize_usingCParams(*(params))
#define zstd_dctx_workspace_bound() ZSTD_estimateDCtxSize()
#define zstd_init_cctx(memory, size) ZSTD_initStaticCCtx(memory, size)
#define zstd_init_dctx(memory, size) ZSTD_initStaticDCtx(memory, size)
#define zstd_compress_cctx(cctx, dst, dst_size, src, src_size, params)                                                 \
	ZSTD_compress_advanced(cctx, dst, dst_size, src, src_size, NULL, 0, *(params))
#define zstd_decompress_dctx(dctx, dst, dst_size, src, src_size) ZSTD_decompressDCtx(dctx, dst, dst_size, src, src_size)
#define zstd_is_error(code) ZSTD_isError(code)

#endif
