/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * genl.h - the kernel's part of generic netlink, between a process that sends messages and the family that is registered: what
 * reaches the family's functions here reaches them there, and nothing else does.
 */
#ifndef _TESTS_FUZZ_GENL_H
#define _TESTS_FUZZ_GENL_H

#include <net/genetlink.h>

#define GENL_PORT 77

/* One dump under way. */
struct genl_dump {
	const struct genl_small_ops *op; /* NULL: there is none */
	struct sk_buff *request;
	struct netlink_callback cb;
};

/*
 * A message, with its header, of a process with CAP_NET_ADMIN. With NLM_F_DUMP it begins a dump in @dump, which has to be
 * free. Returns 0 or -errno, as an acknowledgement would have it; @extack: zeroed before.
 */
int genl_receive(const void *bytes, size_t len, struct netlink_ext_ack *extack, struct genl_dump *dump);

/*
 * The next datagram of a dump, of @room bytes at most. Returns it, to be freed by nlmsg_free(), or NULL if memory is short:
 * either may have been the last.
 */
struct sk_buff *genl_dump_next(struct genl_dump *dump, size_t room);
void genl_dump_end(struct genl_dump *dump);

/* Called with each reply and each event, by the family's functions; it does not free it. */
extern void (*genl_answered)(const struct sk_buff *skb, bool event);

#endif
