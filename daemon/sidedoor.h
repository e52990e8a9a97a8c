/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sidedoor - ramsterd's end of the lender's side door (proto/lender.h). It connects by itself and again whenever the
 * lender comes back. All calls and callbacks are on the loop's thread.
 */
#ifndef _RAMSTER_SIDEDOOR_H
#define _RAMSTER_SIDEDOOR_H

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "proto/lender.h"

#define SIDEDOOR_PATH "/run/ramster-lender/lender.sock"

struct sidedoor;

struct sidedoor_events {
	void (*opened)(void *ctx); /* the lender answers; sidedoor_status() is known */
	void (*closed)(void *ctx); /* it is gone; open calls have been answered -ENOTCONN */
	void (*changed)(void *ctx); /* another status than before */
};

/**
 * sidedoor_reply_fn - the answer to one call
 * @error: 0, the lender's -errno, or -ENOTCONN
 * @reply: NULL if @error is -ENOTCONN
 */
typedef void (*sidedoor_reply_fn)(void *ctx, int error, const struct lender_reply *reply);

/**
 * sidedoor_new - start looking for the lender
 * @path: of its socket; must stay
 * @node: the local node's number; a lender started as another one is not used
 *
 * Returns NULL if memory is short.
 */
struct sidedoor *sidedoor_new(uv_loop_t *loop, const char *path, uint32_t node, const struct sidedoor_events *events,
			      void *ctx);

/**
 * sidedoor_call - queue a request
 * @request: copied; its protocol field is filled in
 * @reply: called exactly once, never from within this call; NULL = nobody cares
 *
 * Requests of one owner are answered in their order, as are those that no owner causes: LIST with this node's own number
 * as its owner, and all that is not about leases and tokens. Beyond that, owners and this node take turns.
 *
 * Returns 0, -ENOTCONN if no lender is there, or -ENOMEM; @reply is not called then.
 */
int sidedoor_call(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx);

/* The lender's status as of its last answer; NULL while there is no lender. */
const struct lender_status *sidedoor_status(const struct sidedoor *door);

/* The lender's process, or 0 while there is none or it is not known. */
pid_t sidedoor_pid(const struct sidedoor *door);

/* Stops; the lender goes on. Open calls are answered -ENOTCONN. NULL is fine. */
void sidedoor_free(struct sidedoor *door);

#endif
