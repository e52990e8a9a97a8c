/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner - the nodes that may connect: their tokens, connections and fences.
 *
 * Each node number has one record and one lock. All functions may be called by any thread; node numbers are below
 * R2NET_MAX_NODES.
 */
#ifndef _RAMSTER_LENDER_OWNER_H
#define _RAMSTER_LENDER_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/lender/connection.h"
#include "daemon/proof.h"

struct table;

/* Control connections of an owner: one, and those that it has lost but that have not been missed here yet. */
#define OWNER_MAX_CONTROL 4

/**
 * owner_init - make the records; call it once, before any thread is started
 * @kept: where tokens are written down, too, and the first ones come from; NULL: nowhere
 */
void owner_init(struct table *kept);

/**
 * owner_admit - let an owner connect with this token, and with no earlier one
 * @instance: not 0; a new one shuts the connections of the earlier
 * @token: R2NET_TOKEN_LEN bytes
 */
void owner_admit(uint32_t owner, uint64_t instance, const uint8_t *token);

/**
 * owner_expel - forget the token of an owner's instance and end its connections
 *
 * Waits until their threads have left. Leases stay. Does nothing if the instance is not the one admitted last.
 */
void owner_expel(uint32_t owner, uint64_t instance);

/**
 * owner_join - add a connection if it has proven to have the owner's token
 * @conn: owner, instance, number and role are set
 * @proof: as received
 * @welcome: gets our own proof if R2NET_OK; all else in it is set
 *
 * Returns R2NET_OK, then the caller must owner_leave(); R2NET_EPERM: not this token or instance; R2NET_EINVAL: the
 * number was used or fenced before; R2NET_EAGAIN: too many connections, or too many of role control.
 */
enum r2net_status owner_join(struct connection *conn, const struct proof_said *said, const struct r2net_proof *proof,
			     struct r2net_welcome *welcome);

/**
 * owner_leave - take a connection out, before its socket is closed; it must hold no pins
 */
void owner_leave(struct connection *conn);

/**
 * owner_fence - shut a data connection of the same owner instance and bar its number
 * @conn: the control connection that asks
 * @number: the data connection's
 *
 * Returns R2NET_OK, or R2NET_EINVAL if the number is a control connection's. The fenced connection is gone once
 * owner_has() says so; @conn's eventfd tells when to ask.
 */
enum r2net_status owner_fence(struct connection *conn, uint32_t number);

/**
 * owner_has - whether a connection of @conn's owner instance is still there
 */
bool owner_has(struct connection *conn, uint32_t number);

/* How many connections it has, in both roles. */
unsigned int owner_connections(uint32_t owner);

/**
 * owner_shut_pinning - shut the connections that hold pins on an extent
 * @owner: node number of the lease
 * @extent: id; closed, so that no pin can come anew
 */
void owner_shut_pinning(uint32_t owner, uint32_t extent);

#endif
