// SPDX-License-Identifier: GPL-2.0-or-later
/* greedy - see greedy.h. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/greedy.h"

#define INSTANCE 0x6eed
#define TOKEN 0x6e

struct connection {
	int fd;
	size_t due; /* bytes of the answer that is coming */
};

void greedy_read(struct greedy_frame *frame, const struct lender_lease *lease)
{
	frame->hdr = wire_header(R2NET_READ, R2NET_MAX_ITEMS, sizeof(frame->items), 1);
	for (unsigned int i = 0; i < R2NET_MAX_ITEMS; i++)
		frame->items[i] = wire_item(lease, i * GREEDY_PAGE, GREEDY_PAGE);
}

ssize_t greedy_drop(int fd, size_t length, int flags)
{
	/* The kernel does not touch it, but valgrind and the sanitizers cannot know. */
	static _Thread_local uint8_t nowhere[GREEDY_ANSWER];

	return recv(fd, nowhere, length < sizeof(nowhere) ? length : sizeof(nowhere), flags | MSG_TRUNC);
}

/* Takes what has come, and asks again for each answer that is whole. Returns false at the connection's end. */
static bool take(struct connection *conn, const struct greedy_frame *frame)
{
	ssize_t got;

	while ((got = greedy_drop(conn->fd, conn->due, MSG_DONTWAIT)) > 0) {
		conn->due -= got;
		if (conn->due)
			continue;
		conn->due = GREEDY_ANSWER;
		if (!wire_send(conn->fd, frame, sizeof(*frame)))
			return false;
	}
	return got < 0;
}

static void run(struct connection *conns, const struct greedy_frame *frame)
{
	struct pollfd fds[R2NET_MAX_CONNS];
	unsigned int i;

	for (i = 0; i < R2NET_MAX_CONNS; i++)
		fds[i] = (struct pollfd){ .fd = conns[i].fd, .events = POLLIN };
	while (poll(fds, R2NET_MAX_CONNS, -1) > 0)
		for (i = 0; i < R2NET_MAX_CONNS; i++)
			if (fds[i].revents && !take(&conns[i], frame))
				_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

static bool join_all(struct connection *conns, const struct wire_lender *lender, uint32_t owner,
		     const struct greedy_frame *frame)
{
	unsigned int i, k;

	for (i = 0; i < R2NET_MAX_CONNS; i++) {
		conns[i].fd = wire_join(lender->port, owner, INSTANCE, TOKEN, i + 1, R2NET_ROLE_DATA);
		conns[i].due = GREEDY_ANSWER;
		if (conns[i].fd < 0)
			return false;
		for (k = 0; k < GREEDY_WINDOW; k++)
			if (!wire_send(conns[i].fd, frame, sizeof(*frame)))
				return false;
	}
	return true;
}

bool greedy_start(struct greedy *greedy, const struct wire_lender *lender, uint32_t owner)
{
	struct connection conns[R2NET_MAX_CONNS];
	struct greedy_frame frame;
	struct lender_lease lease;
	unsigned int i;
	bool joined;

	if (wire_admit(lender->door, owner, INSTANCE, TOKEN) ||
	    wire_lease(lender->door, owner, INSTANCE, R2NET_EXTENT_MIN, 1, &lease) != 1)
		return false;
	greedy_read(&frame, &lease);
	for (i = 0; i < R2NET_MAX_CONNS; i++)
		conns[i].fd = -1;
	joined = join_all(conns, lender, owner, &frame);
	greedy->pid = joined ? fork() : -1;
	if (greedy->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(conns, &frame);
	}
	for (i = 0; i < R2NET_MAX_CONNS; i++)
		close(conns[i].fd);
	return greedy->pid > 0;
}

void greedy_stop(struct greedy *greedy)
{
	kill(greedy->pid, SIGKILL);
	waitpid(greedy->pid, NULL, 0);
}
