/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zstd.h - the kernel's zstd by the names that it has since 5.16.
 */
#ifndef _RAMSTER_COMPAT_ZSTD_H
#define _RAMSTER_COMPAT_ZSTD_H

#include <linux/zstd.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
typedef ZSTD_parameters zstd_parameters;
typedef ZSTD_CCtx zstd_cctx;
typedef ZSTD_DCtx zstd_dctx;

#define zstd_get_params(level, size) ZSTD_getParams(level, size, 0)
#define zstd_cctx_workspace_bound(params) ZSTD_CCtxWorkspaceBound(*(params))
#define zstd_dctx_workspace_bound() ZSTD_DCtxWorkspaceBound()
#define zstd_init_cctx(memory, size) ZSTD_initCCtx(memory, size)
#define zstd_init_dctx(memory, size) ZSTD_initDCtx(memory, size)
#define zstd_compress_cctx(cctx, dst, dst_size, src, src_size, params)                                                 \
	ZSTD_compressCCtx(cctx, dst, dst_size, src, src_size, *(params))
#define zstd_decompress_dctx(dctx, dst, dst_size, src, src_size) ZSTD_decompressDCtx(dctx, dst, dst_size, src, src_size)
#define zstd_is_error(code) ZSTD_isError(code)
#endif

#endif
