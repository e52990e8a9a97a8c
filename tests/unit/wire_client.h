/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_client - a lender process of one's own, and the owner's side of the wire to it, for tests and benchmarks.
 *
 * Everything blocks, but no longer than WIRE_TIMEOUT_S. Not for several threads on one socket or door.
 */
#ifndef _RAMSTER_WIRE_CLIENT_H
#define _RAMSTER_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/lender.h"
#include "tests/unit/patience.h"

#define WIRE_TIMEOUT_S patience(20)
#define WIRE_NODE 7 /* the lender's node number */
#define WIRE_USER "nobody" /* who it becomes when the caller is root */

struct wire_lender {
	pid_t pid;
	int door; /* SOCK_SEQPACKET, connected */
	uint32_t port;
	char dir[64]; /* holds socket and log; removed at the end */
	const char *group; /* what is lent is kept; directory of its control group. NULL: it is not */
	bool (*prepare)(void); /* called in the new process before it is the lender; NULL: nothing */
};

/**
 * wire_lender_start - start a lender on a port of the system's choice
 * @lender: group and prepare are set
 * @limit: as for --limit
 *
 * The program is $RAMSTER_LENDER, or else the one two directories above the caller's own, as in the build directory. It is
 * killed when the calling thread ends.
 * Returns false if it does not come up; its log goes to stderr then.
 */
bool wire_lender_start(struct wire_lender *lender, const char *limit);

/**
 * wire_lender_restart - start another one on the paths of @lender, whose process the caller has ended or means to meet
 *
 * Returns false if it does not come up.
 */
bool wire_lender_restart(struct wire_lender *lender, const char *limit);

/**
 * wire_lender_stop - end it with SIGTERM and clean up
 *
 * Returns its exit status, or -1 if a signal ended it. Its log goes to stderr unless the status is 0.
 */
int wire_lender_stop(struct wire_lender *lender);

/**
 * wire_lender_log_count - how many lines of its log contain @text
 */
unsigned int wire_lender_log_count(const struct wire_lender *lender, const char *text);

/**
 * wire_door_connect - another client of the side door; returns a socket or -1
 */
int wire_door_connect(const struct wire_lender *lender);

/**
 * wire_door - one command, one reply; fills in the protocol number
 *
 * Returns reply->error, or -EIO if there was no reply.
 */
int wire_door(int door, struct lender_request *request, struct lender_reply *reply);

/**
 * wire_admit - let @owner connect with a token of 32 times @token
 */
int wire_admit(int door, uint32_t owner, uint64_t instance, uint8_t token);

/**
 * wire_lease - lease @count extents of @size bytes; returns how many there are in @leases, or -errno
 */
int wire_lease(int door, uint32_t owner, uint64_t instance, uint32_t size, unsigned int count,
	       struct lender_lease *leases);

/**
 * wire_release - end leases; returns how many were ended, or -errno
 */
int wire_release(int door, const struct lender_lease *leases, unsigned int count);

/**
 * wire_status - the lender's status; all zero if it does not answer
 */
struct lender_status wire_status(int door);

/**
 * wire_connect - a TCP connection to the lender on this host; returns a socket or -1
 */
int wire_connect(uint32_t port);

/**
 * wire_connect_to - the same to a lender anywhere
 * @address: dotted IPv4
 */
int wire_connect_to(const char *address, uint32_t port);

/* What a connection is opened with. */
struct wire_hello {
	struct r2net_hello hello;
	uint8_t token[R2NET_TOKEN_LEN];
};

/**
 * wire_hello_fill - a HELLO that the lender will take, for the test to spoil
 * @token: as given to wire_admit()
 */
void wire_hello_fill(struct wire_hello *hello, uint32_t owner, uint64_t instance, uint8_t token, uint32_t conn,
		     enum r2net_role role);

/**
 * wire_challenge - say HELLO alone; returns 0 with the CHALLENGE, the status of an ANSWER, or -1
 */
int wire_challenge(int fd, const struct wire_hello *hello, struct r2net_challenge *challenge);

/**
 * wire_prove - send a PROOF; returns the answer's status, or -1 if the lender ended the connection
 * @welcome: filled in if R2NET_OK
 */
int wire_prove(int fd, const struct r2net_proof *proof, struct r2net_welcome *welcome);

/**
 * wire_hello - a whole opening; returns the answer's status, or -1 if the lender ended the connection or proved nothing
 * @welcome: filled in if R2NET_OK; may be NULL
 */
int wire_hello(int fd, const struct wire_hello *hello, struct r2net_welcome *welcome);

/**
 * wire_join - connect and say HELLO; returns a socket or -1
 */
int wire_join(uint32_t port, uint32_t owner, uint64_t instance, uint8_t token, uint32_t conn, enum r2net_role role);

/**
 * wire_send, wire_receive - all of @length bytes; false if the connection ends first
 */
bool wire_send(int fd, const void *buffer, size_t length);
bool wire_receive(int fd, void *buffer, size_t length);

/**
 * wire_ended - wait until the lender ends the connection; false if it says something or WIRE_TIMEOUT_S pass
 */
bool wire_ended(int fd);

/**
 * wire_header - a frame's header
 */
struct r2net_hdr wire_header(enum r2net_type type, unsigned int items, uint32_t length, uint64_t tag);

/**
 * wire_item - one item of a WRITE or READ within a lease
 */
struct r2net_item wire_item(const struct lender_lease *lease, uint32_t offset, uint32_t length);

/**
 * wire_write - send a WRITE; @payload holds the items' bytes one after the other
 */
bool wire_write(int fd, uint64_t tag, const struct r2net_item *items, unsigned int count, const void *payload);

/**
 * wire_read - send a READ
 */
bool wire_read(int fd, uint64_t tag, const struct r2net_item *items, unsigned int count);

/**
 * wire_fence, wire_ping - send a FENCE for connection @conn, or a PING
 */
bool wire_fence(int fd, uint64_t tag, uint32_t conn);
bool wire_ping(int fd, uint64_t tag);

/**
 * wire_answer - receive one ANSWER and check its form
 * @tag: filled in
 * @statuses: filled in, R2NET_MAX_ITEMS of room
 * @payload: receives what follows the results; room for R2NET_MAX_LENGTH, or NULL if nothing may follow
 * @length: bytes of payload; may be NULL
 *
 * Returns how many results there are, or -1.
 */
int wire_answer(int fd, uint64_t *tag, uint32_t *statuses, void *payload, size_t *length);

#endif
