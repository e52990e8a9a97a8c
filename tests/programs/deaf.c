// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deaf.c - a program that is sent more than it takes: its machine has memory in packets that nobody reads.
 *
 * `deaf SOCKETS KIB`: opens UDP sockets, of which each holds KIB of packets, says "ready", and reads none until its input
 * ends. `deaf --flood ADDRESS SOCKETS SECONDS RATE`: on another machine, sends them RATE packets a second for so long.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 9000 /* and those after it */
#define PACKET 1400
#define BURSTS 100 /* a second */
#define SOCKETS_MAX 1000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int number(const char *text, int max)
{
	int value = atoi(text);

	if (value < 1 || value > max) {
		fprintf(stderr, "deaf: %s is not 1 ... %d\n", text, max);
		exit(2);
	}
	return value;
}

static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		die("deaf: socket");
	return fd;
}

static void receive_nothing(int sockets, int kib)
{
	int bytes = kib << 10;
	char byte;

	for (int i = 0; i < sockets; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT + i) };
		int fd = udp();

		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
		    bind(fd, (struct sockaddr *)&address, sizeof(address)))
			die("deaf: bind");
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static void flood(const char *address, int sockets, int seconds, int rate)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
	const struct timespec pause = { .tv_nsec = 1000000000 / BURSTS };
	time_t end = time(NULL) + seconds;
	char packet[PACKET] = { 0 };
	int fd = udp();

	for (unsigned int i = 0; time(NULL) < end; i++) {
		to.sin_port = htons(PORT + i % sockets);
		sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
		if (i % (rate / BURSTS + 1) == 0)
			nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3)
		receive_nothing(number(argv[1], SOCKETS_MAX), number(argv[2], 1 << 20));
	else if (argc == 6 && !strcmp(argv[1], "--flood"))
		flood(argv[2], number(argv[3], SOCKETS_MAX), number(argv[4], 1 << 20), number(argv[5], 1 << 20));
	else {
		fprintf(stderr, "usage: deaf SOCKETS KIB, or deaf --flood ADDRESS SOCKETS SECONDS RATE\n");
		return 2;
	}
	return 0;
}
