/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transfer - the bulk of frames between sockets and memory, in the owner's turns.
 *
 * The caller has a turn (gate.h) of the connection's owner before and after, whatever is returned. Meanwhile it is given back
 * whenever the peer has to be waited for, so others may have been served, and the connection may have been shut.
 */
#ifndef _RAMSTER_LENDER_TRANSFER_H
#define _RAMSTER_LENDER_TRANSFER_H

#include <stdbool.h>
#include <sys/uio.h>

#include "daemon/lender/connection.h"

/**
 * transfer_receive - receive what fills @iov
 * @iov: changed
 *
 * Returns false if the peer ended, or did not send it within conn->frame_ms.
 */
bool transfer_receive(struct connection *conn, struct iovec *iov, unsigned int count);

/**
 * transfer_send - send all of @iov
 * @iov: changed
 *
 * Returns false if the peer ended, or did not take it within conn->frame_ms.
 */
bool transfer_send(struct connection *conn, struct iovec *iov, unsigned int count);

#endif
