/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * message.h - what another ramsterd says, of any kind, made of few bytes of a fuzzer's input: each field has a value that
 * the receiver takes, or one beside it. Zeroes make the most usual message of each kind.
 */
#ifndef _TESTS_FUZZ_MESSAGE_H
#define _TESTS_FUZZ_MESSAGE_H

#include "tests/fuzz/fuzz.h"

#define MESSAGE_MAX 4096

struct message_names {
	uint32_t from, to; /* node numbers */
	const char *cluster;
	uint64_t module; /* the receiver's */
	uint64_t lender; /* the receiver's */
};

/* The sender's module and lender have instances of these and the three after each. */
#define MESSAGE_MODULE 0x401
#define MESSAGE_LENDER 0x301

/* Returns the length of the packed message. */
size_t message_make(struct input *in, const struct message_names *names, uint8_t bytes[MESSAGE_MAX]);

#endif
