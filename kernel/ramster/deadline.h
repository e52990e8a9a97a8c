/* SPDX-License-Identifier: GPL-2.0 */
/*
 * deadline.h - how long requests wait for a peer that does not answer.
 *
 * Never sleep, where it does not say otherwise.
 */
#ifndef _RAMSTER_DEADLINE_H
#define _RAMSTER_DEADLINE_H

#include <linux/types.h>

struct r2net_peer;
struct r2net_request;

/* Looks after a peer, of which an answer is due or that lacks a connection, until none is due any more. */
void deadline_watch(struct r2net_peer *peer);

/*
 * Membership says that the peer's node is gone: it is late at once, and asked whether it lives. What waits for it fails a
 * moment later, unless it answers. Sends the event. Nothing changes if it is late or dead already.
 */
void deadline_away(struct r2net_peer *peer);

/*
 * Whether a request goes on waiting for a late peer: the patient do, to the slow deadline of the peer's outage; all do in the
 * moment after deadline_away(). Under peer->lock.
 */
bool deadline_waits_for(const struct r2net_peer *peer, const struct r2net_request *req);

/* Whether a request has waited as long as anything may, however often it was sent. Under peer->lock. */
bool deadline_over(const struct r2net_peer *peer, const struct r2net_request *req);

void deadline_init(struct r2net_peer *peer);
/* Nobody watches any more when it returns. May sleep. */
void deadline_exit(struct r2net_peer *peer);

#endif
