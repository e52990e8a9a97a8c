/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conn.h - one connection to a lender: a socket, and the two threads that alone use it.
 *
 * The sender takes requests from the queue, gives each a tag in the window, and writes it whole. The receiver reads
 * answers and finds their requests by the tag. When either fails, or the connection is aborted, both stop, and a work
 * item hands what is left to request.c. All fields that change are under peer->lock.
 */
#ifndef _RAMSTER_CONN_H
#define _RAMSTER_CONN_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "r2net.h"

/* Items that are received in one piece, in bytes: an answer of one item, or several small ones. */
#define CONN_CHUNK (32U << 10)

struct r2net_peer;
struct r2net_request;
struct socket;
struct task_struct;

struct r2net_conn {
	struct list_head link; /* in peer->conns until it fails */
	struct r2net_peer *peer; /* a reference */
	u32 number;
	u8 role; /* enum r2net_role */
	u8 window;

	struct list_head urgent; /* READ, PING, FENCE to be sent */
	struct list_head bulk; /* WRITE, and READ that nobody waits for */
	struct r2net_request *inflight[R2NET_MAX_WINDOW];
	unsigned int nr_inflight;
	unsigned int nr_queued;
	u64 serial; /* of tags */
	unsigned long progress; /* jiffies of the last answer, or of the first request when none was waited for */
	ktime_t sending_since; /* when the frame began that is being sent; 0: none is */
	bool failed;

	u64 tx_bytes; /* written by the sender alone */
	u64 rx_bytes; /* written by the receiver alone */

	struct socket *sock;
	struct task_struct *sender;
	struct task_struct *receiver;
	wait_queue_head_t wake; /* the sender: something to send, room in the window, or the end */
	struct work_struct teardown;
	struct r2net_result results[R2NET_MAX_ITEMS]; /* the receiver's */
	u32 expect[R2NET_MAX_ITEMS];
	void *bytes; /* the receiver's: CONN_CHUNK */
};

/**
 * r2net_conn_add - start using a connected socket
 * @peer: of which the caller has a reference, and holds no lock
 * @number: never used before for this peer
 * @fd: of the calling task; the connection takes its own reference to the socket
 * @text: where a text for the operator is left if it fails
 *
 * May sleep. Returns 0, -EBADF, -ENOTSOCK, -EPROTOTYPE (not a stream, or of a family that is not taken), -ENOTCONN,
 * -EBUSY (a TCP socket with an upper layer), -EEXIST, -EHOSTDOWN if the peer is dead, or -ENOMEM.
 */
int r2net_conn_add(struct r2net_peer *peer, u32 number, enum r2net_role role, u32 window, int fd, const char **text);

/* Puts a request into its queue. Under peer->lock. */
void r2net_conn_queue(struct r2net_conn *conn, struct r2net_request *req);

/* Whether somebody waits for an answer on it, or did until another peer was asked, too. Under peer->lock. */
bool r2net_conn_due(const struct r2net_conn *conn);

/* Ends a connection without waiting for its end. Under peer->lock. */
void r2net_conn_abort_locked(struct r2net_conn *conn);

#endif
