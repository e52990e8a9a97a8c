/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer - another node of the cluster, and the control connection with its ramsterd.
 *
 *   IDLE -> CONNECTING -> GREETING -> UP     on the node with the lower number, which connects
 *   IDLE -> UP                               on the other one, when a greeted connection is handed in by the listener
 *
 * and from each of them back to IDLE.
 */
#ifndef _RAMSTER_PEER_H
#define _RAMSTER_PEER_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/control.h"
#include "daemon/lease.h"
#include "daemon/link.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/ramsterd.h"

#define PEER_PING_MS 1000
#define PEER_SILENT_PINGS 3 /* without a word from the other side: it is down */
#define PEER_GREETING_MS 3000 /* for connecting, and again for Hello */
#define PEER_RETRY_MIN_MS 200
#define PEER_RETRY_MAX_MS 2000
#define PEER_REASON_LEN 256

enum peer_state {
	PEER_IDLE,
	PEER_CONNECTING,
	PEER_GREETING,
	PEER_UP,
};

struct peer {
	struct ramsterd *d;
	struct conf_node node;
	enum peer_state state;
	struct control *control; /* NULL in PEER_IDLE */
	uv_timer_t timer; /* what it means depends on the state */
	unsigned int retry_ms;
	unsigned int silent; /* pings since its last word */
	bool spoke; /* we sent something since the last ping */
	bool member; /* as the membership says */
	uint64_t up_ms; /* when it was last PEER_UP; at first, when we began to deal with it */
	uint64_t session; /* differs between any two connections of any peers; changes at PEER_UP */
	char reason[PEER_REASON_LEN]; /* why it is not up */
	struct log_limit log_limit; /* of all that is said of it: how often is up to it */
	struct offer offer; /* theirs; zeroes unless PEER_UP */
	struct offer told; /* ours, as sent last */
	struct link link; /* link.c: data connections to its lender */
	struct borrow borrow; /* lease.c: dealings with it as a donor */
};

/**
 * peer_new - begin to deal with a node
 * @node: copied
 *
 * Returns NULL if memory is short.
 */
struct peer *peer_new(struct ramsterd *d, const struct conf_node *node);

/* Ends the control connection and forgets the node; the module and the lender keep what they have of it. */
void peer_free(struct peer *peer);

/**
 * peer_check_hello - whether a Hello is acceptable
 * @control: what it came by
 * @reason: what is wrong with it, fit for Refuse and the log
 *
 * Returns the peer that said it, or NULL.
 */
struct peer *peer_check_hello(struct ramsterd *d, const Ramster__Hello *hello, struct control *control,
			      char reason[PEER_REASON_LEN]);

/* The cluster's keys were read again: a connection that was made with one of those that went is made anew. */
void peer_keys_changed(struct peer *peer);

/* Takes over a connection on which the peer's Hello was accepted; ours is still to be sent. */
void peer_adopt(struct peer *peer, struct control *control, const Ramster__Hello *hello);

/* Sends a message if the peer is up; a failure ends the connection. */
void peer_send(struct peer *peer, const Ramster__Message *message);

/* Tells the peer what this node lends, on its control connection, if it is up and does not know already. */
void peer_advertise(struct peer *peer);

/* The same for all, in the membership's way. */
void peer_advertise_all(struct ramsterd *d);

/* For the membership: the peer offers this now. Without effect unless it is up. */
void peer_take_offer(struct peer *peer, const struct offer *offer);

/* For the membership: whether the peer is one now. */
void peer_set_member(struct peer *peer, bool member);

/* Whether there can be dealings with it now. */
bool peer_is_usable(const struct peer *peer);

/* "up", "connecting" or "down". */
const char *peer_state_name(const struct peer *peer);

#endif
