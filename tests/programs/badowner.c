// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * badowner.c - a node with a token that does with its lender what no owner should.
 *
 * `badowner admit OWNER`, on the donor: the lender lets OWNER connect and leases it an extent. Prints a ticket.
 * `badowner ADDRESS TICKET SECONDS MISBEHAVIOUR`, on any node: misbehaves with CONNECTIONS connections for so long.
 * `badowner expel TICKET`, on the donor: takes all back.
 * `badowner list` names the misbehaviours. Prints "served=N refused=N ended=N": items, and connections that the lender has
 * ended. Exit status: 0; 1 if an item was served that must not be; 3 if the lender does not take it at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/wire_client.h"

#define DOOR "/run/ramster-lender/lender.sock"
#define TOKEN 0x77
#define CONNECTIONS 12
#define FIRST_CONN 1000 /* numbers below are those of other owners' connections */
#define PAGE_LEN 4096
#define LORIS_MS 200 /* between two bytes */
#define IDLE_MAX 60 /* openings that one thread leaves unfinished at a time */

/* What `admit` tells the other commands. */
struct ticket {
	uint32_t port, donor, owner;
	uint64_t instance;
	struct lender_lease own, others; /* another owner's extent, if it is not 0 */
};

static struct ticket ticket;
static const char *address;
static const struct misbehaviour *misbehaviour;
static time_t end;
static atomic_uint_least32_t next_conn = FIRST_CONN;
static atomic_uint_least64_t served, refused, ended;

/* Tells why, with errno if it has something to say. */
static void die(const char *what)
{
	fprintf(stderr, "badowner: %s: %s\n", what, strerror(errno));
	exit(3);
}

/* The side door. */

static int door_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = DOOR };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(DOOR);
	return fd;
}

/* An extent that somebody else has. */
static struct lender_lease others_lease(int door, uint32_t owner)
{
	struct lender_request request = { .command = LENDER_LIST };
	struct lender_reply reply;

	errno = -wire_door(door, &request, &reply);
	if (errno)
		die("LIST");
	for (unsigned int i = 0; i < reply.count; i++)
		if (reply.leases[i].owner != owner)
			return reply.leases[i];
	return (struct lender_lease){ 0 };
}

static void admit(uint32_t owner)
{
	struct ticket t = { .owner = owner };
	struct lender_status status;
	int door = door_connect();

	if (getrandom(&t.instance, sizeof(t.instance), 0) != sizeof(t.instance))
		die("random numbers");
	errno = -wire_admit(door, owner, t.instance, TOKEN);
	if (errno)
		die("ADMIT");
	if (wire_lease(door, owner, t.instance, R2NET_EXTENT_DEFAULT, 1, &t.own) != 1)
		die("LEASE");
	status = wire_status(door);
	t.port = status.port;
	t.donor = status.donor;
	t.others = others_lease(door, owner);
	for (unsigned int i = 0; i < sizeof(t); i++)
		printf("%02x", ((uint8_t *)&t)[i]);
	printf("\n");
}

static void expel(void)
{
	struct lender_request request = { .command = LENDER_EXPEL, .owner = ticket.owner, .instance = ticket.instance };
	struct lender_reply reply;
	int door = door_connect();

	do {
		errno = -wire_door(door, &request, &reply);
		if (errno)
			die("EXPEL");
	} while (reply.count);
}

/* Connections. */

static int join(enum r2net_role role)
{
	uint32_t number = atomic_fetch_add(&next_conn, 1);
	struct wire_hello hello;
	int fd = wire_connect_to(address, ticket.port), status;

	if (fd < 0)
		die("connecting");
	wire_hello_fill(&hello, ticket.owner, ticket.instance, TOKEN, number, role);
	hello.hello.donor = cpu_to_le32(ticket.donor);
	status = wire_hello(fd, &hello, NULL);
	if (status == R2NET_OK)
		return fd;
	close(fd);
	/* One that has ended may still count. */
	if (status != R2NET_EAGAIN) {
		fprintf(stderr, "badowner: HELLO is answered %d\n", status);
		exit(3);
	}
	poll(NULL, 0, 20);
	return -1;
}

/* One request of R2NET_MAX_ITEMS pages, and its answer. Returns false if the connection ends. */
static bool request(int fd, bool write, struct r2net_item item)
{
	static _Thread_local uint8_t payload[R2NET_MAX_LENGTH];
	struct r2net_item items[R2NET_MAX_ITEMS];
	uint32_t statuses[R2NET_MAX_ITEMS];
	uint64_t tag;
	int got;

	for (unsigned int i = 0; i < R2NET_MAX_ITEMS; i++)
		items[i] = item;
	memset(payload, 0xbd, sizeof(payload));
	if (!(write ? wire_write(fd, 1, items, R2NET_MAX_ITEMS, payload) : wire_read(fd, 1, items, R2NET_MAX_ITEMS)))
		return false;
	got = wire_answer(fd, &tag, statuses, payload, NULL);
	for (int i = 0; i < got; i++)
		atomic_fetch_add(statuses[i] == R2NET_OK ? &served : &refused, 1);
	return got > 0;
}

/* Misbehaviours: each is called again and again with a connection, and returns whether it is to be used once more. */

static bool others(int fd)
{
	struct r2net_item item = wire_item(&ticket.others, 0, PAGE_LEN);

	if (!ticket.others.extent) {
		errno = ENOENT;
		die("another owner's extent");
	}
	return request(fd, true, item) && request(fd, false, item);
}

static bool stale(int fd)
{
	struct r2net_item item = wire_item(&ticket.own, 0, PAGE_LEN);

	item.generation = cpu_to_le32(ticket.own.generation - 1);
	if (!request(fd, true, item))
		return false;
	item.generation = cpu_to_le32(ticket.own.generation + 1);
	return request(fd, false, item);
}

static bool out_of_range(int fd)
{
	struct r2net_item item = wire_item(&ticket.own, ticket.own.size - PAGE_LEN + 1, PAGE_LEN);

	if (!request(fd, true, item))
		return false;
	item.offset = cpu_to_le32(UINT32_MAX - PAGE_LEN + 2);
	return request(fd, false, item);
}

static bool flood(int fd)
{
	struct r2net_item item = wire_item(&ticket.own, 0, PAGE_LEN);

	return request(fd, true, item) && request(fd, false, item);
}

/* Headers of which a few bits are wrong, and some bytes after them. */
static bool malformed(int fd)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_item item;
	} frame = { .hdr = wire_header(R2NET_READ, 1, sizeof(frame.item), 1),
		    .item = wire_item(&ticket.own, 0, PAGE_LEN) };
	size_t checked = offsetof(struct r2net_hdr, tag);

	((uint8_t *)&frame)[rand() % checked] ^= 1 << rand() % 8;
	wire_send(fd, &frame, sizeof(frame));
	shutdown(fd, SHUT_WR);
	while (!wire_ended(fd))
		;
	return false;
}

/* A WRITE that ends in the middle of a page, by a reset. */
static bool cut(int fd)
{
	const struct linger reset = { .l_onoff = 1 };
	struct r2net_item item = wire_item(&ticket.own, 0, PAGE_LEN);
	struct r2net_hdr hdr = wire_header(R2NET_WRITE, 1, sizeof(item) + PAGE_LEN, 1);
	uint8_t half[PAGE_LEN / 2] = { 0 };

	wire_send(fd, &hdr, sizeof(hdr));
	wire_send(fd, &item, sizeof(item));
	wire_send(fd, half, sizeof(half));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return false;
}

/* A reset may not get into a full window, so that only who asks hears of the end. */
static void ask_if_alive(int fd)
{
	int on = 1, seconds = 2;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
}

/* READs whose answers nobody takes. */
static bool unread(int fd)
{
	struct r2net_item items[R2NET_MAX_ITEMS];
	struct pollfd hang_up = { .fd = fd };

	for (unsigned int i = 0; i < R2NET_MAX_ITEMS; i++)
		items[i] = wire_item(&ticket.own, 0, PAGE_LEN);
	ask_if_alive(fd);
	for (unsigned int i = 0; i < R2NET_MAX_WINDOW; i++)
		if (!wire_read(fd, i, items, R2NET_MAX_ITEMS))
			return false;
	while (time(NULL) < end)
		if (poll(&hang_up, 1, 1000) > 0)
			return false;
	return true;
}

/* A WRITE that takes for ever. */
static bool loris(int fd)
{
	struct r2net_item item = wire_item(&ticket.own, 0, PAGE_LEN);
	struct {
		struct r2net_hdr hdr;
		struct r2net_item item;
		uint8_t payload[PAGE_LEN];
	} frame = { .hdr = wire_header(R2NET_WRITE, 1, sizeof(item) + PAGE_LEN, 1), .item = item };
	struct pollfd hang_up = { .fd = fd };

	for (size_t i = 0; i < sizeof(frame) && time(NULL) < end; i++) {
		if (!wire_send(fd, (uint8_t *)&frame + i, 1) || poll(&hang_up, 1, LORIS_MS) > 0)
			return false;
	}
	return true;
}

/* Fences of all numbers that another owner's connections may have. */
static bool fences(int fd)
{
	static atomic_uint_least32_t number;
	uint32_t statuses[R2NET_MAX_ITEMS];
	uint64_t tag;

	return wire_fence(fd, 1, atomic_fetch_add(&number, 1) % FIRST_CONN) &&
	       wire_answer(fd, &tag, statuses, NULL, NULL) == 1;
}

/* Connections that have not proven anything, as many as there can be. */
static void openings(void)
{
	struct pollfd idle[IDLE_MAX];

	for (unsigned int i = 0; i < IDLE_MAX; i++) {
		idle[i] = (struct pollfd){ .fd = wire_connect_to(address, ticket.port), .events = POLLRDHUP };
		if (idle[i].fd >= 0)
			wire_send(idle[i].fd, "r2n1", i % 5);
	}
	while (time(NULL) < end && poll(idle, IDLE_MAX, 1000) >= 0) {
		for (unsigned int i = 0; i < IDLE_MAX; i++) {
			if (idle[i].fd >= 0 && !idle[i].revents)
				continue;
			if (idle[i].fd >= 0)
				close(idle[i].fd);
			atomic_fetch_add(&ended, 1);
			idle[i].fd = wire_connect_to(address, ticket.port);
		}
	}
}

static const struct misbehaviour {
	const char *name;
	bool (*act)(int fd);
	bool served; /* its items may be */
	enum r2net_role role;
} misbehaviours[] = {
	{ "others", others, false, R2NET_ROLE_DATA },
	{ "stale", stale, false, R2NET_ROLE_DATA },
	{ "range", out_of_range, false, R2NET_ROLE_DATA },
	{ "malformed", malformed, false, R2NET_ROLE_DATA },
	{ "cut", cut, false, R2NET_ROLE_DATA },
	{ "flood", flood, true, R2NET_ROLE_DATA },
	{ "unread", unread, true, R2NET_ROLE_DATA },
	{ "loris", loris, true, R2NET_ROLE_DATA },
	{ "fences", fences, false, R2NET_ROLE_CONTROL },
	{ "openings", NULL, false, 0 },
};
#define NR_MISBEHAVIOURS (sizeof(misbehaviours) / sizeof(misbehaviours[0]))

static void *misbehave(void *arg)
{
	int fd = -1;

	if (!misbehaviour->act)
		openings();
	else
		while (time(NULL) < end) {
			if (fd < 0)
				fd = join(misbehaviour->role);
			if (fd < 0 || misbehaviour->act(fd))
				continue;
			close(fd);
			fd = -1;
			atomic_fetch_add(&ended, 1);
		}
	return NULL;
}

static void take_ticket(const char *text)
{
	unsigned int byte;

	for (unsigned int i = 0; i < sizeof(ticket); i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
			errno = EINVAL;
			die("the ticket");
		}
		((uint8_t *)&ticket)[i] = byte;
	}
}

static const struct misbehaviour *find(const char *name)
{
	for (unsigned int i = 0; i < NR_MISBEHAVIOURS; i++)
		if (!strcmp(name, misbehaviours[i].name))
			return &misbehaviours[i];
	return NULL;
}

static int run(void)
{
	pthread_t threads[CONNECTIONS];

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		errno = pthread_create(&threads[i], NULL, misbehave, NULL);
		if (errno)
			die("thread");
	}
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		pthread_join(threads[i], NULL);
	printf("served=%" PRIuLEAST64 " refused=%" PRIuLEAST64 " ended=%" PRIuLEAST64 "\n", served, refused, ended);
	return served && !misbehaviour->served;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (unsigned int i = 0; i < NR_MISBEHAVIOURS; i++)
			printf("%s\n", misbehaviours[i].name);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "admit")) {
		admit(strtoul(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "expel")) {
		take_ticket(argv[2]);
		expel();
		return 0;
	}
	if (argc != 5 || !(misbehaviour = find(argv[4]))) {
		fprintf(stderr,
			"usage: badowner admit OWNER | expel TICKET | ADDRESS TICKET SECONDS MISBEHAVIOUR | list\n");
		return 2;
	}
	address = argv[1];
	take_ticket(argv[2]);
	end = time(NULL) + strtoul(argv[3], NULL, 10);
	return run();
}
