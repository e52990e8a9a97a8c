// SPDX-License-Identifier: GPL-2.0-or-later
/* listener - see listener.h. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/connection.h"
#include "daemon/lender/listener.h"
#include "daemon/log.h"

#define LISTEN_BACKLOG 128
#define ACCEPT_PAUSE_NS 10000000 /* when there is no descriptor or memory for another connection */

static struct log_limit accept_limit = LOG_LIMIT(1, 10000);

/* Returns what getaddrinfo() found, or NULL. */
static struct addrinfo *resolve(const char *where)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(where, ':');
	struct addrinfo *found = NULL;
	char host[NI_MAXHOST];
	size_t length;

	if (!colon || colon == where || !colon[1] || (size_t)(colon - where) >= sizeof(host))
		return NULL;
	length = colon - where;
	if (where[0] == '[' && colon[-1] == ']') {
		where++;
		length -= 2;
	}
	memcpy(host, where, length);
	host[length] = '\0';
	return getaddrinfo(host, colon + 1, &hints, &found) ? NULL : found;
}

static uint32_t bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length))
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int listener_open(const char *where, uint32_t *port)
{
	struct addrinfo *address = resolve(where);
	int fd, on = 1;

	if (!address) {
		log_err("--listen %s: expected ADDR:PORT with a numeric address, IPv6 in brackets", where);
		return -1;
	}
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, LISTEN_BACKLOG)) {
		log_err("--listen %s: cannot listen: %s", where, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	} else {
		*port = bound_port(fd);
	}
	freeaddrinfo(address);
	return fd;
}

void listener_accept(int fd)
{
	const struct timespec pause = { .tv_nsec = ACCEPT_PAUSE_NS };
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int conn;

	conn = accept4(fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
	if (conn >= 0) {
		connection_start(conn, &address);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* The connection stays in the backlog and the socket readable: do not spin on it. */
		log_limited(&accept_limit, LOG_ERR, "cannot accept a connection: %s (LimitNOFILE of the unit)",
			    strerror(errno));
		nanosleep(&pause, NULL);
	}
}
