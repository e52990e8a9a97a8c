/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_nl - what kernel.c and kernel_view.c share: messages to the module, and its answers.
 */
#ifndef _RAMSTER_KERNEL_NL_H
#define _RAMSTER_KERNEL_NL_H

#include <libmnl/libmnl.h>

#include "daemon/kernel.h"

#define KERNEL_BUFFER_SIZE 65536

struct kernel {
	uv_loop_t *loop;
	const struct kernel_events *events;
	void *ctx;
	struct mnl_socket *commands; /* NULL: no module */
	struct mnl_socket *hints;
	uv_poll_t *poll; /* of hints */
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char error[128];
	char out[KERNEL_BUFFER_SIZE], in[KERNEL_BUFFER_SIZE];
};

/* One answer under way: the parser of its messages and what it fills in. */
struct kernel_answer {
	void (*parse)(struct kernel_answer *answer, struct nlattr **attrs);
	void *to;
	unsigned int len; /* entries of an array so far */
	int error;
	struct kernel *kernel;
};

/* Begins a command in the buffer of @k. */
struct nlmsghdr *kernel_begin(struct kernel *k, uint16_t family, uint8_t cmd, uint16_t flags);

/* Sends it and waits for the answer, whose messages answer->parse() gets. Returns 0 or -errno; kernel_error() says more. */
int kernel_run(struct kernel *k, struct nlmsghdr *nlh, struct kernel_answer *answer);

/* For mnl_attr_parse() and its kin: puts an attribute into the struct nlattr *[RAMSTER_A_MAX + 1] at @data by its type. */
int kernel_collect(const struct nlattr *attr, void *data);

/* The value of an attribute, 0 if it is not there or of another size. */
uint32_t kernel_get_u32(struct nlattr **attrs, unsigned int type);
uint64_t kernel_get_u64(struct nlattr **attrs, unsigned int type);
/* Those of RAMSTER_A_LEASES. Returns how many. */
unsigned int kernel_get_leases(struct nlattr **attrs, struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES]);

/* Reads all of a view anew. Returns 0 or -errno; the view is perhaps filled in half then. */
int kernel_view_fill(struct kernel *k, struct kernel_view *view);

#endif
