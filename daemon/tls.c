// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls - a session of GnuTLS, with a pre-shared key and nothing else: no certificates, no tickets, no early data.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/tls.h"

/* What both sides must be able to do; psk_dhe_ke alone, so that a key that is learnt later opens no recording. */
#define PRIORITY                                                                                                       \
	"NONE:+VERS-TLS1.3:+ECDHE-PSK:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+GROUP-SECP256R1:+SIGN-ALL:" \
	"%DISABLE_TLS13_COMPAT_MODE"
#define HANDSHAKE_MAX 8192 /* bytes of a handshake message */

struct tls {
	gnutls_session_t session;
	gnutls_psk_client_credentials_t client; /* of tls_connect() */
	const struct auth *auth;
	tls_send_fn send;
	void *ctx;
	const uint8_t *input;
	size_t input_len;
	bool begun; /* the first byte was looked at */
	bool key_unknown; /* of tls_connect() */
	gnutls_alert_description_t alert; /* what goes with @why, if that was set before the identity was accepted */
	bool named; /* of tls_accept(): the identity was acceptable, so that @node and @key are known */
	unsigned int node;
	char key[AUTHKEY_ID_LEN];
	char why[TLS_WHY_LEN];
};

static int __attribute__((format(printf, 3, 4))) fail(struct tls *tls, int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(tls->why, sizeof(tls->why), format, ap);
	va_end(ap);
	return ret;
}

/* ---- What GnuTLS calls ---- */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *bytes, size_t len)
{
	struct tls *tls = ptr;

	if (!tls->input_len) {
		gnutls_transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	if (len > tls->input_len)
		len = tls->input_len;
	memcpy(bytes, tls->input, len);
	tls->input += len;
	tls->input_len -= len;
	return len;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms)
{
	struct tls *tls = ptr;

	return tls->input_len > 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *bytes, size_t len)
{
	struct tls *tls = ptr;
	int ret = tls->send(tls->ctx, bytes, len);

	if (!ret)
		return len;
	gnutls_transport_set_errno(tls->session, -ret);
	return -1;
}

#define EXTENSION_PRE_SHARED_KEY 41 /* RFC 8446, 4.2 */
#define EXTENSION_SUPPORTED_VERSIONS 43

struct offered {
	bool tls_1_3, key;
};

static int look_at_extension(void *ctx, unsigned int id, const unsigned char *bytes, unsigned int len)
{
	struct offered *offered = ctx;

	if (id == EXTENSION_PRE_SHARED_KEY)
		offered->key = true;
	for (unsigned int i = 1; id == EXTENSION_SUPPORTED_VERSIONS && i + 1 < len; i += 2)
		offered->tls_1_3 |= bytes[i] == 3 && bytes[i + 1] == 4;
	return 0;
}

/* Says what is wrong with a client better than the handshake would, and before anything is computed for it. */
static int look_at_client(gnutls_session_t session, unsigned int type, unsigned int when, unsigned int incoming,
			  const gnutls_datum_t *message)
{
	struct tls *tls = gnutls_session_get_ptr(session);
	struct offered offered = { 0 };

	if (!incoming ||
	    gnutls_ext_raw_parse(&offered, look_at_extension, message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO))
		return 0;
	if (!offered.tls_1_3) {
		tls->alert = GNUTLS_A_PROTOCOL_VERSION;
		return fail(tls, GNUTLS_E_UNSUPPORTED_VERSION_PACKET, "it speaks an older TLS than 1.3");
	}
	if (!offered.key) {
		tls->alert = GNUTLS_A_MISSING_EXTENSION;
		return fail(tls, GNUTLS_E_INSUFFICIENT_CREDENTIALS, "no key: it speaks TLS, but offers none");
	}
	return 0;
}

/* The secret for an identity that a client gives. */
static int find_secret(gnutls_session_t session, const gnutls_datum_t *identity, gnutls_datum_t *secret)
{
	struct tls *tls = gnutls_session_get_ptr(session);
	char reason[AUTH_REASON_LEN], text[AUTH_IDENTITY_LEN];
	static const gnutls_alert_description_t alerts[] = {
		[AUTH_UNKNOWN_KEY] = GNUTLS_A_UNKNOWN_PSK_IDENTITY,
		[AUTH_OTHER_NODE] = GNUTLS_A_UNRECOGNIZED_NAME,
		[AUTH_OTHER_CLUSTER] = GNUTLS_A_ACCESS_DENIED,
		[AUTH_MALFORMED] = GNUTLS_A_ILLEGAL_PARAMETER,
	};
	const struct authkey *key;
	enum auth_verdict verdict;

	verdict = auth_check(tls->auth, identity->data, identity->size, &tls->node, &key, reason);
	if (verdict != AUTH_OK) {
		tls->alert = alerts[verdict];
		fail(tls, 0, "%s", reason);
		return -1;
	}
	secret->data = gnutls_malloc(AUTH_SECRET_LEN);
	if (!secret->data)
		return -1;
	secret->size = AUTH_SECRET_LEN;
	memcpy(text, identity->data, identity->size);
	text[identity->size] = 0;
	auth_secret(key, text, secret->data);
	memcpy(tls->key, key->id, sizeof(tls->key));
	tls->named = true;
	return 0;
}

/* ---- Begin and end ---- */

static int set_client_secret(struct tls *tls, const struct authkey *key)
{
	char identity[AUTH_IDENTITY_LEN];
	uint8_t secret[AUTH_SECRET_LEN];
	gnutls_datum_t name = { .data = (unsigned char *)identity };
	gnutls_datum_t value = { .data = secret, .size = sizeof(secret) };
	int ret;

	auth_identity(tls->auth, tls->node, key, identity);
	auth_secret(key, identity, secret);
	name.size = strlen(identity);
	memcpy(tls->key, key->id, sizeof(tls->key));
	ret = gnutls_psk_allocate_client_credentials(&tls->client);
	if (!ret)
		ret = gnutls_psk_set_client_credentials2(tls->client, &name, &value, GNUTLS_PSK_KEY_RAW);
	explicit_bzero(secret, sizeof(secret));
	return ret ? ret : gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->client);
}

/* One for all sessions: what is particular to one is found by its pointer. */
static int set_server_secrets(struct tls *tls)
{
	static gnutls_psk_server_credentials_t server;

	if (!server) {
		if (gnutls_psk_allocate_server_credentials(&server))
			return GNUTLS_E_MEMORY_ERROR;
		gnutls_psk_set_server_credentials_function2(server, find_secret);
	}
	gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE,
					   look_at_client);
	return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, server);
}

static struct tls *tls_new(const struct auth *auth, unsigned int flags, tls_send_fn send, void *ctx)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->auth = auth;
	tls->send = send;
	tls->ctx = ctx;
	if (gnutls_init(&tls->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL)) {
		free(tls);
		return NULL;
	}
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_pull_timeout_function(tls->session, pull_timeout);
	gnutls_transport_set_push_function(tls->session, push);
	gnutls_handshake_set_max_packet_length(tls->session, HANDSHAKE_MAX);
	if (!gnutls_priority_set_direct(tls->session, PRIORITY, NULL))
		return tls;
	tls_free(tls);
	return NULL;
}

struct tls *tls_connect(const struct auth *auth, unsigned int node, unsigned int key, tls_send_fn send, void *ctx)
{
	struct tls *tls = tls_new(auth, GNUTLS_CLIENT, send, ctx);

	if (!tls)
		return NULL;
	tls->node = node;
	if (!set_client_secret(tls, &auth->keys.keys[key]))
		return tls;
	tls_free(tls);
	return NULL;
}

struct tls *tls_accept(const struct auth *auth, tls_send_fn send, void *ctx)
{
	struct tls *tls = tls_new(auth, GNUTLS_SERVER, send, ctx);

	if (!tls || !set_server_secrets(tls))
		return tls;
	tls_free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	gnutls_deinit(tls->session);
	if (tls->client)
		gnutls_psk_free_client_credentials(tls->client);
	free(tls);
}

/* ---- The handshake ---- */

/* What the other side's alert means to who connects. */
static int judge_alert(struct tls *tls)
{
	gnutls_alert_description_t alert = gnutls_alert_get(tls->session);

	switch (alert) {
	case GNUTLS_A_UNKNOWN_PSK_IDENTITY:
		tls->key_unknown = true;
		return fail(tls, -EACCES, "it does not know our key %s: the same key file is to be on every node",
			    tls->key);
	case GNUTLS_A_UNRECOGNIZED_NAME:
		return fail(tls, -EACCES, "it is not node %u: compare cluster.conf", tls->node);
	case GNUTLS_A_ACCESS_DENIED:
		return fail(tls, -EACCES, "it is of another cluster than \"%s\": compare cluster.conf",
			    tls->auth->cluster);
	case GNUTLS_A_DECRYPT_ERROR:
		return fail(tls, -EACCES, "wrong key: its key %s is another one than ours of that name", tls->key);
	default:
		return fail(tls, -EACCES, "it refused the TLS handshake: %s", gnutls_alert_get_name(alert));
	}
}

static void send_alert(struct tls *tls, gnutls_alert_description_t alert)
{
	gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
}

/* What is wrong with a handshake of who connects to us, and tells it. */
static int judge_client(struct tls *tls, int ret)
{
	if (*tls->why && !tls->named) {
		send_alert(tls, tls->alert);
		return -EACCES;
	}
	if (tls->named && (ret == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER || ret == GNUTLS_E_DECRYPTION_FAILED)) {
		send_alert(tls, GNUTLS_A_DECRYPT_ERROR);
		return fail(tls, -EACCES, "wrong key: it says to be node %u with key %s, and does not have that key",
			    tls->node, tls->key);
	}
	gnutls_alert_send_appropriate(tls->session, ret);
	return fail(tls, -EACCES, "the TLS handshake failed: %s", gnutls_strerror(ret));
}

static int judge(struct tls *tls, int ret)
{
	if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED || ret == GNUTLS_E_WARNING_ALERT_RECEIVED)
		return judge_alert(tls);
	if (!tls->client)
		return judge_client(tls, ret);
	gnutls_alert_send_appropriate(tls->session, ret);
	return fail(tls, -EACCES, "it does not prove to have our key %s (%s)", tls->key, gnutls_strerror(ret));
}

/* GnuTLS was asked for nothing else. That what it made is what was asked for must not hang on its defaults alone. */
static bool as_asked_for(const struct tls *tls)
{
	gnutls_kx_algorithm_t kx = gnutls_kx_get(tls->session);

	return gnutls_protocol_get_version(tls->session) == GNUTLS_TLS1_3 &&
	       gnutls_auth_get_type(tls->session) == GNUTLS_CRD_PSK && kx == GNUTLS_KX_ECDHE_PSK &&
	       !gnutls_session_is_resumed(tls->session) && (tls->client || tls->named);
}

int tls_handshake(struct tls *tls)
{
	int ret;

	if (!tls->begun && tls->input_len) {
		tls->begun = true;
		if (tls->input[0] != 22 && tls->input[0] != 21) /* a record of the handshake, or an alert */
			return fail(tls, -EACCES, "it speaks without TLS: authkey = off there, or no ramsterd");
	}
	do {
		ret = gnutls_handshake(tls->session);
	} while (ret == GNUTLS_E_INTERRUPTED);
	if (ret == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (ret)
		return judge(tls, ret);
	if (!as_asked_for(tls))
		return fail(tls, -EACCES, "the TLS handshake proved nothing");
	return 0;
}

/* ---- Data ---- */

void tls_input(struct tls *tls, const void *bytes, size_t len)
{
	tls->input = bytes;
	tls->input_len = len;
}

ssize_t tls_read(struct tls *tls, uint8_t bytes[TLS_RECORD_MAX])
{
	ssize_t len;

	do {
		len = gnutls_record_recv(tls->session, bytes, TLS_RECORD_MAX);
	} while (len == GNUTLS_E_INTERRUPTED);
	if (len >= 0)
		return len;
	if (len == GNUTLS_E_AGAIN)
		return -EAGAIN;
	return fail(tls, -EPROTO, "TLS: %s", gnutls_strerror(len));
}

int tls_write(struct tls *tls, const void *bytes, size_t len)
{
	while (len) {
		ssize_t sent = gnutls_record_send(tls->session, bytes, len);

		if (sent < 0)
			return sent == GNUTLS_E_PUSH_ERROR ? -ENOBUFS : -EIO;
		bytes = (const uint8_t *)bytes + sent;
		len -= sent;
	}
	return 0;
}

void tls_bye(struct tls *tls)
{
	gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}

const char *tls_why(const struct tls *tls)
{
	return tls->why;
}

bool tls_key_unknown(const struct tls *tls)
{
	return tls->client && tls->key_unknown;
}

unsigned int tls_node(const struct tls *tls)
{
	return tls->node;
}

const char *tls_key(const struct tls *tls)
{
	return tls->key;
}
