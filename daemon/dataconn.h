/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dataconn - the opening of one data connection: connects to a lender, and both prove to each other that they have the
 * token (proto/r2net.h), so that the socket can be handed to the module. All calls and callbacks are on the loop's thread.
 */
#ifndef _RAMSTER_DATACONN_H
#define _RAMSTER_DATACONN_H

#include <netinet/in.h>
#include <stdint.h>
#include <uv.h>

#include "proto/r2net.h"

#define DATACONN_DEADLINE_MS 3000

struct dataconn;

struct dataconn_result {
	int fd; /* the callee's to close, once the module has taken it; -1 on failure */
	int error; /* 0; -errno; -EPERM: the lender refused the token; -ECONNREFUSED: it refused HELLO otherwise */
	uint32_t window; /* that both sides take */
	uint64_t lender_instance;
	const char *why; /* what failed */
};

typedef void (*dataconn_done_fn)(void *ctx, const struct dataconn_result *result);

/**
 * dataconn_open - begin
 * @from: local address to connect from; its port is ignored
 * @hello: what to say, with a nonce that was never used before
 * @token: R2NET_TOKEN_LEN bytes
 * @done: called exactly once, never from within this call, unless dataconn_abandon() comes first; the dataconn is gone
 *
 * Returns NULL if memory is short.
 */
struct dataconn *dataconn_open(uv_loop_t *loop, const struct sockaddr_in *from, const struct sockaddr_in *to,
			       const struct r2net_hello *hello, const uint8_t *token, dataconn_done_fn done, void *ctx);

/* Forgets it; @done is not called. NULL is fine. */
void dataconn_abandon(struct dataconn *conn);

#endif
