/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auth - what nodes prove to each other on control connections: that they have a key of this cluster, and which node
 * connects to which.
 *
 * Who connects gives an identity, "ramster1 CLUSTER FROM TO KEYID", and both sides use the secret that follows from the
 * key and that identity. So a secret serves one pair of nodes in one direction, and what a node says cannot be sent back
 * to it.
 */
#ifndef _RAMSTER_AUTH_H
#define _RAMSTER_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/authkey.h"
#include "daemon/conf.h"

#define AUTH_IDENTITY_LEN 128 /* with the final 0 */
#define AUTH_SECRET_LEN 32
#define AUTH_REASON_LEN 256

struct auth {
	char cluster[CONF_NAME_LEN];
	unsigned int self; /* this node's number */
	struct authkeys keys;
};

/**
 * auth_new - read the keys that a configuration names
 * @self: number of this node
 * @error: on failure, one line with what to do
 *
 * Returns NULL if that fails.
 */
struct auth *auth_new(const struct conf *conf, unsigned int self, char error[AUTHKEY_ERROR_LEN]);

/* Forgets the keys. NULL is fine. */
void auth_free(struct auth *auth);

enum auth_verdict {
	AUTH_OK,
	AUTH_UNKNOWN_KEY, /* all else is right */
	AUTH_OTHER_NODE, /* it is not to this node */
	AUTH_OTHER_CLUSTER,
	AUTH_MALFORMED,
};

/* The identity of a connection from this node to another. */
void auth_identity(const struct auth *auth, unsigned int to, const struct authkey *key,
		   char identity[AUTH_IDENTITY_LEN]);

/* The secret that belongs to an identity. */
void auth_secret(const struct authkey *key, const char *identity, uint8_t secret[AUTH_SECRET_LEN]);

/**
 * auth_check - whether an identity is one of a connection to this node
 * @identity: as received: @len bytes of anything
 * @from: the node that it is of; set if AUTH_OK or AUTH_UNKNOWN_KEY
 * @key: set if AUTH_OK
 * @reason: what is wrong, and what to do
 */
enum auth_verdict auth_check(const struct auth *auth, const uint8_t *identity, size_t len, unsigned int *from,
			     const struct authkey **key, char reason[AUTH_REASON_LEN]);

#endif
