// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/crc32c.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u

u32 crc32c(u32 crc, const void *bytes, size_t length)
{
	const u8 *byte = bytes;
	unsigned int bit;

	while (length--) {
		crc ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	}
	return crc;
}
