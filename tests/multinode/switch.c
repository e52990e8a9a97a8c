// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * switch - the Ethernet switch between the nodes of a lab.
 *
 *	switch DIRECTORY NAME...
 *
 * Listens on the unix socket DIRECTORY/NAME for each node's QEMU (-netdev vhost-user). Learns which node an address is
 * at. What it does to the frames of a link, a pair of nodes in one direction, is set by commands on the standard input,
 * one a line, each answered by one line on the standard output:
 *
 *	cut FROM TO 0|1       let no frame through
 *	delay FROM TO MS      hold each frame so long
 *	drop FROM TO PERCENT  lose so many frames, at random
 *	capture NODE FILE     write the node's frames to a pcap file; "-" ends it
 *	links                 the state and counters of every link, as JSON
 *
 * It ends with the standard input. A frame is copied out of the sender's memory and into the receiver's, which is
 * all of its way; only what a link holds or a receiver has no buffers for is copied once more.
 */
#include "vhost.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS 64
#define BACKLOG_LIMIT (16 << 20) /* bytes waiting for one node; frames beyond are lost, as in any switch */
#define TURN 64 /* frames taken from one node before it is the next one's turn */
#define SECOND_LOOK 1 /* ms after which is looked for kicks and calls that were missed: vhost_call() says why */
#define ADDRESSES 1024 /* places in the table of learnt addresses */

struct held {
	struct held *next;
	uint64_t due; /* ns */
	uint32_t size;
	char frame[];
};

struct link {
	bool cut;
	uint32_t delay_ms;
	double drop; /* 0..1 */
	struct held *first, **last; /* frames being delayed, by due time */
	uint64_t frames, bytes, lost;
};

struct port {
	struct vhost device;
	int listener;
	bool more; /* its turn was over before its frames were */
	char *backlog; /* frames, each behind its size as a uint32_t, that the node had no buffers for */
	size_t backlog_at, backlog_fill, backlog_size;
	FILE *capture;
};

static struct port ports[MAX_PORTS];
static struct link links[MAX_PORTS][MAX_PORTS]; /* [from][to] */
static int port_count;
static int delaying; /* frames that are held on all links */

static struct {
	uint8_t address[6];
	int8_t port; /* -1: free */
} table[ADDRESSES];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void *need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "switch: out of memory\n");
		exit(1);
	}
	return memory;
}

/* Addresses */

static int address_slot(const uint8_t *address)
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < 6; i++)
		hash = (hash ^ address[i]) * 16777619u;
	return hash % ADDRESSES;
}

/* A collision forgets the older address, which is then flooded to until it is learnt again. */
static void learn(const uint8_t *address, int port)
{
	int slot = address_slot(address);

	memcpy(table[slot].address, address, 6);
	table[slot].port = port;
}

static int lookup(const uint8_t *address)
{
	int slot = address_slot(address);

	return !(address[0] & 1) && !memcmp(table[slot].address, address, 6) ? table[slot].port : -1;
}

/* Captures */

static void capture(struct port *port, const char *frame, uint32_t size)
{
	struct timespec now;
	uint32_t header[4];

	clock_gettime(CLOCK_REALTIME, &now);
	header[0] = now.tv_sec;
	header[1] = now.tv_nsec / 1000;
	header[2] = header[3] = size - VHOST_HEADER;
	fwrite(header, sizeof(header), 1, port->capture);
	fwrite(frame + VHOST_HEADER, size - VHOST_HEADER, 1, port->capture);
}

static const char *capture_set(struct port *port, const char *path)
{
	static const uint32_t header[6] = { 0xa1b2c3d4, 4u << 16 | 2, 0, 0, VHOST_MAX_FRAME, 1 };

	if (port->capture)
		fclose(port->capture);
	port->capture = NULL;
	if (!strcmp(path, "-"))
		return NULL;
	port->capture = fopen(path, "we");
	if (!port->capture)
		return strerror(errno);
	fwrite(header, sizeof(header), 1, port->capture);
	fflush(port->capture);
	return NULL;
}

/* Frames out */

static void port_close(struct port *port)
{
	vhost_close(&port->device);
	port->more = false;
	port->backlog_at = port->backlog_fill = 0;
}

static void backlog_append(struct port *port, const void *data, size_t size)
{
	memcpy(port->backlog + port->backlog_fill, data, size);
	port->backlog_fill += size;
}

static void backlog_add(struct port *port, const char *frame, uint32_t size)
{
	size_t more = sizeof(size) + size;

	if (port->backlog_fill + more > port->backlog_size && port->backlog_at) {
		memmove(port->backlog, port->backlog + port->backlog_at, port->backlog_fill - port->backlog_at);
		port->backlog_fill -= port->backlog_at;
		port->backlog_at = 0;
	}
	if (port->backlog_fill + more > port->backlog_size) {
		port->backlog_size = 2 * (port->backlog_fill + more);
		port->backlog = need(realloc(port->backlog, port->backlog_size));
	}
	backlog_append(port, &size, sizeof(size));
	backlog_append(port, frame, size);
}

static void port_drain(struct port *port)
{
	while (port->backlog_at < port->backlog_fill) {
		char *frame = port->backlog + port->backlog_at + sizeof(uint32_t);
		uint32_t size;

		memcpy(&size, port->backlog + port->backlog_at, sizeof(size));
		if (vhost_give(&port->device, frame, size) == VHOST_LATER)
			return;
		port->backlog_at += sizeof(size) + size;
	}
	port->backlog_at = port->backlog_fill = 0;
}

/* No frame overtakes those that wait. */
static enum vhost_given port_give(struct port *port, const char *frame, uint32_t size)
{
	size_t waiting = port->backlog_fill - port->backlog_at;
	enum vhost_given given = waiting ? VHOST_LATER : vhost_give(&port->device, frame, size);

	if (given != VHOST_LATER)
		return given;
	if (waiting + size > BACKLOG_LIMIT)
		return VHOST_REFUSED;
	backlog_add(port, frame, size);
	return VHOST_GIVEN;
}

static void deliver(struct link *link, struct port *port, const char *frame, uint32_t size)
{
	if (port->device.fd < 0 || port_give(port, frame, size) == VHOST_REFUSED) {
		link->lost++;
		return;
	}
	link->frames++;
	link->bytes += size - VHOST_HEADER;
	if (port->capture)
		capture(port, frame, size);
}

/* Links */

static void hold(struct link *link, const char *frame, uint32_t size)
{
	struct held *held = need(malloc(sizeof(*held) + size));

	held->next = NULL;
	held->due = now_ns() + link->delay_ms * 1000000ull;
	held->size = size;
	memcpy(held->frame, frame, size);
	if (!link->first)
		link->last = &link->first;
	*link->last = held;
	link->last = &held->next;
	delaying++;
}

static void send_frame(int from, int to, const char *frame, uint32_t size)
{
	struct link *link = &links[from][to];

	if (link->cut || (link->drop && drand48() < link->drop))
		link->lost++;
	else if (link->delay_ms || link->first)
		hold(link, frame, size);
	else
		deliver(link, &ports[to], frame, size);
}

/* Delivers the held frames of a link that are due; returns when the next is, or `earliest` if that is before. */
static uint64_t release_link(struct link *link, struct port *port, uint64_t now, uint64_t earliest)
{
	struct held *held;

	while ((held = link->first) && held->due <= now) {
		link->first = held->next;
		delaying--;
		if (link->cut)
			link->lost++;
		else
			deliver(link, port, held->frame, held->size);
		free(held);
	}
	return held && held->due < earliest ? held->due : earliest;
}

/* Returns how long poll may wait, in ms. */
static int release_due(void)
{
	uint64_t now, next = UINT64_MAX;

	if (!delaying)
		return -1;
	now = now_ns();
	for (int from = 0; from < port_count; from++) {
		for (int to = 0; to < port_count; to++)
			next = release_link(&links[from][to], &ports[to], now, next);
	}
	return next == UINT64_MAX ? -1 : (int)((next - now + 999999) / 1000000);
}

/* Frames in */

static void switch_frame(int from, const char *frame, uint32_t size)
{
	const uint8_t *addresses = (const uint8_t *)frame + VHOST_HEADER;
	int to = lookup(addresses);

	learn(addresses + 6, from);
	if (ports[from].capture)
		capture(&ports[from], frame, size);
	if (to >= 0) {
		if (to != from)
			send_frame(from, to, frame, size);
		return;
	}
	for (to = 0; to < port_count; to++) {
		if (to != from)
			send_frame(from, to, frame, size);
	}
}

static void port_take(int number)
{
	static char frame[VHOST_MAX_FRAME];
	struct port *port = &ports[number];
	size_t size;
	int left = TURN;

	while (left && (size = vhost_take(&port->device, frame))) {
		switch_frame(number, frame, size);
		left--;
	}
	port->more = !left;
}

static void port_accept(struct port *port)
{
	int fd = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	port_close(port);
	vhost_connect(&port->device, fd);
}

static void port_listen(struct port *port, const char *directory, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	vhost_init(&port->device, name);
	port->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name) >=
	    (int)sizeof(address.sun_path)) {
		fprintf(stderr, "switch: %s/%s: the name is too long for a socket\n", directory, name);
		exit(1);
	}
	unlink(address.sun_path);
	if (port->listener < 0 || bind(port->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(port->listener, 1) < 0) {
		fprintf(stderr, "switch: %s: %s\n", address.sun_path, strerror(errno));
		exit(1);
	}
}

/* Commands */

static int port_find(const char *name)
{
	for (int i = 0; i < port_count; i++) {
		if (name && !strcmp(ports[i].device.name, name))
			return i;
	}
	return -1;
}

static void print_links(void)
{
	const char *separator = "";

	printf("[");
	for (int from = 0; from < port_count; from++) {
		for (int to = 0; to < port_count; to++) {
			struct link *link = &links[from][to];

			if (from == to)
				continue;
			printf("%s{\"from\": \"%s\", \"to\": \"%s\", \"cut\": %s, \"delay_ms\": %u, \"drop_percent\": "
			       "%g, "
			       "\"frames\": %llu, \"bytes\": %llu, \"lost\": %llu}",
			       separator, ports[from].device.name, ports[to].device.name, link->cut ? "true" : "false",
			       link->delay_ms, link->drop * 100, (unsigned long long)link->frames,
			       (unsigned long long)link->bytes, (unsigned long long)link->lost);
			separator = ", ";
		}
	}
	printf("]\n");
}

static void command(char *line)
{
	char *word[4] = { strtok(line, " "), strtok(NULL, " "), strtok(NULL, " "), strtok(NULL, "") };
	int from = port_find(word[1]), to = port_find(word[2]);
	const char *error = "unknown command";
	bool is_link = from >= 0 && to >= 0 && word[3];

	if (word[0] && !strcmp(word[0], "links")) {
		print_links();
		return;
	}
	if (word[0] && is_link && !strcmp(word[0], "cut")) {
		links[from][to].cut = atoi(word[3]);
		error = NULL;
	} else if (word[0] && is_link && !strcmp(word[0], "delay")) {
		links[from][to].delay_ms = atoi(word[3]);
		error = NULL;
	} else if (word[0] && is_link && !strcmp(word[0], "drop")) {
		links[from][to].drop = atof(word[3]) / 100;
		error = NULL;
	} else if (word[0] && from >= 0 && word[2] && !strcmp(word[0], "capture")) {
		error = capture_set(&ports[from], word[2]);
	}
	printf("%s\n", error ?: "ok");
}

static void read_commands(void)
{
	static char buffer[8192];
	static size_t fill;
	char *line = buffer, *end;
	ssize_t n = read(STDIN_FILENO, buffer + fill, sizeof(buffer) - fill);

	if (n <= 0)
		exit(0);
	fill += n;
	while ((end = memchr(line, '\n', fill - (line - buffer)))) {
		*end = 0;
		command(line);
		line = end + 1;
	}
	fflush(stdout);
	fill -= line - buffer;
	memmove(buffer, line, fill);
}

/* What poll watches: the commands, then four of each port. */
enum { LISTENER, MESSAGES, RECEIVE_KICK, TRANSMIT_KICK, WATCHED };

static void watch(struct pollfd *polls, const struct port *port)
{
	polls[LISTENER] = (struct pollfd){ .fd = port->listener, .events = POLLIN };
	polls[MESSAGES] = (struct pollfd){ .fd = port->device.fd, .events = POLLIN };
	polls[RECEIVE_KICK] = (struct pollfd){ .fd = port->device.receive.kick, .events = POLLIN };
	polls[TRANSMIT_KICK] = (struct pollfd){ .fd = port->device.transmit.kick, .events = POLLIN };
}

static void port_serve(int number, const struct pollfd *polls)
{
	struct port *port = &ports[number];

	if (polls[RECEIVE_KICK].revents)
		vhost_kicked(port->device.receive.kick);
	if (polls[TRANSMIT_KICK].revents)
		vhost_kicked(port->device.transmit.kick);
	if (polls[MESSAGES].revents)
		vhost_read(&port->device);
	port_drain(port);
	port_take(number);
}

/* Returns whether any frame has come or gone. */
static bool round_end(void)
{
	bool active = false;

	for (int i = 0; i < port_count; i++) {
		active |= vhost_call(&ports[i].device);
		if (ports[i].device.broken)
			port_close(&ports[i]);
		if (ports[i].capture)
			fflush(ports[i].capture);
	}
	return active;
}

/* Ends the round; returns how long poll may wait, in ms. */
static int round_timeout(bool active)
{
	int timeout = release_due();

	active |= round_end();
	if (active && (timeout < 0 || timeout > SECOND_LOOK))
		timeout = SECOND_LOOK;
	for (int i = 0; i < port_count; i++) {
		if (ports[i].more)
			return 0;
	}
	return timeout;
}

int main(int argc, char **argv)
{
	struct pollfd polls[1 + WATCHED * MAX_PORTS];
	int polled = 0;

	port_count = argc - 2;
	if (port_count < 1 || port_count > MAX_PORTS) {
		fprintf(stderr, "usage: switch DIRECTORY NAME... (1 to %d names)\n", MAX_PORTS);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	memset(table, -1, sizeof(table));
	for (int i = 0; i < port_count; i++)
		port_listen(&ports[i], argv[1], argv[2 + i]);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int timeout = round_timeout(polled > 0);

		polls[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
		for (int i = 0; i < port_count; i++)
			watch(&polls[1 + WATCHED * i], &ports[i]);
		polled = poll(polls, 1 + WATCHED * port_count, timeout);
		if (polled < 0)
			continue;
		for (int i = 0; i < port_count; i++)
			port_serve(i, &polls[1 + WATCHED * i]);
		for (int i = 0; i < port_count; i++) {
			if (polls[1 + WATCHED * i + LISTENER].revents)
				port_accept(&ports[i]);
		}
		if (polls[0].revents)
			read_commands();
	}
}
