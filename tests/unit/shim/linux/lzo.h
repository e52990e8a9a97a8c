/* SPDX-License-Identifier: GPL-2.0-or-later */
/* liblzo2 has the kernel's names. It lacks the run lengths of lzo-rle, whose streams its decompressor knows nothing of. */
#ifndef _SHIM_LZO_H
#define _SHIM_LZO_H

#include <lzo/lzo1x.h>

#define lzorle1x_1_compress lzo1x_1_compress
/* Its work memory is not used. */
#define lzo1x_decompress_safe(src, len, dst, dst_len) (lzo1x_decompress_safe)(src, len, dst, dst_len, NULL)

#endif
