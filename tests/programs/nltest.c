// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nltest.c - sends the module commands that it must refuse.
 *
 * `nltest OTHER`: the node of that number must be in configfs, and no ramsterd may run. A peer is made known there, with
 * a connection and leases; then each case sends one bad command and prints "CASE: ERRNO: EXPLANATION". What the kernel
 * has must not change by that. Exit status: 0, or 1 if any command got another answer than it must, or changed anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"
#include "r2net.h"
#include "ramster_nl.h"

#define INSTANCE 0x1122334455667788
#define CONN 1
#define MIB (1U << 20)
#define NOWHERE 77 /* a node that is not in configfs */

static unsigned int node;
static struct ramster_nl_lease leases[2 * RAMSTER_NL_MAX_LEASES];

/* The attributes of a good command; what a case says instead takes their place. */
struct values {
	unsigned int node;
	unsigned long long instance;
	unsigned int deadline, slow_deadline;
	unsigned int conn, role, window;
	int fd;
	unsigned int size, first, nr; /* leases */
	unsigned int odd; /* bytes more than whole leases */
	unsigned int count;
	unsigned int missing; /* the attribute that is not there */
	unsigned int short_one; /* the attribute that has one byte */
};

static void put(const struct values *v, unsigned int attribute, const void *data, size_t len)
{
	if (attribute != v->missing)
		nl_put(attribute, data, attribute == v->short_one ? 1 : len);
}

#define PUT(v, attribute, value) put(v, attribute, &(value), sizeof(value))

static void put_leases(const struct values *v)
{
	put(v, RAMSTER_A_LEASES, leases + v->first, v->nr * sizeof(leases[0]) + v->odd);
}

static void command(unsigned int which, const struct values *v)
{
	nl_begin(which);
	PUT(v, RAMSTER_A_NODE, v->node);
	if (which != RAMSTER_CMD_CONN_DEL)
		PUT(v, RAMSTER_A_LENDER_INSTANCE, v->instance);
	switch (which) {
	case RAMSTER_CMD_PEER_SET:
		PUT(v, RAMSTER_A_DEADLINE_MS, v->deadline);
		PUT(v, RAMSTER_A_SLOW_DEADLINE_MS, v->slow_deadline);
		break;
	case RAMSTER_CMD_CONN_ADD:
		PUT(v, RAMSTER_A_CONN, v->conn);
		PUT(v, RAMSTER_A_ROLE, v->role);
		PUT(v, RAMSTER_A_WINDOW, v->window);
		PUT(v, RAMSTER_A_FD, v->fd);
		break;
	case RAMSTER_CMD_CONN_DEL:
		PUT(v, RAMSTER_A_CONN, v->conn);
		break;
	case RAMSTER_CMD_LEASE_ADD:
		PUT(v, RAMSTER_A_EXTENT_SIZE, v->size);
		put_leases(v);
		break;
	case RAMSTER_CMD_LENT_GROUP:
		PUT(v, RAMSTER_A_FD, v->fd);
		break;
	case RAMSTER_CMD_LEASE_RETURN:
		PUT(v, RAMSTER_A_COUNT, v->count);
		break;
	}
}

static int stream_pair[2];

static struct values good_values(void)
{
	return (struct values){ .node = node,
				.instance = INSTANCE,
				.deadline = 3000,
				.slow_deadline = 30000,
				.conn = CONN + 1,
				.role = R2NET_ROLE_DATA,
				.window = 4,
				.fd = stream_pair[0],
				.size = 4 * MIB,
				.first = 4,
				.nr = 4,
				.count = 1 };
}

static int checked(int fd)
{
	if (fd >= 0)
		return fd;
	perror("nltest: socket");
	exit(3);
}

static int closed_fd(void)
{
	int fd = checked(dup(0));

	close(fd);
	return fd;
}

static int listening_fd(void)
{
	int fd = checked(socket(AF_INET, SOCK_STREAM, 0));

	checked(listen(fd, 1));
	return fd;
}

static int connected_udp_fd(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(9),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = checked(socket(AF_INET, SOCK_DGRAM, 0));

	checked(connect(fd, (void *)&address, sizeof(address)));
	return fd;
}

static int seqpacket_fd(void)
{
	int fds[2];

	checked(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
	return fds[0];
}

static unsigned int wrong;

/* Sends what was begun, which must be refused with that errno and an explanation. */
static void refused(const char *name, int want)
{
	char text[NL_TEXT_LEN];
	int err = nl_send(text);

	printf("%s: %s: %s\n", name, err ? strerrorname_np(-err) : "accepted", text);
	if (err == -want && text[0])
		return;
	printf("WRONG: %s: expected %s and an explanation\n", name, strerrorname_np(want));
	wrong++;
}

#define CASE(which, want, ...)                                                                                         \
	do {                                                                                                           \
		struct values v = good_values();                                                                       \
		__VA_ARGS__;                                                                                           \
		command(RAMSTER_CMD_##which, &v);                                                                      \
		refused(#which " " #__VA_ARGS__, want);                                                                \
	} while (0)

static void bad_peers(void)
{
	CASE(PEER_SET, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(PEER_SET, EINVAL, v.missing = RAMSTER_A_LENDER_INSTANCE);
	CASE(PEER_SET, EINVAL, v.missing = RAMSTER_A_DEADLINE_MS);
	CASE(PEER_SET, EINVAL, v.missing = RAMSTER_A_SLOW_DEADLINE_MS);
	CASE(PEER_SET, EINVAL, v.short_one = RAMSTER_A_NODE);
	CASE(PEER_SET, EINVAL, v.short_one = RAMSTER_A_LENDER_INSTANCE);
	CASE(PEER_SET, ERANGE, v.node = 300);
	CASE(PEER_SET, ERANGE, v.node = R2NET_MAX_NODES);
	CASE(PEER_SET, ENOENT, v.node = NOWHERE);
	CASE(PEER_SET, ERANGE, v.deadline = 0);
	CASE(PEER_SET, ERANGE, v.deadline = 99);
	CASE(PEER_SET, ERANGE, v.deadline = 60001);
	CASE(PEER_SET, ERANGE, v.slow_deadline = 2999);
	CASE(PEER_SET, ERANGE, v.slow_deadline = 600001);
	CASE(PEER_DEAD, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(PEER_DEAD, EINVAL, v.missing = RAMSTER_A_LENDER_INSTANCE);
	CASE(PEER_DEAD, ENOENT, v.node = NOWHERE);
	CASE(PEER_DEAD, ENOENT, v.instance++);
	CASE(PEER_AWAY, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(PEER_AWAY, EINVAL, v.missing = RAMSTER_A_LENDER_INSTANCE);
	CASE(PEER_AWAY, ENOENT, v.node = NOWHERE);
	CASE(PEER_AWAY, ENOENT, v.instance++);
}

static void bad_connections(void)
{
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_LENDER_INSTANCE);
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_CONN);
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_ROLE);
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_WINDOW);
	CASE(CONN_ADD, EINVAL, v.missing = RAMSTER_A_FD);
	CASE(CONN_ADD, ENOENT, v.node = NOWHERE);
	CASE(CONN_ADD, ENOENT, v.instance++);
	CASE(CONN_ADD, ERANGE, v.conn = 0);
	CASE(CONN_ADD, EEXIST, v.conn = CONN);
	CASE(CONN_ADD, ERANGE, v.role = 0);
	CASE(CONN_ADD, ERANGE, v.role = 3);
	CASE(CONN_ADD, ERANGE, v.window = 0);
	CASE(CONN_ADD, ERANGE, v.window = R2NET_MAX_WINDOW + 1);
	CASE(CONN_ADD, EBADF, v.fd = -1);
	CASE(CONN_ADD, EBADF, v.fd = closed_fd());
	CASE(CONN_ADD, ENOTSOCK, v.fd = checked(open("/dev/null", O_RDWR)));
	CASE(CONN_ADD, EPROTOTYPE, v.fd = checked(socket(AF_INET, SOCK_DGRAM, 0)));
	CASE(CONN_ADD, EPROTOTYPE, v.fd = connected_udp_fd());
	CASE(CONN_ADD, EPROTOTYPE, v.fd = seqpacket_fd());
	CASE(CONN_ADD, EPROTOTYPE, v.fd = checked(socket(AF_NETLINK, SOCK_RAW, 0)));
	CASE(CONN_ADD, ENOTCONN, v.fd = checked(socket(AF_INET, SOCK_STREAM, 0)));
	CASE(CONN_ADD, ENOTCONN, v.fd = checked(socket(AF_INET6, SOCK_STREAM, 0)));
	CASE(CONN_ADD, ENOTCONN, v.fd = checked(socket(AF_UNIX, SOCK_STREAM, 0)));
	CASE(CONN_ADD, ENOTCONN, v.fd = listening_fd());
	CASE(CONN_DEL, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(CONN_DEL, EINVAL, v.missing = RAMSTER_A_CONN);
	CASE(CONN_DEL, ENOENT, v.node = NOWHERE);
	CASE(CONN_DEL, ENOENT, v.conn = CONN + 1);
}

static void bad_leases(void)
{
	CASE(LEASE_ADD, EINVAL, v.missing = RAMSTER_A_NODE);
	CASE(LEASE_ADD, EINVAL, v.missing = RAMSTER_A_LENDER_INSTANCE);
	CASE(LEASE_ADD, EINVAL, v.missing = RAMSTER_A_EXTENT_SIZE);
	CASE(LEASE_ADD, EINVAL, v.missing = RAMSTER_A_LEASES);
	CASE(LEASE_ADD, ENOENT, v.node = NOWHERE);
	CASE(LEASE_ADD, ENOENT, v.instance++);
	CASE(LEASE_ADD, EINVAL, v.size = 0);
	CASE(LEASE_ADD, EINVAL, v.size = 3 * MIB);
	CASE(LEASE_ADD, EINVAL, v.size = 4 * MIB + 1);
	CASE(LEASE_ADD, EINVAL, v.size = 128 * MIB);
	CASE(LEASE_ADD, EINVAL, v.size = UINT_MAX);
	CASE(LEASE_ADD, EINVAL, v.nr = 0);
	CASE(LEASE_ADD, EINVAL, v.odd = 4);
	CASE(LEASE_ADD, ERANGE, v.nr = RAMSTER_NL_MAX_LEASES + 1);
	CASE(LEASE_ADD, EEXIST, v.first = 0);
	CASE(LEASE_ADD, EEXIST, v.first = 2);
	leases[5] = leases[4];
	CASE(LEASE_ADD, EEXIST, v.first = 4);
	CASE(LEASE_RETURN, EINVAL, v.missing = RAMSTER_A_COUNT);
	CASE(LEASE_RETURN, ERANGE, v.count = 0);
	CASE(LEASE_RETURN, ERANGE, v.count = RAMSTER_NL_MAX_LEASES + 1);
	CASE(LEASE_RETURN, ENOENT, v.instance++);
}

static void bad_groups(void)
{
	CASE(LENT_GROUP, EINVAL, v.missing = RAMSTER_A_FD);
	CASE(LENT_GROUP, EINVAL, v.short_one = RAMSTER_A_FD);
	CASE(LENT_GROUP, EBADF, v.fd = -1);
	CASE(LENT_GROUP, EBADF, v.fd = closed_fd());
	CASE(LENT_GROUP, EBADF, v.fd = stream_pair[0]);
	CASE(LENT_GROUP, EBADF, v.fd = checked(open("/proc", O_RDONLY | O_DIRECTORY)));
	CASE(LENT_GROUP, EBADF, v.fd = checked(open("/sys/fs/cgroup/cgroup.procs", O_RDONLY)));
}

/* A peer with a connection and the leases 0 ... 3. */
static void good(void)
{
	static const unsigned int commands[] = { RAMSTER_CMD_PEER_SET, RAMSTER_CMD_CONN_ADD, RAMSTER_CMD_LEASE_ADD };
	char text[NL_TEXT_LEN];
	unsigned int i;
	int err;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct values v = good_values();

		v.first = 0;
		v.conn = CONN;
		command(commands[i], &v);
		err = nl_send(text);
		if (!err)
			continue;
		fprintf(stderr, "nltest: a good command: %s: %s\n", strerror(-err), text);
		exit(3);
	}
}

static void bury(void)
{
	struct values v = good_values();
	char text[NL_TEXT_LEN];

	command(RAMSTER_CMD_PEER_DEAD, &v);
	if (nl_send(text)) {
		printf("WRONG: PEER_DEAD: %s\n", text);
		wrong++;
	}
}

/* What the kernel has. */
struct picture {
	uint8_t bytes[16384];
	size_t len;
};

static void take_picture(struct picture *p)
{
	static const unsigned int commands[] = { RAMSTER_CMD_PEER_GET, RAMSTER_CMD_CONN_GET, RAMSTER_CMD_LEASE_GET };
	unsigned int i;

	p->len = 0;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		p->len += nl_dump(commands[i], p->bytes + p->len, sizeof(p->bytes) - p->len);
}

int main(int argc, char **argv)
{
	static struct picture before, after;
	unsigned int i;

	if (argc != 2) {
		fprintf(stderr, "usage: nltest OTHER\n");
		return 2;
	}
	node = strtoul(argv[1], NULL, 10);
	for (i = 0; i < sizeof(leases) / sizeof(leases[0]); i++)
		leases[i] = (struct ramster_nl_lease){ .extent = i + 1, .generation = i + 1 };
	checked(socketpair(AF_UNIX, SOCK_STREAM, 0, stream_pair));
	nl_open();
	good();
	take_picture(&before);
	bad_peers();
	bad_connections();
	bad_leases();
	bad_groups();
	take_picture(&after);
	if (before.len != after.len || memcmp(before.bytes, after.bytes, after.len)) {
		printf("WRONG: the kernel's peers, connections or leases changed\n");
		wrong++;
	}
	bury();
	return wrong ? 1 : 0;
}
