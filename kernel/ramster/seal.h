/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seal.h - what a page's bytes are made into before they leave this node, and what they are tested by when they come back.
 *
 * With the seal on they are encrypted and authenticated (AES-256-GCM); the key is made when the module is loaded and never
 * leaves it. What a seal is bound to makes it good for one page and one writing of it: bytes that a lender or anyone on the
 * wire has read, altered, swapped with others or kept from before are no use or are found out. Without it a CRC32C finds
 * accidents.
 *
 * Nonces never repeat: an extent's serial is of no other, and so is, in it, the mark of a page.
 */
#ifndef _RAMSTER_SEAL_H
#define _RAMSTER_SEAL_H

#include <linux/types.h>

#define SEAL_TAG 16 /* bytes behind a page's own */

/* What a seal is bound to. */
struct seal_bond {
	u64 serial; /* of the extent */
	u32 mark; /* sealed: counts the pages put into the extent, from 1 on; else the CRC32C of the bytes */
	u32 index;
	u16 length; /* bytes, without the tag */
	u8 pool;
	u8 compressor;
};

/* Whether pages are sealed. Stays the same while there is any extent. */
bool seal_is_on(void);

/* Bytes that leave for a page of @length. */
static inline size_t seal_length(size_t length)
{
	return length + (seal_is_on() ? SEAL_TAG : 0);
}

/**
 * seal_page - make a page's bytes ready to leave
 * @bytes: bond->length of them, and room for SEAL_TAG; contiguous kernel memory, vmalloc's included
 *
 * Does nothing without the seal. May sleep, for memory of its own mempool and for a cipher that works in the background.
 * Returns 0 or -EIO.
 */
int seal_page(void *bytes, const struct seal_bond *bond);

/**
 * seal_open - test, and make readable, what came back
 * @bytes: seal_length(bond->length) of them; contiguous; the first bond->length are the page's if this returns 0, else nothing
 *
 * May sleep, as seal_page(). Returns 0; -EBADMSG: they are not what left; or another error of the cipher.
 */
int seal_open(void *bytes, const struct seal_bond *bond);

/* The mark of unsealed bytes. */
u32 seal_checksum(const void *bytes, size_t length);

/* A serial for a new extent. Any context. */
u64 seal_serial(void);

/* Turns the seal on or off. May sleep. Returns 0; -EBUSY while there are extents; -EOPNOTSUPP: this kernel has no AES-GCM. */
int seal_set(bool on);

/* May sleep, also until the kernel has random numbers. Returns 0, -EOPNOTSUPP if it is to be on and cannot, or -ENOMEM. */
int seal_init(bool on);
void seal_exit(void);

#endif
