/* SPDX-License-Identifier: GPL-2.0-or-later */
/* liblz4 brings its own work memory unless asked not to. */
#ifndef _SHIM_LZ4_H
#define _SHIM_LZ4_H

#include <lz4.h>

#define LZ4_MEM_COMPRESS ((size_t)LZ4_sizeofState())
#define LZ4_compress_default(src, dst, src_size, dst_size, memory)                                                     \
	LZ4_compress_fast_extState(memory, src, dst, src_size, dst_size, 1)

#endif
