// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lender_share - what an owner with one connection gets from a lender, alone and beside an owner with 16 that takes all
 * that it can.
 *
 * Once it asks for one page after the other, as faults do, and once for as many as go into a READ, with two READs under
 * way; the times are those from one answer to the next then. The lender is bound to one CPU and the owners to the others,
 * where there are any, so that it is the lender that is short.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/greedy.h"

#define SECONDS 3 /* each line of the table */
#define MOST_SAMPLES (1U << 20)
#define WINDOW 2

#define MODEST 1
#define GREEDY 2
#define INSTANCE 1
#define TOKEN 1

struct result {
	unsigned int reads;
	double seconds, p50, p99; /* us */
	double bytes, all; /* payload: its own, everybody's */
};

static int lender_cpu;
static uint32_t samples[MOST_SAMPLES]; /* ns */

static void die(const char *what)
{
	fprintf(stderr, "lender_share: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Called in the lender's process. */
static bool bind_lender(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(lender_cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* The owners stay away from there, if they can. */
static void bind_owners(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity");
	if (CPU_COUNT(&set) > 1)
		CPU_CLR(lender_cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Asks with @window READs of @items pages under way, and counts. */
static struct result ask(int fd, int door, struct greedy_frame *frame, unsigned int items, unsigned int window)
{
	size_t length = sizeof(frame->hdr) + items * sizeof(frame->items[0]);
	size_t answer = sizeof(struct r2net_hdr) + items * (sizeof(struct r2net_result) + GREEDY_PAGE);
	uint64_t before, start, asked, now;
	struct result result = { 0 };
	unsigned int i;

	frame->hdr = wire_header(R2NET_READ, items, items * sizeof(frame->items[0]), 1);
	for (i = 1; i < window; i++)
		if (!wire_send(fd, frame, length))
			die("READ");
	before = wire_status(door).read_bytes;
	start = now_ns();
	do {
		asked = now_ns();
		if (!wire_send(fd, frame, length) || recv(fd, NULL, answer, MSG_TRUNC | MSG_WAITALL) != (ssize_t)answer)
			die("READ");
		now = now_ns();
		samples[result.reads++] = now - asked;
	} while (now - start < SECONDS * UINT64_C(1000000000) && result.reads < MOST_SAMPLES);
	result.all = wire_status(door).read_bytes - before;
	for (i = 1; i < window; i++)
		if (recv(fd, NULL, answer, MSG_TRUNC | MSG_WAITALL) != (ssize_t)answer)
			die("READ");
	qsort(samples, result.reads, sizeof(samples[0]), compare);
	result.seconds = (now - start) / 1e9;
	result.p50 = samples[result.reads / 2] / 1e3;
	result.p99 = samples[(size_t)(result.reads * 0.99)] / 1e3;
	result.bytes = (double)result.reads * items * GREEDY_PAGE;
	return result;
}

static void print(const char *what, const char *beside, const struct result *result)
{
	printf("%-18s %-12s %10.0f %10.0f %10.0f %9.0f %7.0f %%\n", what, beside, result->reads / result->seconds,
	       result->p50, result->p99, result->bytes / result->seconds / (1 << 20),
	       100 * result->bytes / result->all);
}

int main(void)
{
	struct wire_lender lender = { .prepare = bind_lender };
	struct greedy_frame frame;
	struct lender_lease lease;
	struct result result;
	struct greedy greedy;
	int fd;

	lender_cpu = sched_getcpu();
	if (!wire_lender_start(&lender, "64M"))
		die("ramster-lender");
	bind_owners();
	if (wire_admit(lender.door, MODEST, INSTANCE, TOKEN) ||
	    wire_lease(lender.door, MODEST, INSTANCE, R2NET_EXTENT_MIN, 1, &lease) != 1)
		die("lease");
	fd = wire_join(lender.port, MODEST, INSTANCE, TOKEN, 1, R2NET_ROLE_DATA);
	if (fd < 0)
		die("HELLO");
	greedy_read(&frame, &lease);
	printf("An owner with one connection, alone and beside one with %d\n", R2NET_MAX_CONNS);
	printf("%-18s %-12s %10s %10s %10s %9s %9s\n", "asks for", "", "READs/s", "p50 us", "p99 us", "MiB/s", "share");
	result = ask(fd, lender.door, &frame, 1, 1);
	print("a page at a time", "alone", &result);
	result = ask(fd, lender.door, &frame, R2NET_MAX_ITEMS, WINDOW);
	print("all it can get", "alone", &result);
	if (!greedy_start(&greedy, &lender, GREEDY))
		die("the greedy owner");
	result = ask(fd, lender.door, &frame, 1, 1);
	print("a page at a time", "beside it", &result);
	result = ask(fd, lender.door, &frame, R2NET_MAX_ITEMS, WINDOW);
	print("all it can get", "beside it", &result);
	greedy_stop(&greedy);
	close(fd);
	return wire_lender_stop(&lender) ? EXIT_FAILURE : EXIT_SUCCESS;
}
