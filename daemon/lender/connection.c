// SPDX-License-Identifier: GPL-2.0-or-later
/* connection - see connection.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/lender/connection.h"
#include "daemon/lender/control.h"
#include "daemon/lender/data.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/hello.h"
#include "daemon/lender/memory.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/pending.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"

#define STACK_SIZE (128U << 10)
#define PEER_LEN 80
#define NS_PER_S 1000000000

/* A peer that says nothing is asked after 10 s; one that does not answer for 30 s is dead. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define PEER_DEAD_MS 30000

/* What a new thread is given. */
struct accepted {
	int fd;
	int pending; /* of pending_begin() */
	char peer[PEER_LEN];
};

static struct log_limit malformed_limit = LOG_LIMIT_STRANGERS;
static struct log_limit flood_limit = LOG_LIMIT_STRANGERS;

static void set_timeout(int fd, int option, unsigned int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

static void set_tcp(int fd, int option, int value)
{
	setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

/* None of these can fail on a TCP socket, and on other stream sockets the TCP ones are not needed. */
static void set_options(int fd)
{
	int on = 1;

	set_timeout(fd, SO_SNDTIMEO, CONNECTION_FRAME_MS);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	set_tcp(fd, TCP_NODELAY, 1);
	set_tcp(fd, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_tcp(fd, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_tcp(fd, TCP_USER_TIMEOUT, PEER_DEAD_MS);
}

size_t connection_begin(struct connection *conn, void *buffer, size_t length)
{
	ssize_t got;

	do {
		got = recv(conn->fd, buffer, length, 0);
	} while (got < 0 && (errno == EAGAIN || errno == EINTR) && !atomic_load(&conn->shut));
	return got > 0 ? got : 0;
}

bool connection_receive(struct connection *conn, void *buffer, size_t length)
{
	return recv(conn->fd, buffer, length, MSG_WAITALL) == (ssize_t)length;
}

bool connection_receive_until(struct connection *conn, void *buffer, size_t length, uint64_t deadline_ms)
{
	uint64_t now = monotonic_ms();

	if (now >= deadline_ms)
		return false;
	set_timeout(conn->fd, SO_RCVTIMEO, deadline_ms - now);
	return connection_receive(conn, buffer, length);
}

void connection_pause(struct connection *conn, uint64_t ns)
{
	const struct timespec time = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
	struct pollfd end = { .fd = conn->fd };

	ppoll(&end, 1, &time, NULL);
}

bool connection_send(struct connection *conn, struct iovec *iov, unsigned int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t length = 0, sent;
	unsigned int i;

	for (i = 0; i < count; i++)
		length += iov[i].iov_len;
	sent = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
	return sent == length;
}

bool connection_answer(struct connection *conn, __le64 tag, enum r2net_status status)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_result result;
	} answer = {
		.hdr = { .magic = cpu_to_le32(R2NET_MAGIC),
			 .version = R2NET_VERSION,
			 .type = R2NET_ANSWER,
			 .items = cpu_to_le16(1),
			 .length = cpu_to_le32(sizeof(answer.result)),
			 .tag = tag },
		.result = { .status = cpu_to_le32(status) },
	};
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };

	return connection_send(conn, &iov, 1);
}

void connection_malformed(struct connection *conn, const char *what)
{
	if (atomic_load(&conn->shut))
		return;
	count_add(malformed, 1);
	log_limited(&malformed_limit, LOG_WARNING, "%s: closed: malformed frame: %s", conn->peer, what);
}

static void serve(struct connection *conn)
{
	set_timeout(conn->fd, SO_RCVTIMEO, CONNECTION_FRAME_MS);
	log_debug("%s: node %u, connection %u, %s", conn->peer, conn->owner, conn->number,
		  conn->role == R2NET_ROLE_DATA ? "data" : "control");
	if (conn->role == R2NET_ROLE_DATA)
		data_serve(conn);
	else
		control_serve(conn);
	log_debug("%s: node %u, connection %u has ended", conn->peer, conn->owner, conn->number);
}

static void *connection_thread(void *argument)
{
	struct accepted *accepted = argument;
	struct connection conn = {
		.fd = accepted->fd, .peer = accepted->peer, .frame_ms = CONNECTION_FRAME_MS, .wake = -1
	};
	bool joined;

	memory_lock_thread();
	set_options(conn.fd);
	joined = hello_exchange(&conn);
	pending_end(accepted->pending);
	if (joined) {
		serve(&conn);
		owner_leave(&conn);
	}
	close(conn.fd);
	if (conn.wake >= 0)
		close(conn.wake);
	free(accepted);
	return NULL;
}

static int thread_create(struct accepted *accepted)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, connection_thread, accepted);
	pthread_attr_destroy(&attr);
	return err;
}

/* As "ADDRESS:PORT". Not getnameinfo(), which asks the kernel for the name of a link by a socket of its own. */
static void write_address(char peer[PEER_LEN], const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(peer, PEER_LEN, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(peer, PEER_LEN, "%s:%u", host, ntohs(in->sin_port));
	}
}

void connection_start(int fd, const struct sockaddr_storage *address)
{
	struct accepted *accepted = malloc(sizeof(*accepted));
	unsigned int full;

	if (!accepted)
		goto refuse;
	accepted->fd = fd;
	accepted->pending = pending_begin(address, fd, &full);
	write_address(accepted->peer, address);
	if (full)
		log_limited(&flood_limit, LOG_WARNING, "%s: %u connections%s have not proven anything yet: %s closed",
			    accepted->peer, full, full == PENDING_OF_ADDRESS ? " from there" : "",
			    accepted->pending < 0 ? "this one is" : "the oldest is");
	if (accepted->pending < 0)
		goto refuse;
	if (!thread_create(accepted))
		return;
	log_limited(&flood_limit, LOG_ERR, "%s: closed: cannot start a thread (TasksMax and memory limits of the unit)",
		    accepted->peer);
	pending_end(accepted->pending);
refuse:
	free(accepted);
	count_add(refused_hello, 1);
	close(fd);
}
