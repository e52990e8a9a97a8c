/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream.h - what a hostile lender sends, made of a fuzzer's input: as it is, or, with repair, as answers to what is in
 * flight that are right, or wrong in one place.
 */
#ifndef _TESTS_FUZZ_STREAM_H
#define _TESTS_FUZZ_STREAM_H

#include <linux/types.h>

#include "r2net.h"

#define STREAM_MAX (1U << 20)

struct r2net_conn;

struct stream {
	const u8 *input; /* that frames are still to be made of */
	size_t left;
	u8 bytes[STREAM_MAX];
	size_t size;
	size_t at; /* what was received already */
	size_t frame; /* where the one that is being received begins */
	size_t next; /* and where its end should be */
};

extern struct stream stream; /* the one that there is */

/* Bytes for requests and answers: no two parts of it are alike. */
extern u8 stream_payload[256 + (R2NET_MAX_ITEMS + 1) * R2NET_MAX_ITEM_LEN];

/* Begins anew with this input, which has to stay. With @repair frames are made of it one by one, by stream_make(). */
void stream_init(const u8 *input, size_t size, bool repair);

/* Adds the next frame, for something that is in flight on @conn. @tags: of its requests that were sent last, by slot. */
void stream_make(const struct r2net_conn *conn, const u64 tags[R2NET_MAX_WINDOW]);

#endif
