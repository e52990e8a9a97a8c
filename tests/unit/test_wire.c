// SPDX-License-Identifier: GPL-2.0-or-later
/* What frames of the data wire are taken: every field at its limits and beyond. */
#include <setjmp.h>
#include <cmocka.h>

#include "r2net.h"

#define ITEM sizeof(struct r2net_item)
#define RESULT sizeof(struct r2net_result)
#define MAX R2NET_MAX_ITEMS
#define LEN R2NET_MAX_ITEM_LEN

static struct r2net_hdr header(u8 type, u32 items, u32 length)
{
	return (struct r2net_hdr){
		.magic = cpu_to_le32(R2NET_MAGIC),
		.version = R2NET_VERSION,
		.type = type,
		.items = cpu_to_le16(items),
		.length = cpu_to_le32(length),
		.tag = cpu_to_le64(~0ULL),
	};
}

static bool request(unsigned int role, u8 type, u32 items, u32 length)
{
	struct r2net_hdr hdr = header(type, items, length);

	return r2net_request_valid(&hdr, role);
}

static bool answer(u32 items, u32 length)
{
	struct r2net_hdr hdr = header(R2NET_ANSWER, items, length);

	return r2net_answer_valid(&hdr);
}

static void test_requests(void **state)
{
	static const struct {
		u8 type;
		unsigned int role;
		u32 items;
		u32 least, most; /* length */
	} ok[] = {
		{ R2NET_HELLO, 0, 0, sizeof(struct r2net_hello), sizeof(struct r2net_hello) },
		{ R2NET_WRITE, R2NET_ROLE_DATA, 1, ITEM + 1, ITEM + LEN },
		{ R2NET_WRITE, R2NET_ROLE_DATA, 2, 2 * (ITEM + 1), 2 * (ITEM + LEN) },
		{ R2NET_WRITE, R2NET_ROLE_DATA, MAX, MAX * (ITEM + 1), MAX * (ITEM + LEN) },
		{ R2NET_READ, R2NET_ROLE_DATA, 1, ITEM, ITEM },
		{ R2NET_READ, R2NET_ROLE_DATA, MAX, MAX * ITEM, MAX * ITEM },
		{ R2NET_FENCE, R2NET_ROLE_CONTROL, 0, sizeof(struct r2net_fence), sizeof(struct r2net_fence) },
		{ R2NET_PING, R2NET_ROLE_CONTROL, 0, 0, 0 },
	};
	unsigned int i, role;

	for (i = 0; i < ARRAY_SIZE(ok); i++) {
		assert_true(request(ok[i].role, ok[i].type, ok[i].items, ok[i].least));
		assert_true(request(ok[i].role, ok[i].type, ok[i].items, ok[i].most));
		assert_false(request(ok[i].role, ok[i].type, ok[i].items, ok[i].least - 1));
		assert_false(request(ok[i].role, ok[i].type, ok[i].items, ok[i].most + 1));
		assert_false(request(ok[i].role, ok[i].type, ok[i].items, U32_MAX));
		assert_int_equal(request(ok[i].role, ok[i].type, ok[i].items, 0), !ok[i].least);
		assert_true(ok[i].most <= R2NET_MAX_LENGTH);
		for (role = 0; role < 5; role++)
			assert_int_equal(request(role, ok[i].type, ok[i].items, ok[i].least), role == ok[i].role);
	}
}

static void test_counts_of_items(void **state)
{
	static const u32 bad[] = { MAX + 1, 2 * MAX, 255, 256, 0x7fff, 0x8000, 0xffff };
	unsigned int i;

	assert_false(request(R2NET_ROLE_DATA, R2NET_READ, 0, 0));
	assert_false(request(R2NET_ROLE_DATA, R2NET_WRITE, 0, 0));
	assert_false(request(R2NET_ROLE_DATA, R2NET_WRITE, 0, 1));
	assert_false(request(R2NET_ROLE_CONTROL, R2NET_PING, 1, 0));
	assert_false(request(R2NET_ROLE_CONTROL, R2NET_FENCE, 1, sizeof(struct r2net_fence)));
	assert_false(request(0, R2NET_HELLO, 1, sizeof(struct r2net_hello)));
	assert_false(answer(0, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(request(R2NET_ROLE_DATA, R2NET_READ, bad[i], bad[i] * ITEM));
		assert_false(request(R2NET_ROLE_DATA, R2NET_WRITE, bad[i], bad[i] * (ITEM + 1)));
		assert_false(answer(bad[i], bad[i] * RESULT));
	}
}

static void test_types(void **state)
{
	unsigned int type, role, items;

	for (type = 0; type < 256; type++)
		for (role = 0; role < 4; role++)
			for (items = 0; items < 3; items++) {
				if (type >= R2NET_HELLO && type <= R2NET_PING && type != R2NET_ANSWER)
					continue;
				assert_false(request(role, type, items, items * ITEM));
				assert_false(request(role, type, items, 0));
			}
	for (type = 0; type < 256; type++) {
		struct r2net_hdr hdr = header(type, 1, RESULT);

		assert_int_equal(r2net_answer_valid(&hdr), type == R2NET_ANSWER);
	}
}

static void test_frames_of_the_opening(void **state)
{
	static const struct {
		enum r2net_type type;
		u32 length;
	} frames[] = {
		{ R2NET_HELLO, sizeof(struct r2net_hello) },
		{ R2NET_CHALLENGE, sizeof(struct r2net_challenge) },
		{ R2NET_PROOF, sizeof(struct r2net_proof) },
	};
	unsigned int i, due, type;

	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		u32 length = frames[i].length;
		struct r2net_hdr hdr = header(frames[i].type, 0, length);

		for (due = 0; due < ARRAY_SIZE(frames); due++)
			assert_int_equal(r2net_opening_valid(&hdr, frames[due].type), due == i);
		for (type = 0; type < 256; type++) {
			hdr = header(type, 0, length);
			assert_int_equal(r2net_opening_valid(&hdr, frames[i].type), type == frames[i].type);
		}
		hdr = header(frames[i].type, 0, length - 1);
		assert_false(r2net_opening_valid(&hdr, frames[i].type));
		hdr = header(frames[i].type, 0, length + 1);
		assert_false(r2net_opening_valid(&hdr, frames[i].type));
		hdr = header(frames[i].type, 1, length);
		assert_false(r2net_opening_valid(&hdr, frames[i].type));
	}
}

/* Any bit of magic, version or the reserved field. */
static void test_fixed_fields(void **state)
{
	struct r2net_hdr read, reply, proof;
	unsigned int i;

	for (i = 0; i < 72; i++) {
		read = header(R2NET_READ, 1, ITEM);
		reply = header(R2NET_ANSWER, 1, RESULT);
		proof = header(R2NET_PROOF, 0, sizeof(struct r2net_proof));
		assert_true(r2net_opening_valid(&proof, R2NET_PROOF));
		assert_true(r2net_request_valid(&read, R2NET_ROLE_DATA) && r2net_answer_valid(&reply));
		if (i < 32) {
			read.magic ^= cpu_to_le32(1U << i);
			reply.magic ^= cpu_to_le32(1U << i);
			proof.magic ^= cpu_to_le32(1U << i);
		} else if (i < 64) {
			read.reserved ^= cpu_to_le32(1U << (i - 32));
			reply.reserved ^= cpu_to_le32(1U << (i - 32));
			proof.reserved ^= cpu_to_le32(1U << (i - 32));
		} else {
			read.version ^= 1U << (i - 64);
			reply.version ^= 1U << (i - 64);
			proof.version ^= 1U << (i - 64);
		}
		assert_false(r2net_opening_valid(&proof, R2NET_PROOF));
		assert_false(r2net_request_valid(&read, R2NET_ROLE_DATA) || r2net_answer_valid(&reply));
	}
}

static void test_answers(void **state)
{
	static const u32 counts[] = { 1, 2, MAX - 1, MAX };
	unsigned int i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		n = counts[i];
		assert_true(answer(n, n * RESULT));
		assert_true(answer(n, n * (RESULT + LEN)));
		assert_false(answer(n, n * RESULT - 1));
		assert_false(answer(n, n * (RESULT + LEN) + 1));
		assert_false(answer(n, 0));
		assert_false(answer(n, U32_MAX));
	}
}

static void test_items(void **state)
{
	static const struct {
		u32 length;
		bool ok;
	} lengths[] = {
		{ 0, false },	    { 1, true },	{ 4096, true },	       { LEN, true },
		{ LEN + 1, false }, { 0x10000, false }, { 0x80000000, false }, { U32_MAX, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct r2net_item item = { .length = cpu_to_le32(lengths[i].length), .offset = cpu_to_le32(U32_MAX) };

		assert_int_equal(r2net_item_valid(&item), lengths[i].ok);
	}
}

static bool results(u32 items, u32 length, const struct r2net_result *result, const u32 *expect, unsigned int asked)
{
	struct r2net_hdr hdr = header(R2NET_ANSWER, items, length);

	return r2net_results_valid(&hdr, result, expect, asked);
}

static struct r2net_result result(u32 status, u32 length)
{
	return (struct r2net_result){ .status = cpu_to_le32(status), .length = cpu_to_le32(length) };
}

static void test_results_of_a_read(void **state)
{
	const u32 expect[] = { 100, LEN, 1 }, all = 3 * RESULT + 100 + LEN + 1;
	struct r2net_result r[3] = { result(R2NET_OK, 100), result(R2NET_OK, LEN), result(R2NET_OK, 1) };
	unsigned int i;

	assert_true(results(3, all, r, expect, 3));
	assert_false(results(3, all - 1, r, expect, 3));
	assert_false(results(3, all + 1, r, expect, 3));
	assert_false(results(2, all, r, expect, 3));
	assert_false(results(3, all, r, expect, 2));
	for (i = 0; i < 3; i++) {
		struct r2net_result good = r[i];

		/* Other lengths than were asked for, even where the sum would fit. */
		r[i] = result(R2NET_OK, expect[i] - 1);
		assert_false(results(3, all - 1, r, expect, 3));
		r[i] = result(R2NET_OK, expect[i] + 1);
		assert_false(results(3, all + 1, r, expect, 3));
		r[i] = result(R2NET_OK, 0);
		assert_false(results(3, all - expect[i], r, expect, 3));
		/* Whatever is not OK brings nothing. */
		r[i] = result(R2NET_ESTALE, 0);
		assert_true(results(3, all - expect[i], r, expect, 3));
		assert_false(results(3, all, r, expect, 3));
		r[i] = result(U32_MAX, 0);
		assert_true(results(3, all - expect[i], r, expect, 3));
		r[i] = result(R2NET_ERANGE, expect[i]);
		assert_false(results(3, all, r, expect, 3));
		r[i] = good;
	}
	/* A sum that wraps. */
	r[0] = result(R2NET_OK, U32_MAX);
	assert_false(results(3, all - 101, r, expect, 3));
}

static void test_results_without_payload(void **state)
{
	const u32 none[MAX] = { 0 };
	struct r2net_result r[MAX];
	unsigned int i;

	for (i = 0; i < MAX; i++)
		r[i] = result(i % 2 ? R2NET_OK : R2NET_ESTALE, 0);
	assert_true(results(MAX, MAX * RESULT, r, none, MAX));
	assert_true(results(1, RESULT, r, none, 1));
	assert_false(results(1, RESULT + 1, r, none, 1));
	r[MAX - 1] = result(R2NET_OK, 1);
	assert_false(results(MAX, MAX * RESULT + 1, r, none, MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_counts_of_items),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_frames_of_the_opening),
		cmocka_unit_test(test_fixed_fields),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_results_of_a_read),
		cmocka_unit_test(test_results_without_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
