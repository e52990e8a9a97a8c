/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz.h - what the fuzzers share: the input as a stream of small numbers, and what ends the program. */
#ifndef _TESTS_FUZZ_H
#define _TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* What has to hold, whatever the input is: else it is a finding. */
#define check(expr) ((expr) ? (void)0 : fuzz_found(__FILE__, __LINE__, #expr))

static inline void __attribute__((noreturn, cold)) fuzz_found(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expr);
	abort();
}

/* What is left of an input. At its end every number is 0. */
struct input {
	const uint8_t *bytes;
	size_t len;
};

/* The next bytes, at most @len of them: *@got says how many. */
static inline const uint8_t *take(struct input *in, size_t len, size_t *got)
{
	const uint8_t *bytes = in->bytes;

	*got = len < in->len ? len : in->len;
	in->bytes += *got;
	in->len -= *got;
	return bytes;
}

/* A number of @width bytes, little endian. */
static inline uint64_t take_number(struct input *in, size_t width)
{
	uint64_t number = 0;
	size_t got;
	const uint8_t *bytes = take(in, width, &got);

	for (size_t i = 0; i < got; i++)
		number |= (uint64_t)bytes[i] << 8 * i;
	return number;
}

static inline uint8_t take_u8(struct input *in)
{
	return take_number(in, 1);
}

static inline uint16_t take_u16(struct input *in)
{
	return take_number(in, 2);
}

static inline uint32_t take_u32(struct input *in)
{
	return take_number(in, 4);
}

static inline uint64_t take_u64(struct input *in)
{
	return take_number(in, 8);
}

/* XORs bytes of the input onto @bytes, a length before them: zeroes leave all as it was. */
static inline void take_spoil(struct input *in, void *bytes, size_t len)
{
	size_t got;
	const uint8_t *by = take(in, take_u8(in) % (len + 1), &got);

	for (size_t i = 0; i < got; i++)
		((uint8_t *)bytes)[i] ^= by[i];
}

#endif
