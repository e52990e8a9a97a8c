// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lender_rtt - what the lender adds to the network: the round trip of a 4 KiB READ, side by side with a bare blocking
 * TCP echo of the same sizes.
 *
 * Both servers are processes of their own on loopback and are asked by the same code. They take turns in short rounds,
 * so that whatever else the machine does falls on both alike. Left alone, the scheduler may put one server beside the
 * asker and the other on another CPU, which costs more than either server does: so both are bound, once to the asker's
 * CPU and once, where there is one, to another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/wire_client.h"

#define ROUNDS 200
#define TRIPS 250 /* of each server, a round */
#define WARM_UP 2000 /* trips */
#define PAGE 4096
#define SAMPLES (ROUNDS * TRIPS)
#define MOST_RATIO 1.15

#define OWNER 1
#define INSTANCE 1
#define TOKEN 1

struct request {
	struct r2net_hdr hdr;
	struct r2net_item item;
};

struct answer {
	struct r2net_hdr hdr;
	struct r2net_result result;
	uint8_t page[PAGE];
};

static void die(const char *what)
{
	fprintf(stderr, "lender_rtt: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* The bare server: take a request's bytes, send an answer's. */
static void echo_serve(int listener)
{
	static struct answer answer;
	struct request request;
	int fd = accept(listener, NULL, NULL), on = 1;

	if (fd < 0)
		_exit(EXIT_FAILURE);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (recv(fd, &request, sizeof(request), MSG_WAITALL) == sizeof(request))
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	_exit(EXIT_SUCCESS);
}

/* Returns a socket to it. */
static int echo_start(pid_t *pid)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	socklen_t length = sizeof(address);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		die("echo server");
	*pid = fork();
	if (*pid == 0)
		echo_serve(listener);
	fd = wire_connect(ntohs(address.sin_port));
	if (*pid < 0 || fd < 0)
		die("echo server");
	close(listener);
	return fd;
}

/* Returns a data connection to the lender, and a lease. */
static int lender_join(const struct wire_lender *lender, struct lender_lease *lease)
{
	int fd;

	if (wire_admit(lender->door, OWNER, INSTANCE, TOKEN) ||
	    wire_lease(lender->door, OWNER, INSTANCE, R2NET_EXTENT_DEFAULT, 1, lease) != 1)
		die("lease");
	fd = wire_join(lender->port, OWNER, INSTANCE, TOKEN, 1, R2NET_ROLE_DATA);
	if (fd < 0)
		die("HELLO");
	return fd;
}

/* One round trip in nanoseconds. Whole frames are received, whatever the answer is. */
static uint32_t trip(int fd, struct request *request)
{
	static struct answer answer;
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!wire_send(fd, request, sizeof(*request)) || !wire_receive(fd, &answer, sizeof(answer)))
		die("round trip");
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec;
}

/* Pages are read all over the extent, as faults do. */
static void next_page(struct request *request)
{
	static uint32_t page;

	page = (page * 5 + 1) % (R2NET_EXTENT_DEFAULT / PAGE);
	request->item.offset = cpu_to_le32(page * PAGE);
}

static void measure(int echo, int lender, struct request *request, uint32_t *echo_ns, uint32_t *lender_ns)
{
	unsigned int round, i;

	for (i = 0; i < WARM_UP; i++) {
		trip(echo, request);
		trip(lender, request);
	}
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < TRIPS; i++) {
			next_page(request);
			*echo_ns++ = trip(echo, request);
		}
		for (i = 0; i < TRIPS; i++) {
			next_page(request);
			*lender_ns++ = trip(lender, request);
		}
	}
}

static void save(FILE *raw, const char *place, const uint32_t *echo_ns, const uint32_t *lender_ns)
{
	unsigned int i;

	for (i = 0; i < SAMPLES; i++)
		fprintf(raw, "%s,%u,%u\n", place, echo_ns[i], lender_ns[i]);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double percentile(const uint32_t *sorted, double share)
{
	return sorted[(size_t)(share * (SAMPLES - 1))] / 1000.0;
}

/* Returns whether the figure is reached. */
static bool report(const char *place, uint32_t *echo_ns, uint32_t *lender_ns)
{
	double echo, lender, echo99, lender99;

	qsort(echo_ns, SAMPLES, sizeof(*echo_ns), compare);
	qsort(lender_ns, SAMPLES, sizeof(*lender_ns), compare);
	echo = percentile(echo_ns, 0.5);
	lender = percentile(lender_ns, 0.5);
	echo99 = percentile(echo_ns, 0.99);
	lender99 = percentile(lender_ns, 0.99);
	printf("4 KiB READ over loopback, servers on %s, %d round trips each\n", place, SAMPLES);
	printf("%-22s %12s %12s\n", "", "median us", "p99 us");
	printf("%-22s %12.2f %12.2f\n", "bare blocking echo", echo, echo99);
	printf("%-22s %12.2f %12.2f\n", "ramster-lender", lender, lender99);
	printf("%-22s %12.3f %12.3f\n", "ratio", lender / echo, lender99 / echo99);
	printf("%-22s %12.2f %s\n\n", "wanted, at most", MOST_RATIO,
	       lender <= echo * MOST_RATIO ? "reached" : "MISSED");
	return lender <= echo * MOST_RATIO;
}

/* Returns a CPU that we may run on, but not @cpu; -1 if there is none. */
static int other_cpu(int cpu)
{
	cpu_set_t set;
	int i;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity");
	for (i = 0; i < CPU_SETSIZE; i++)
		if (i != cpu && CPU_ISSET(i, &set))
			return i;
	return -1;
}

static void bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* Measures with both servers on @cpu. Returns whether the figure is reached. */
static bool run(const char *place, int cpu, int asker_cpu, FILE *raw)
{
	static uint32_t echo_ns[SAMPLES], lender_ns[SAMPLES];
	struct lender_lease lease;
	struct wire_lender lender = { 0 };
	struct request request;
	int echo_fd, lender_fd;
	pid_t echo;

	bind_to(cpu); /* the servers inherit it */
	echo_fd = echo_start(&echo);
	if (!wire_lender_start(&lender, "64M"))
		die("ramster-lender");
	lender_fd = lender_join(&lender, &lease);
	bind_to(asker_cpu);
	request.hdr = wire_header(R2NET_READ, 1, sizeof(request.item), 1);
	request.item = wire_item(&lease, 0, PAGE);
	measure(echo_fd, lender_fd, &request, echo_ns, lender_ns);
	close(lender_fd);
	close(echo_fd);
	waitpid(echo, NULL, 0);
	if (wire_lender_stop(&lender))
		die("ramster-lender's end");
	save(raw, place, echo_ns, lender_ns);
	return report(place, echo_ns, lender_ns);
}

int main(int argc, char **argv)
{
	const char *path = argc == 2 ? argv[1] : "/dev/null";
	int cpu = sched_getcpu(), other;
	bool reached;
	FILE *raw;

	if (argc > 2) {
		fprintf(stderr, "Usage: lender_rtt [FILE]\nFILE takes every round trip, as CSV.\n");
		return 2;
	}
	raw = fopen(path, "w");
	if (!raw)
		die(path);
	fprintf(raw, "servers,echo_ns,lender_ns\n");
	other = other_cpu(cpu);
	reached = run("the asker's CPU", cpu, cpu, raw);
	if (other >= 0)
		reached &= run("another CPU", other, cpu, raw);
	if (fclose(raw))
		die(path);
	return reached ? EXIT_SUCCESS : EXIT_FAILURE;
}
