/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_CRC32C_H
#define _SHIM_CRC32C_H

u32 crc32c(u32 crc, const void *bytes, size_t length);

#endif
