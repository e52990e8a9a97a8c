// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * badpeer.c - lends memory to its own kernel, and answers one of its requests as no lender should.
 *
 * `badpeer OTHER read|write MISBEHAVIOUR`: the node OTHER must be in configfs, no ramsterd may run, and /dev/ramster0 must
 * have a size and be unused. Pages are written to it until the kernel has given some to this program; then each is read
 * back. The first READ, or the first WRITE, is answered badly; after misbehaviours that do not end the connection all are.
 * With "withheld" pages are read when the kernel has ended the connection. With "replayed" they are written several times,
 * and what stands in the peer's memory is what came there first.
 * `badpeer list` names the misbehaviours. Prints "right=N failed=N wrong=N": pages, failed being those whose reading was
 * an I/O error. Exit status: 0; 1 if any page had other bytes than were written.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "misbehaviour.h"
#include "nl.h"
#include "pages.h"
#include "r2net.h"
#include "ramster_nl.h"

#define DEVICE "/dev/ramster0"
#define COUNTERS "/sys/kernel/ramster/counters"
#define PAGES 2000
#define PAGES_REMOTE 300 /* enough to begin */
#define EXTENTS 4
#define VERSIONS 4 /* of each page, before they are replayed */

struct request {
	struct r2net_hdr hdr;
	struct r2net_item items[R2NET_MAX_ITEMS];
	unsigned int nr; /* items */
};

static uint8_t memory[EXTENTS][R2NET_EXTENT_DEFAULT];
static bool written[EXTENTS][R2NET_EXTENT_DEFAULT]; /* with "replayed": what is not written again */
static atomic_bool begun; /* misbehaviour may */
static atomic_bool silent;
static unsigned int bad_type; /* R2NET_READ or R2NET_WRITE */
static const struct misbehaviour *misbehaviour;

static void die(const char *what)
{
	perror(what);
	exit(3);
}

/* The lender: one thread a connection. */

static bool receive(int fd, void *buf, size_t len)
{
	return !len || recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static void transmit(int fd, const void *buf, size_t len)
{
	if (len && send(fd, buf, len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		die("badpeer: send");
}

static uint8_t *place(const struct r2net_item *item)
{
	uint32_t extent = le32_to_cpu(item->extent) - 1, offset = le32_to_cpu(item->offset);

	if (extent >= EXTENTS || offset + (uint64_t)le32_to_cpu(item->length) > sizeof(memory[0])) {
		errno = ERANGE;
		die("badpeer: the kernel's request");
	}
	return memory[extent] + offset;
}

/* Receives bytes, of which those stay that come to where nothing was before. */
static bool keep_first(int fd, uint8_t *to, size_t len)
{
	static _Thread_local uint8_t bytes[R2NET_MAX_ITEM_LEN];
	bool *known = &written[0][0] + (to - &memory[0][0]);
	size_t i;

	if (len > sizeof(bytes) || !receive(fd, bytes, len))
		return false;
	for (i = 0; i < len; i++) {
		if (!known[i])
			to[i] = bytes[i];
		known[i] = true;
	}
	return true;
}

static bool receive_page(int fd, const struct r2net_item *item)
{
	size_t len = le32_to_cpu(item->length);

	if (misbehaviour->replays)
		return keep_first(fd, place(item), len);
	return receive(fd, place(item), len);
}

static bool receive_request(int fd, struct request *r)
{
	unsigned int i;

	if (!receive(fd, &r->hdr, sizeof(r->hdr)))
		return false;
	r->nr = le16_to_cpu(r->hdr.items);
	if (r->hdr.type == R2NET_FENCE) {
		struct r2net_fence fence;

		return receive(fd, &fence, sizeof(fence));
	}
	if (!receive(fd, r->items, r->nr * sizeof(r->items[0])))
		return false;
	for (i = 0; r->hdr.type == R2NET_WRITE && i < r->nr; i++)
		if (!receive_page(fd, &r->items[i]))
			return false;
	return true;
}

/* What a lender should say. */
static void make_answer(const struct request *r, struct answer *a)
{
	unsigned int nr = r->nr ? r->nr : 1, i;

	memset(a, 0, offsetof(struct answer, body));
	memset(results(a), 0, nr * sizeof(struct r2net_result));
	a->cut = 0;
	a->hang_up = a->again = a->silence = false;
	a->delay_ms = 0;
	a->body_len = nr * sizeof(struct r2net_result);
	for (i = 0; r->hdr.type == R2NET_READ && i < nr; i++) {
		uint32_t len = le32_to_cpu(r->items[i].length);

		results(a)[i].length = r->items[i].length;
		memcpy(a->body + a->body_len, place(&r->items[i]), len);
		a->body_len += len;
	}
	a->hdr = (struct r2net_hdr){ .magic = cpu_to_le32(R2NET_MAGIC),
				     .version = R2NET_VERSION,
				     .type = R2NET_ANSWER,
				     .items = cpu_to_le16(nr),
				     .length = cpu_to_le32(a->body_len),
				     .tag = r->hdr.tag };
}

static void transmit_answer(int fd, const struct answer *a)
{
	size_t hdr = sizeof(a->hdr), body = a->body_len;

	if (a->cut > body) {
		hdr -= a->cut - body;
		body = 0;
	} else {
		body -= a->cut;
	}
	if (a->delay_ms)
		poll(NULL, 0, a->delay_ms);
	for (int times = a->again ? 2 : 1; times; times--) {
		transmit(fd, &a->hdr, hdr);
		transmit(fd, a->body, body);
	}
	if (a->hang_up)
		shutdown(fd, SHUT_RDWR);
}

static void *serve(void *arg)
{
	struct answer *a = calloc(1, sizeof(*a));
	int fd = *(int *)arg;
	bool done = false;
	struct request r;

	if (!a)
		die("badpeer");
	while (receive_request(fd, &r)) {
		if (atomic_load(&silent))
			continue;
		make_answer(&r, a);
		if (r.hdr.type == bad_type && atomic_load(&begun) && (!done || misbehaviour->repeat)) {
			misbehaviour->spoil(a);
			done = true;
			if (a->silence)
				atomic_store(&silent, true);
		}
		transmit_answer(fd, a);
	}
	free(a);
	return NULL;
}

/* The owner's side. */

static uint64_t counter(const char *name)
{
	FILE *file = fopen(COUNTERS, "r");
	char key[64];
	uint64_t value;

	if (!file)
		die(COUNTERS);
	while (fscanf(file, "%63s %" SCNu64, key, &value) == 2) {
		if (!strcmp(key, name)) {
			fclose(file);
			return value;
		}
	}
	errno = ENOENT;
	die(name);
	return 0;
}

static void command_end(void)
{
	char text[NL_TEXT_LEN];

	errno = -nl_send(text);
	if (!errno)
		return;
	fprintf(stderr, "badpeer: %s: %s\n", strerror(errno), text);
	exit(3);
}

static void command_begin(unsigned int command, unsigned int node, uint64_t instance)
{
	nl_begin(command);
	nl_put_u32(RAMSTER_A_NODE, node);
	nl_put_u64(RAMSTER_A_LENDER_INSTANCE, instance);
}

static void connect_kernel(unsigned int node, uint64_t instance, unsigned int number, enum r2net_role role, int *end)
{
	pthread_t thread;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		die("badpeer: socketpair");
	command_begin(RAMSTER_CMD_CONN_ADD, node, instance);
	nl_put_u32(RAMSTER_A_CONN, number);
	nl_put_u32(RAMSTER_A_ROLE, role);
	nl_put_u32(RAMSTER_A_WINDOW, 4);
	nl_put_u32(RAMSTER_A_FD, fds[0]);
	command_end();
	close(fds[0]);
	*end = fds[1];
	errno = pthread_create(&thread, NULL, serve, end);
	if (errno)
		die("badpeer: thread");
}

static void lend(unsigned int node, uint64_t instance)
{
	static int data, control;
	struct ramster_nl_lease leases[EXTENTS];
	unsigned int i;

	for (i = 0; i < EXTENTS; i++)
		leases[i] = (struct ramster_nl_lease){ .extent = i + 1, .generation = 1 };
	nl_open();
	command_begin(RAMSTER_CMD_PEER_SET, node, instance);
	nl_put_u32(RAMSTER_A_DEADLINE_MS, DEADLINE_MS);
	nl_put_u32(RAMSTER_A_SLOW_DEADLINE_MS, SLOW_DEADLINE_MS);
	command_end();
	connect_kernel(node, instance, 1, R2NET_ROLE_CONTROL, &control);
	connect_kernel(node, instance, 2, R2NET_ROLE_DATA, &data);
	command_begin(RAMSTER_CMD_LEASE_ADD, node, instance);
	nl_put_u32(RAMSTER_A_EXTENT_SIZE, R2NET_EXTENT_DEFAULT);
	nl_put(RAMSTER_A_LEASES, leases, sizeof(leases));
	command_end();
}

static void wait_for(const char *name, uint64_t value)
{
	static const struct timespec interval = { .tv_nsec = 20000000 };
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		if (counter(name) >= value)
			return;
		nanosleep(&interval, NULL);
	}
	errno = ETIMEDOUT;
	die(name);
}

static void write_pages(int fd, void *page, uint32_t version)
{
	unsigned int i;

	for (i = 1; i <= PAGES; i++) {
		page_fill(page, PAGE_TEXT, 1, i, version);
		if (pwrite(fd, page, PAGE_BYTES, (off_t)i * PAGE_BYTES) != PAGE_BYTES)
			die("badpeer: writing");
	}
}

static unsigned int read_pages(int fd, void *page, uint32_t version)
{
	unsigned int right = 0, failed = 0, wrong = 0, i;
	ssize_t got;

	for (i = 1; i <= PAGES; i++) {
		got = pread(fd, page, PAGE_BYTES, (off_t)i * PAGE_BYTES);
		if (got < 0 && errno == EIO)
			failed++;
		else if (got != PAGE_BYTES)
			die("badpeer: reading");
		else if (page_right(page, PAGE_TEXT, 1, i, version))
			right++;
		else
			wrong++;
	}
	printf("right=%u failed=%u wrong=%u\n", right, failed, wrong);
	return wrong;
}

static void arguments(int argc, char **argv)
{
	unsigned int i;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < nr_misbehaviours; i++)
			printf("%s\n", misbehaviours[i].name);
		exit(0);
	}
	for (i = 0; argc == 4 && i < nr_misbehaviours; i++)
		if (!strcmp(argv[3], misbehaviours[i].name))
			misbehaviour = &misbehaviours[i];
	if (!misbehaviour) {
		fprintf(stderr, "usage: badpeer OTHER read|write MISBEHAVIOUR, or badpeer list\n");
		exit(2);
	}
	bad_type = strcmp(argv[2], "read") ? R2NET_WRITE : R2NET_READ;
}

int main(int argc, char **argv)
{
	uint64_t instance, before, ended;
	unsigned int node, wrong, version = 1;
	void *page = NULL;
	int fd;

	arguments(argc, argv);
	node = strtoul(argv[1], NULL, 10);
	if (getrandom(&instance, sizeof(instance), 0) != sizeof(instance) ||
	    posix_memalign(&page, PAGE_BYTES, PAGE_BYTES))
		die("badpeer");
	fd = open(DEVICE, O_RDWR | O_DIRECT);
	if (fd < 0)
		die(DEVICE);
	atomic_store(&begun, bad_type == R2NET_WRITE);
	before = counter("remotify_writes");
	ended = counter("connections_failed");
	lend(node, instance);
	write_pages(fd, page, version);
	while (misbehaviour->replays && version < VERSIONS) {
		wait_for("pages_remote", PAGES_REMOTE);
		write_pages(fd, page, ++version);
	}
	if (bad_type == R2NET_READ)
		wait_for("pages_remote", PAGES_REMOTE);
	else
		wait_for("remotify_writes", before + 1);
	if (misbehaviour->ends)
		wait_for("connections_failed", ended + 1);
	atomic_store(&begun, true);
	wrong = read_pages(fd, page, version);
	command_begin(RAMSTER_CMD_PEER_DEAD, node, instance);
	command_end();
	return wrong ? 1 : 0;
}
