// SPDX-License-Identifier: GPL-2.0-or-later
/* Eight bytes at a time: of a page that was looked up, more time went into this than into all else. */
#include <linux/crc32c.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u

/* [n][byte]: what a byte is worth that n others follow. */
static u32 table[8][256];

static void __attribute__((constructor)) make_table(void)
{
	unsigned int byte, bit, n;
	u32 crc;

	for (byte = 0; byte < 256; byte++) {
		crc = byte;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
		table[0][byte] = crc;
	}
	for (n = 1; n < 8; n++)
		for (byte = 0; byte < 256; byte++)
			table[n][byte] = table[n - 1][byte] >> 8 ^ table[0][table[n - 1][byte] & 0xff];
}

u32 crc32c(u32 crc, const void *bytes, size_t length)
{
	const u8 *byte = bytes;

	for (; length >= 8; length -= 8, byte += 8)
		crc = table[7][(crc ^ byte[0]) & 0xff] ^ table[6][(crc >> 8 ^ byte[1]) & 0xff] ^
		      table[5][(crc >> 16 ^ byte[2]) & 0xff] ^ table[4][crc >> 24 ^ byte[3]] ^ table[3][byte[4]] ^
		      table[2][byte[5]] ^ table[1][byte[6]] ^ table[0][byte[7]];
	while (length--)
		crc = crc >> 8 ^ table[0][(crc ^ *byte++) & 0xff];
	return crc;
}
