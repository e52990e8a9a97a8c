// SPDX-License-Identifier: GPL-2.0-or-later
/* The data wire of a real lender process: HELLO, WRITE and READ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/owner.h"
#include "tests/unit/lender_fixture.h"

static void hello_is_welcomed(void **state)
{
	struct r2net_welcome welcome;
	struct wire_hello hello;
	int fd = wire_connect(lender.port);

	wire_hello_fill(&hello, OWNER, INSTANCE, TOKEN, next_conn++, R2NET_ROLE_DATA);
	hello.hello.version_max = cpu_to_le16(9);
	hello.hello.features = cpu_to_le32(0xffffffff);
	hello.hello.window = cpu_to_le16(5);
	assert_int_equal(wire_hello(fd, &hello, &welcome), R2NET_OK);
	assert_int_equal(le16_to_cpu(welcome.version), R2NET_VERSION);
	assert_int_equal(le16_to_cpu(welcome.window), 5);
	assert_int_equal(welcome.features, 0);
	assert_int_equal(le64_to_cpu(welcome.lender_instance), wire_status(lender.door).instance);
	assert_int_not_equal(welcome.lender_instance, 0);
	assert_int_equal(wire_status(lender.door).connections, 1);
	assert_int_equal(wire_status(lender.door).donor, WIRE_NODE);
	close(fd);
}

static int hello_status(const struct wire_hello *hello)
{
	int fd = wire_connect(lender.port), status;

	assert_true(fd >= 0);
	status = wire_hello(fd, hello, NULL);
	if (status != R2NET_OK)
		assert_true(wire_ended(fd));
	close(fd);
	return status;
}

static void hello_is_refused(void **state)
{
	uint64_t refused = wire_status(lender.door).refused_hello;
	struct wire_hello good, bad;

#define SPOILED(status, spoil)                                                                                         \
	do {                                                                                                           \
		wire_hello_fill(&good, OWNER, INSTANCE, TOKEN, next_conn, R2NET_ROLE_DATA);                            \
		bad = good;                                                                                            \
		spoil;                                                                                                 \
		assert_int_equal(hello_status(&bad), status);                                                          \
		assert_int_equal(wire_status(lender.door).refused_hello, ++refused);                                   \
	} while (0)

	SPOILED(R2NET_EINVAL, bad.hello.version_min = cpu_to_le16(R2NET_VERSION + 1));
	SPOILED(R2NET_EINVAL, bad.hello.version_max = cpu_to_le16(R2NET_VERSION - 1));
	SPOILED(R2NET_EINVAL, bad.hello.owner = cpu_to_le32(R2NET_MAX_NODES));
	SPOILED(R2NET_EINVAL, bad.hello.owner = cpu_to_le32(UINT32_MAX));
	SPOILED(R2NET_EINVAL, bad.hello.donor = cpu_to_le32(WIRE_NODE + 1));
	SPOILED(R2NET_EINVAL, bad.hello.owner_instance = 0);
	SPOILED(R2NET_EINVAL, bad.hello.role = cpu_to_le16(0));
	SPOILED(R2NET_EINVAL, bad.hello.role = cpu_to_le16(3));
	SPOILED(R2NET_EINVAL, bad.hello.window = cpu_to_le16(0));
	SPOILED(R2NET_EINVAL, bad.hello.window = cpu_to_le16(R2NET_MAX_WINDOW + 1));
	SPOILED(R2NET_EPERM, bad.hello.owner = cpu_to_le32(OTHER_OWNER));
	SPOILED(R2NET_EPERM, bad.hello.owner = cpu_to_le32(9));
	SPOILED(R2NET_EPERM, bad.hello.owner_instance = cpu_to_le64(INSTANCE + 1));
	SPOILED(R2NET_EPERM, bad.token[0] ^= 1);
	SPOILED(R2NET_EPERM, bad.token[R2NET_TOKEN_LEN - 1] ^= 0x80);
	/* None of them has used the number up. */
	assert_int_equal(hello_status(&good), R2NET_OK);
	next_conn++;
	SPOILED(R2NET_EINVAL, bad.hello.conn = cpu_to_le32(next_conn - 1));
#undef SPOILED
}

static void numbers_come_in_any_order_but_once(void **state)
{
	static const uint32_t numbers[] = { 500, 7, 499, 1300, 900, 0, UINT32_MAX, UINT32_MAX - 1, 1U << 31, 8, 1301 };
	struct wire_hello hello;
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		wire_hello_fill(&hello, OTHER_OWNER, INSTANCE, OTHER_TOKEN, numbers[i], R2NET_ROLE_DATA);
		assert_int_equal(hello_status(&hello), R2NET_OK);
		assert_int_equal(hello_status(&hello), R2NET_EINVAL);
	}
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		wire_hello_fill(&hello, OTHER_OWNER, INSTANCE, OTHER_TOKEN, numbers[i], R2NET_ROLE_DATA);
		assert_int_equal(hello_status(&hello), R2NET_EINVAL);
	}
}

static void connections_are_limited(void **state)
{
	int fds[R2NET_MAX_CONNS], other;
	struct wire_hello hello;
	unsigned int i;

	for (i = 0; i < R2NET_MAX_CONNS; i++)
		fds[i] = join(i < OWNER_MAX_CONTROL ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA);
	wire_hello_fill(&hello, OWNER, INSTANCE, TOKEN, next_conn, R2NET_ROLE_DATA);
	assert_int_equal(hello_status(&hello), R2NET_EAGAIN);
	other = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	assert_true(other >= 0);
	close(fds[0]);
	wait_for_connections(R2NET_MAX_CONNS);
	assert_int_equal(hello_status(&hello), R2NET_OK);
	next_conn++;
	close(other);
	for (i = 1; i < R2NET_MAX_CONNS; i++)
		close(fds[i]);
	wait_for_connections(0);
}

static void control_connections_are_fewer(void **state)
{
	int fds[OWNER_MAX_CONTROL];
	struct wire_hello hello;
	unsigned int i;

	for (i = 0; i < OWNER_MAX_CONTROL; i++)
		fds[i] = join(R2NET_ROLE_CONTROL);
	wire_hello_fill(&hello, OWNER, INSTANCE, TOKEN, next_conn, R2NET_ROLE_CONTROL);
	assert_int_equal(hello_status(&hello), R2NET_EAGAIN);
	close(join(R2NET_ROLE_DATA));
	close(fds[0]);
	wait_for_connections(OWNER_MAX_CONTROL - 1);
	wire_hello_fill(&hello, OWNER, INSTANCE, TOKEN, next_conn++, R2NET_ROLE_CONTROL);
	assert_int_equal(hello_status(&hello), R2NET_OK);
	for (i = 1; i < OWNER_MAX_CONTROL; i++)
		close(fds[i]);
	wait_for_connections(0);
}

static void every_size_comes_back(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 7, 8, 63, 64, 65, 511, 1000, 2048, 3333, 4095, 4096, 4097, 4111, 4112 };
	struct lender_lease leases[2] = { lease(SIZE), lease(2 * SIZE) };
	unsigned int i, n = sizeof(sizes) / sizeof(sizes[0]);
	int fd = join(R2NET_ROLE_DATA);
	struct r2net_item item;
	size_t length;

	for (i = 0; i < 4 * n; i++) {
		const struct lender_lease *made = &leases[i % 2];
		uint32_t size = sizes[i % n], last = made->size - size;

		item = wire_item(made, i < 2 * n ? last : (uint32_t)random() % last, size);
		fill_payload(size);
		exchange(fd, true, &item, 1, NULL);
		assert_int_equal(statuses[0], R2NET_OK);
		exchange(fd, false, &item, 1, &length);
		assert_int_equal(statuses[0], R2NET_OK);
		assert_int_equal(length, size);
		assert_memory_equal(payload, back, size);
	}
	assert_int_equal(wire_status(lender.door).write_items, 4 * n);
	assert_int_equal(wire_status(lender.door).read_items, 4 * n);
	assert_int_equal(wire_status(lender.door).read_bytes, wire_status(lender.door).write_bytes);
	close(fd);
}

static void full_vector_comes_back(void **state)
{
	struct lender_lease leases[3] = { lease(SIZE), lease(SIZE), lease(SIZE) };
	struct r2net_item items[R2NET_MAX_ITEMS];
	size_t total = 0, length;
	int fd = join(R2NET_ROLE_DATA);
	unsigned int i;

	for (i = 0; i < R2NET_MAX_ITEMS; i++) {
		items[i] = wire_item(&leases[i % 3], i * 5000, R2NET_MAX_ITEM_LEN - i * (i % 2));
		total += le32_to_cpu(items[i].length);
	}
	fill_payload(total);
	exchange(fd, true, items, R2NET_MAX_ITEMS, NULL);
	exchange(fd, false, items, R2NET_MAX_ITEMS, &length);
	assert_int_equal(length, total);
	assert_memory_equal(payload, back, total);
	close(fd);
}

static void window_is_served_in_order(void **state)
{
	struct lender_lease made = lease(SIZE);
	int fd = join(R2NET_ROLE_DATA);
	struct r2net_item item;
	uint64_t tag, got;

	fill_payload(4096);
	for (tag = 0; tag < R2NET_MAX_WINDOW; tag++) {
		item = wire_item(&made, tag * 8, 8);
		assert_true(wire_write(fd, tag, &item, 1, payload + tag * 8));
	}
	for (tag = 0; tag < R2NET_MAX_WINDOW; tag++) {
		assert_int_equal(wire_answer(fd, &got, statuses, NULL, NULL), 1);
		assert_int_equal(got, tag);
	}
	item = wire_item(&made, 0, R2NET_MAX_WINDOW * 8);
	exchange(fd, false, &item, 1, NULL);
	assert_memory_equal(payload, back, R2NET_MAX_WINDOW * 8);
	close(fd);
}

/* Items that cannot be served do not keep the others of their request from being served. */
static void bad_items_are_answered(void **state)
{
	struct lender_lease mine = lease(SIZE), foreign, ended = lease(SIZE), wrong;
	struct r2net_item items[10];
	static const uint32_t expect[] = { R2NET_OK,	 R2NET_ESTALE, R2NET_ESTALE, R2NET_ESTALE, R2NET_ESTALE,
					   R2NET_ERANGE, R2NET_ERANGE, R2NET_ERANGE, R2NET_ESTALE, R2NET_OK };
	int fd = join(R2NET_ROLE_DATA);
	unsigned int i;
	size_t length;

	assert_int_equal(wire_lease(lender.door, OTHER_OWNER, INSTANCE, SIZE, 1, &foreign), 1);
	assert_int_equal(wire_release(lender.door, &ended, 1), 1);
	items[0] = wire_item(&mine, 0, 100);
	wrong = mine;
	wrong.generation++;
	items[1] = wire_item(&wrong, 0, 4112);
	wrong.generation = 0;
	items[2] = wire_item(&wrong, 0, 1);
	items[3] = wire_item(&foreign, 0, 4096);
	items[4] = wire_item(&ended, 0, 4096);
	items[5] = wire_item(&mine, SIZE, 1);
	items[6] = wire_item(&mine, SIZE - 99, 100);
	items[7] = wire_item(&mine, UINT32_MAX, 4096);
	wrong.extent = UINT32_MAX;
	wrong.generation = UINT32_MAX;
	items[8] = wire_item(&wrong, 0, 4096);
	items[9] = wire_item(&mine, SIZE - 100, 100);

	fill_payload(sizeof(payload));
	exchange(fd, true, items, 10, NULL);
	assert_memory_equal(statuses, expect, sizeof(expect));
	exchange(fd, false, items, 10, &length);
	assert_memory_equal(statuses, expect, sizeof(expect));
	assert_int_equal(length, 200);
	assert_memory_equal(back, payload, 100);
	for (i = length = 0; i < 9; i++)
		length += le32_to_cpu(items[i].length);
	assert_memory_equal(back + 100, payload + length, 100);
	assert_int_equal(wire_status(lender.door).stale, 10);
	assert_int_equal(wire_status(lender.door).range, 6);

	/* The foreign extent was neither written nor is it readable: its owner sees zeroes. */
	close(fd);
	fd = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	items[0] = wire_item(&foreign, 0, 4096);
	exchange(fd, false, items, 1, &length);
	assert_int_equal(length, 4096);
	for (i = 0; i < 4096; i++)
		assert_int_equal(back[i], 0);
	close(fd);
}

/* A frame may arrive byte by byte. */
static void slow_frames_are_served(void **state)
{
	struct lender_lease made = lease(SIZE);
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[2];
		uint8_t payload[16];
	} frame = { .hdr = wire_header(R2NET_WRITE, 2, 2 * sizeof(struct r2net_item) + 16, 77),
		    .items = { wire_item(&made, 0, 8), wire_item(&made, 8, 8) },
		    .payload = "0123456789abcde" };
	int fd = join(R2NET_ROLE_DATA);
	struct r2net_item item = wire_item(&made, 0, 16);
	uint64_t tag;
	size_t i;

	for (i = 0; i < sizeof(frame); i++)
		assert_true(wire_send(fd, (const uint8_t *)&frame + i, 1));
	assert_int_equal(wire_answer(fd, &tag, statuses, NULL, NULL), 2);
	assert_int_equal(tag, 77);
	exchange(fd, false, &item, 1, NULL);
	assert_memory_equal(back, frame.payload, 16);
	close(fd);
}

struct worker {
	pthread_t thread;
	struct lender_lease lease;
	uint32_t conn;
	unsigned int trips, stale, wrong;
};

/* Writes and reads its own extent until it is taken away. */
static void *work(void *argument)
{
	struct worker *worker = argument;
	uint32_t status[R2NET_MAX_ITEMS];
	struct r2net_item items[2];
	uint8_t out[5000], in[5000];
	uint64_t tag;
	int fd = wire_join(lender.port, OWNER, INSTANCE, TOKEN, worker->conn, R2NET_ROLE_DATA);

	for (; fd >= 0 && !worker->stale; worker->trips++) {
		memset(out, worker->trips + worker->conn, sizeof(out));
		items[0] = wire_item(&worker->lease, worker->trips % 100 * 4096, 4000);
		items[1] = wire_item(&worker->lease, SIZE - 1000, 1000);
		if (!wire_write(fd, 1, items, 2, out) || wire_answer(fd, &tag, status, NULL, NULL) != 2)
			break;
		if (!wire_read(fd, 2, items, 2) || wire_answer(fd, &tag, status, in, NULL) != 2)
			break;
		if (status[0] == R2NET_ESTALE)
			worker->stale++;
		else if (status[1] == R2NET_OK && memcmp(in, out, sizeof(out)))
			worker->wrong++;
	}
	close(fd);
	return NULL;
}

static void connections_work_side_by_side(void **state)
{
	enum { WORKERS = 6, LEASES = 20 };
	struct worker workers[WORKERS] = { 0 };
	struct lender_lease leases[4];
	unsigned int i;

	for (i = 0; i < WORKERS; i++) {
		workers[i].lease = lease(SIZE);
		workers[i].conn = next_conn++;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < LEASES || wire_status(lender.door).read_items < 4000; i++) {
		assert_int_equal(wire_lease(lender.door, OWNER, INSTANCE, SIZE, 4, leases), 4);
		assert_int_equal(wire_release(lender.door, leases, 4), 4);
	}
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(wire_release(lender.door, &workers[i].lease, 1), 1);
	for (i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].stale, 1);
		assert_int_equal(workers[i].wrong, 0);
	}
	assert_int_equal(wire_status(lender.door).lent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LENDER(hello_is_welcomed),
		WITH_LENDER(hello_is_refused),
		WITH_LENDER(numbers_come_in_any_order_but_once),
		WITH_LENDER(connections_are_limited),
		WITH_LENDER(control_connections_are_fewer),
		WITH_LENDER(every_size_comes_back),
		WITH_LENDER(full_vector_comes_back),
		WITH_LENDER(window_is_served_in_order),
		WITH_LENDER(bad_items_are_answered),
		WITH_LENDER(slow_frames_are_served),
		WITH_LENDER(connections_work_side_by_side),
	};

	return cmocka_run_group_tests_name("lender wire", tests, NULL, NULL);
}
