/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authkey - the file with the keys of a cluster: text, for its owner's eyes only, the same on every node.
 *
 *   ramster authkey 1
 *   key 64 HEXADECIMAL DIGITS
 *
 * Empty lines and those that begin with "#" do not count. The newest key comes first; a second one is accepted while
 * nodes go over to the first.
 */
#ifndef _RAMSTER_AUTHKEY_H
#define _RAMSTER_AUTHKEY_H

#include <stdbool.h>
#include <stdint.h>

#define AUTHKEY_PATH "/etc/ramster/authkey"
#define AUTHKEY_LEN 32 /* bytes */
#define AUTHKEY_MAX 2 /* keys in a file */
#define AUTHKEY_ID_LEN 9 /* with the final 0 */
#define AUTHKEY_ERROR_LEN 512

struct authkey {
	uint8_t secret[AUTHKEY_LEN];
	char id[AUTHKEY_ID_LEN]; /* follows from @secret, but tells nothing of it: for messages and for peers */
};

struct authkeys {
	struct authkey keys[AUTHKEY_MAX]; /* the newest first */
	unsigned int len;
};

/* Makes a random key. Returns 0, or -errno. */
int authkey_make(struct authkey *key);

/* Returns the key with that id, or NULL. */
const struct authkey *authkeys_find(const struct authkeys *keys, const char *id);

/**
 * authkeys_load - read a file that nobody else can read or change
 * @keys: filled in; unchanged after an error
 * @error: on error, one line with what to do
 *
 * Returns 0, or -errno; -EACCES: its mode or owner is wrong.
 */
int authkeys_load(const char *path, struct authkeys *keys, char error[AUTHKEY_ERROR_LEN]);

/**
 * authkeys_save - write a file, whole or not at all, with mode 0400
 * @replace: whether there may be one already
 *
 * Returns 0, or -errno with @error set.
 */
int authkeys_save(const char *path, const struct authkeys *keys, bool replace, char error[AUTHKEY_ERROR_LEN]);

/* Forgets the secrets. */
void authkeys_wipe(struct authkeys *keys);

#endif
