/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A socket that a fuzzer is the other end of: by send() and recv() over socket.c, or by its own functions in its place. */
#ifndef _SHIM_NET_H
#define _SHIM_NET_H

#include <linux/uio.h>

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define SHUT_RDWR 2
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000

struct msghdr {
	struct iov_iter msg_iter;
	unsigned int msg_flags;
};

struct socket {
	short type;
	struct sock *sk;
	int refs;
	/* The other end, both as the kernel's: bytes or an error. Both may sleep. */
	int (*send)(struct socket *sock, const void *bytes, size_t len);
	int (*recv)(struct socket *sock, void *buf, size_t len);
};

/* What the next sockfd_lookup() finds, or NULL. */
extern struct socket *shim_socket;

struct socket *sockfd_lookup(int fd, int *err);
void sockfd_put(struct socket *sock);
int kernel_sock_shutdown(struct socket *sock, int how);
/* Sends all that is left, as one piece. */
int sock_sendmsg(struct socket *sock, struct msghdr *msg);
int kernel_recvmsg(struct socket *sock, struct msghdr *msg, struct kvec *vec, size_t nr, size_t len, int flags);

#endif
