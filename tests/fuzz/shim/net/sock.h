/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_SOCK_H
#define _SHIM_SOCK_H

#include <linux/net.h>

#define TCP_ESTABLISHED 1
#define SOCK_SNDBUF_LOCK 1

struct inet_connection_sock {
	const void *icsk_ulp_ops;
};

struct sock {
	struct inet_connection_sock icsk;
	unsigned short sk_family;
	unsigned short sk_protocol;
	unsigned char sk_state;
	gfp_t sk_allocation;
	long sk_sndtimeo;
	long sk_rcvtimeo;
	int sk_sndbuf;
	unsigned int sk_userlocks;
};

#define inet_csk(sk) (&(sk)->icsk)
#define compat_sk_no_task_frag(sk) ((void)(sk))
#define lock_sock(sk) ((void)(sk))
#define release_sock(sk) ((void)(sk))
#define sock_no_linger(sk) ((void)(sk))
#define sock_set_keepalive(sk) ((void)(sk))
#define tcp_sock_set_nodelay(sk) ((void)(sk))
#define tcp_sock_set_user_timeout(sk, ms) ((void)(sk), (void)(ms))

/* There is no lockdep. */
struct lock_class_key {
	char unused;
};

#define CONFIG_DEBUG_LOCK_ALLOC 0
#define IS_ENABLED(option) (option)
#define sock_allow_reclassification(sk) ((void)(sk), true)
#define sock_lock_init_class_and_name(sk, slock, slock_key, name, key)                                                 \
	((void)(sk), (void)(slock_key), (void)(name), (void)(key))

#endif
