// SPDX-License-Identifier: GPL-2.0-or-later
/* auth - see auth.h. */
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth.h"

#define PREFIX "ramster1"
#define SALT "ramster control connection 1"

struct auth *auth_new(const struct conf *conf, unsigned int self, char error[AUTHKEY_ERROR_LEN])
{
	struct auth *auth = calloc(1, sizeof(*auth));

	if (!auth) {
		snprintf(error, AUTHKEY_ERROR_LEN, "%s: out of memory", conf->authkey);
		return NULL;
	}
	memcpy(auth->cluster, conf->cluster, sizeof(auth->cluster));
	auth->self = self;
	if (!authkeys_load(conf->authkey, &auth->keys, error))
		return auth;
	auth_free(auth);
	return NULL;
}

void auth_free(struct auth *auth)
{
	if (auth)
		authkeys_wipe(&auth->keys);
	free(auth);
}

static void format(const char *cluster, unsigned int from, unsigned int to, const char *id,
		   char identity[AUTH_IDENTITY_LEN])
{
	snprintf(identity, AUTH_IDENTITY_LEN, PREFIX " %s %u %u %s", cluster, from, to, id);
}

void auth_identity(const struct auth *auth, unsigned int to, const struct authkey *key,
		   char identity[AUTH_IDENTITY_LEN])
{
	format(auth->cluster, auth->self, to, key->id, identity);
}

/* HKDF-SHA256 (RFC 5869), of one block, with the identity as its info. */
void auth_secret(const struct authkey *key, const char *identity, uint8_t secret[AUTH_SECRET_LEN])
{
	static const uint8_t block = 1;
	struct hmac_sha256_ctx hmac;
	uint8_t extracted[SHA256_DIGEST_SIZE];

	hmac_sha256_set_key(&hmac, strlen(SALT), (const uint8_t *)SALT);
	hmac_sha256_update(&hmac, sizeof(key->secret), key->secret);
	hmac_sha256_digest(&hmac, sizeof(extracted), extracted);
	hmac_sha256_set_key(&hmac, sizeof(extracted), extracted);
	hmac_sha256_update(&hmac, strlen(identity), (const uint8_t *)identity);
	hmac_sha256_update(&hmac, sizeof(block), &block);
	hmac_sha256_digest(&hmac, AUTH_SECRET_LEN, secret);
	explicit_bzero(extracted, sizeof(extracted));
	explicit_bzero(&hmac, sizeof(hmac));
}

enum auth_verdict auth_check(const struct auth *auth, const uint8_t *identity, size_t len, unsigned int *from,
			     const struct authkey **key, char reason[AUTH_REASON_LEN])
{
	char text[AUTH_IDENTITY_LEN], canonical[AUTH_IDENTITY_LEN] = "", cluster[CONF_NAME_LEN], id[AUTHKEY_ID_LEN];
	unsigned int to;

	if (len >= sizeof(text) || memchr(identity, 0, len)) {
		snprintf(reason, AUTH_REASON_LEN, "its identity is none of RAMster's");
		return AUTH_MALFORMED;
	}
	memcpy(text, identity, len);
	text[len] = 0;
	if (sscanf(text, PREFIX " %63[^ ] %3u %3u %8[0-9a-f]", cluster, from, &to, id) == 4)
		format(cluster, *from, to, id, canonical);
	if (!*canonical || strcmp(text, canonical)) {
		snprintf(reason, AUTH_REASON_LEN, "its identity is none of RAMster's, or of another version");
		return AUTH_MALFORMED;
	}
	if (strcmp(cluster, auth->cluster)) {
		snprintf(reason, AUTH_REASON_LEN, "its key is for cluster \"%s\", this is \"%s\": compare cluster.conf",
			 cluster, auth->cluster);
		return AUTH_OTHER_CLUSTER;
	}
	if (to != auth->self || *from == auth->self) {
		snprintf(reason, AUTH_REASON_LEN,
			 "it connects from node %u to node %u, this is node %u: compare cluster.conf", *from, to,
			 auth->self);
		return AUTH_OTHER_NODE;
	}
	*key = authkeys_find(&auth->keys, id);
	if (*key)
		return AUTH_OK;
	snprintf(reason, AUTH_REASON_LEN,
		 "its key %s is not known here, node %u has %s: the same key file is to be on every node", id,
		 auth->self, auth->keys.keys[0].id);
	return AUTH_UNKNOWN_KEY;
}
