// SPDX-License-Identifier: GPL-2.0-or-later
/* transfer - see transfer.h. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/gate.h"
#include "daemon/lender/transfer.h"

#define PAUSE_MS 2 /* when a socket is ready and yet moves nothing: the kernel has no memory for it */

struct transfer {
	struct connection *conn;
	struct msghdr msg; /* what is left */
	bool out;
	uint64_t deadline_ms; /* 0: it has not waited yet */
};

/* Takes @bytes off. Returns whether anything is left. */
static bool advance(struct msghdr *msg, size_t bytes)
{
	for (; msg->msg_iovlen; msg->msg_iov++, msg->msg_iovlen--) {
		if (bytes < msg->msg_iov->iov_len) {
			msg->msg_iov->iov_base = (uint8_t *)msg->msg_iov->iov_base + bytes;
			msg->msg_iov->iov_len -= bytes;
			return true;
		}
		bytes -= msg->msg_iov->iov_len;
	}
	return false;
}

/* Moves what can be without waiting. Returns how many bytes, 0 if it has to wait, or -1 if the connection is at its end. */
static ssize_t move(struct transfer *transfer)
{
	int fd = transfer->conn->fd;
	ssize_t moved;

	if (transfer->out)
		moved = sendmsg(fd, &transfer->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		moved = recvmsg(fd, &transfer->msg, MSG_DONTWAIT);
	if (moved > 0)
		return moved;
	return moved < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Waits for the peer, without a turn. Returns false if that took too long. */
static bool wait_for_peer(struct transfer *transfer, bool in_vain)
{
	struct pollfd peer = { .fd = transfer->conn->fd, .events = transfer->out ? POLLOUT : POLLIN };
	uint64_t now = monotonic_ms();
	bool ready;

	if (!transfer->deadline_ms)
		transfer->deadline_ms = now + transfer->conn->frame_ms;
	if (now >= transfer->deadline_ms)
		return false;
	gate_pause(transfer->conn->owner);
	if (in_vain)
		poll(NULL, 0, PAUSE_MS);
	ready = poll(&peer, 1, transfer->deadline_ms - now);
	gate_enter(transfer->conn->owner);
	return ready;
}

static bool run(struct transfer *transfer)
{
	bool waited = false; /* and nothing has moved since */
	ssize_t moved;

	for (;;) {
		moved = move(transfer);
		if (moved < 0)
			return false;
		if (!advance(&transfer->msg, moved))
			return true;
		if (!wait_for_peer(transfer, waited && !moved))
			return false;
		waited = true;
	}
}

bool transfer_receive(struct connection *conn, struct iovec *iov, unsigned int count)
{
	struct transfer transfer = { .conn = conn, .msg = { .msg_iov = iov, .msg_iovlen = count } };

	return run(&transfer);
}

bool transfer_send(struct connection *conn, struct iovec *iov, unsigned int count)
{
	struct transfer transfer = { .conn = conn, .msg = { .msg_iov = iov, .msg_iovlen = count }, .out = true };

	return run(&transfer);
}
