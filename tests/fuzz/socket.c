// SPDX-License-Identifier: GPL-2.0-or-later
/* What conn.c calls, over the send() and recv() of a socket: see shim/linux/net.h. */
#include <linux/net.h>

struct socket *shim_socket;

struct socket *sockfd_lookup(int fd, int *err)
{
	might_sleep();
	if (!shim_socket)
		*err = -EBADF;
	else
		shim_socket->refs++;
	return shim_socket;
}

void sockfd_put(struct socket *sock)
{
	might_sleep();
	shim_assert(sock->refs-- > 0);
}

int kernel_sock_shutdown(struct socket *sock, int how)
{
	might_sleep();
	shim_assert(sock->refs > 0);
	return 0;
}

int sock_sendmsg(struct socket *sock, struct msghdr *msg)
{
	size_t len = msg->msg_iter.count, done = 0;
	u8 *bytes = malloc(len);
	unsigned long i;
	int sent;

	might_sleep();
	shim_assert(sock->refs > 0 && bytes);
	for (i = 0; i < msg->msg_iter.nr; done += msg->msg_iter.vec[i++].iov_len) {
		shim_assert(msg->msg_iter.vec[i].iov_len <= len - done);
		if (msg->msg_iter.vec[i].iov_len)
			memcpy(bytes + done, msg->msg_iter.vec[i].iov_base, msg->msg_iter.vec[i].iov_len);
	}
	shim_assert(done == len);
	sent = sock->send(sock, bytes, len);
	free(bytes);
	return sent;
}

int kernel_recvmsg(struct socket *sock, struct msghdr *msg, struct kvec *vec, size_t nr, size_t len, int flags)
{
	might_sleep();
	shim_assert(sock->refs > 0 && nr == 1 && len == vec->iov_len);
	return sock->recv(sock, vec->iov_base, len);
}
