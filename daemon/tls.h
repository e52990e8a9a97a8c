/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls - one TLS 1.3 session with a secret of auth.h, over bytes that others carry. It never waits.
 *
 * Whoever is at the other end has proven, once tls_handshake() returns 0, that it has the cluster's key, and which node
 * it is.
 */
#ifndef _RAMSTER_TLS_H
#define _RAMSTER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/auth.h"

#define TLS_RECORD_MAX 16384 /* bytes that tls_read() may give at once */
#define TLS_WHY_LEN 320

struct tls;

/* Takes bytes to be sent. Returns 0, or -errno. */
typedef int (*tls_send_fn)(void *ctx, const void *bytes, size_t len);

/**
 * tls_connect - a session with another node, begun by this one
 * @key: which of our keys to offer; must be one of them
 *
 * Returns NULL if memory is short.
 */
struct tls *tls_connect(const struct auth *auth, unsigned int node, unsigned int key, tls_send_fn send, void *ctx);

/* A session that another node begins. Returns NULL if memory is short. */
struct tls *tls_accept(const struct auth *auth, tls_send_fn send, void *ctx);

/* Gives it what has arrived; the bytes must stay until it has asked for all of them: until -EAGAIN is returned. */
void tls_input(struct tls *tls, const void *bytes, size_t len);

/* Goes on with the handshake. Returns 0 when it is over, -EAGAIN for more input, or -EACCES: see tls_why(). */
int tls_handshake(struct tls *tls);

/* Returns the length of what was received, 0 at the end, -EAGAIN for more input, or -EPROTO: see tls_why(). */
ssize_t tls_read(struct tls *tls, uint8_t bytes[TLS_RECORD_MAX]);

/* Returns 0, or -errno. */
int tls_write(struct tls *tls, const void *bytes, size_t len);

/* Tells the other side that nothing more comes. */
void tls_bye(struct tls *tls);

/* What is wrong, and what to do. */
const char *tls_why(const struct tls *tls);

/* Of tls_connect(): whether the handshake failed only because the other side does not know the key that was offered. */
bool tls_key_unknown(const struct tls *tls);

/* The node at the other end, and the id of the key that it has proven to have. */
unsigned int tls_node(const struct tls *tls);
const char *tls_key(const struct tls *tls);

/* NULL is fine. */
void tls_free(struct tls *tls);

#endif
