// SPDX-License-Identifier: GPL-2.0-or-later
/* memsocket - see memsocket.h. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memsocket.h"

#define FIRST (1 << 20) /* above any descriptor of the kernel's */
#define DESCRIPTORS 32

static struct descriptor {
	struct memsocket *sock; /* NULL: it counts events */
	eventfd_t events;
	bool open;
} descriptors[DESCRIPTORS];
static unsigned int count;

#define WRAP(type, name, ...)                                                                                          \
	type __real_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__)

static int descriptor_new(struct memsocket *sock)
{
	struct descriptor *d = descriptors;

	while (d < descriptors + DESCRIPTORS && d->open)
		d++;
	check(d < descriptors + DESCRIPTORS);
	*d = (struct descriptor){ .sock = sock, .open = true };
	count++;
	return FIRST + (d - descriptors);
}

/* NULL: it is the kernel's. */
static struct descriptor *find(int fd)
{
	if (fd < FIRST)
		return NULL;
	check(fd < FIRST + DESCRIPTORS && descriptors[fd - FIRST].open);
	return &descriptors[fd - FIRST];
}

int memsocket_open(struct memsocket *sock)
{
	return descriptor_new(sock);
}

unsigned int memsocket_count(void)
{
	return count;
}

static ssize_t receive(struct memsocket *sock, void *bytes, size_t len, int flags)
{
	check(sock);
	return sock->shut ? 0 : sock->recv(sock, bytes, len, flags);
}

static ssize_t transmit(struct memsocket *sock, const void *bytes, size_t len, int flags)
{
	check(sock && flags & MSG_NOSIGNAL);
	if (!sock->shut)
		return sock->send(sock, bytes, len);
	errno = EPIPE;
	return -1;
}

WRAP(ssize_t, recv, int fd, void *bytes, size_t len, int flags)
{
	struct descriptor *d = find(fd);

	return d ? receive(d->sock, bytes, len, flags) : __real_recv(fd, bytes, len, flags);
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *msg, int flags)
{
	struct descriptor *d = find(fd);
	ssize_t total = 0, got;

	if (!d)
		return __real_recvmsg(fd, msg, flags);
	for (size_t i = 0; i < msg->msg_iovlen; i++, total += got) {
		got = receive(d->sock, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len, flags);
		if (got != (ssize_t)msg->msg_iov[i].iov_len)
			return got > 0 || total ? total + (got > 0 ? got : 0) : got;
	}
	return total;
}

WRAP(ssize_t, send, int fd, const void *bytes, size_t len, int flags)
{
	struct descriptor *d = find(fd);

	return d ? transmit(d->sock, bytes, len, flags) : __real_send(fd, bytes, len, flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *msg, int flags)
{
	struct descriptor *d = find(fd);
	ssize_t total = 0, sent;

	if (!d)
		return __real_sendmsg(fd, msg, flags);
	for (size_t i = 0; i < msg->msg_iovlen; i++, total += sent) {
		sent = transmit(d->sock, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len, flags);
		if (sent != (ssize_t)msg->msg_iov[i].iov_len)
			return sent > 0 || total ? total + (sent > 0 ? sent : 0) : sent;
	}
	return total;
}

WRAP(int, setsockopt, int fd, int level, int option, const void *value, socklen_t len)
{
	return find(fd) ? 0 : __real_setsockopt(fd, level, option, value, len);
}

WRAP(int, getsockopt, int fd, int level, int option, void *value, socklen_t *len)
{
	if (!find(fd))
		return __real_getsockopt(fd, level, option, value, len);
	memset(value, 0, *len);
	return 0;
}

WRAP(int, shutdown, int fd, int how)
{
	struct descriptor *d = find(fd);

	if (!d)
		return __real_shutdown(fd, how);
	check(d->sock);
	d->sock->shut = true;
	return 0;
}

WRAP(int, close, int fd)
{
	struct descriptor *d = find(fd);

	if (!d)
		return __real_close(fd);
	d->open = false;
	count--;
	return 0;
}

/* A socket always has something, if only its end. */
WRAP(int, poll, struct pollfd *fds, nfds_t nr, int timeout_ms)
{
	int ready = 0;

	for (nfds_t i = 0; i < nr; i++) {
		struct descriptor *d = find(fds[i].fd);

		if (!d)
			return __real_poll(fds, nr, timeout_ms);
		fds[i].revents = d->sock || d->events ? POLLIN & fds[i].events : 0;
		ready += fds[i].revents != 0;
	}
	return ready;
}

WRAP(int, eventfd, unsigned int initial, int flags)
{
	return descriptor_new(NULL);
}

WRAP(int, eventfd_read, int fd, eventfd_t *events)
{
	struct descriptor *d = find(fd);

	check(d && !d->sock);
	*events = d->events;
	d->events = 0;
	return *events ? 0 : -1;
}

WRAP(int, eventfd_write, int fd, eventfd_t events)
{
	struct descriptor *d = find(fd);

	check(d && !d->sock);
	d->events += events;
	return 0;
}
