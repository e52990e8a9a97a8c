/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What conn.c needs of sockets and threads, over the fuzzer's ends of wires. There are no threads: the fuzzer itself does
 * what they would.
 */
#ifndef _FUZZ_SOCK_H
#define _FUZZ_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/err.h>
#include <linux/kthread.h>

#define TCP_ESTABLISHED 1
#define SOCK_SNDBUF_LOCK 1
#define ITER_SOURCE 1
#define clamp_t(type, value, least, most) max_t(type, least, min_t(type, value, most))
#define IS_ENABLED(option) 0

struct sock {
	int sk_family, sk_protocol, sk_state, sk_userlocks, sk_sndbuf;
	gfp_t sk_allocation;
	long sk_sndtimeo, sk_rcvtimeo;
	const void *icsk_ulp_ops;
};

struct socket {
	int type;
	struct sock *sk;
};

struct kvec {
	void *iov_base;
	size_t iov_len;
};

struct iov_iter {
	const struct kvec *vec;
	unsigned int nr;
};

/* The kernel's own. */
#define msghdr kernel_msghdr
struct msghdr {
	int msg_flags;
	struct iov_iter msg_iter;
};

struct lock_class_key {
	int unused;
};

/* The fuzzer's. */
struct socket *sockfd_lookup(int fd, int *err);
void sockfd_put(struct socket *sock);
int sock_sendmsg(struct socket *sock, struct msghdr *msg);
int kernel_recvmsg(struct socket *sock, struct msghdr *msg, struct kvec *vec, size_t nr, size_t len, int flags);

static inline void iov_iter_kvec(struct iov_iter *iter, int direction, const struct kvec *vec, unsigned int nr,
				 size_t len)
{
	iter->vec = vec;
	iter->nr = nr;
}

#define inet_csk(sk) (sk)
#define sock_no_linger(sk) ((void)(sk))
#define sk_clear_memalloc(sk) ((void)(sk))
#define sk_set_memalloc(sk) ((void)(sk))
#define compat_sk_no_task_frag(sk) ((void)(sk))
#define tcp_sock_set_nodelay(sk) ((void)(sk))
#define tcp_sock_set_user_timeout(sk, ms) ((void)(sk))
#define sock_set_keepalive(sk) ((void)(sk))
#define sock_allow_reclassification(sk) ((void)(sk), false)
#define sock_lock_init_class_and_name(sk, name, key, class, class_key) ((void)(sk))
#define kernel_sock_shutdown(sock, how) ((void)(sock))

#define kthread_create(function, data, ...) ((void)(function), (struct task_struct *)(data))
#define wake_up_process(task) ((void)(task))
#define kthread_stop(task) ((void)(task))
#define kthread_should_stop() true

#endif
