// SPDX-License-Identifier: GPL-2.0-or-later
/* authkey - see authkey.h. Texts that held secrets are wiped, and no message has any part of one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/hmac.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/authkey.h"

#define HEADER "ramster authkey 1"
#define FILE_MAX 4096
#define DIGITS (2 * AUTHKEY_LEN)

static int __attribute__((format(printf, 3, 4))) fail(char error[AUTHKEY_ERROR_LEN], int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, AUTHKEY_ERROR_LEN, format, ap);
	va_end(ap);
	return ret;
}

static void set_id(struct authkey *key)
{
	static const char label[] = "ramster authkey id";
	struct hmac_sha256_ctx hmac;
	uint8_t digest[(AUTHKEY_ID_LEN - 1) / 2];

	hmac_sha256_set_key(&hmac, sizeof(key->secret), key->secret);
	hmac_sha256_update(&hmac, strlen(label), (const uint8_t *)label);
	hmac_sha256_digest(&hmac, sizeof(digest), digest);
	for (unsigned int i = 0; i < sizeof(digest); i++)
		sprintf(key->id + 2 * i, "%02x", digest[i]);
	explicit_bzero(&hmac, sizeof(hmac));
}

int authkey_make(struct authkey *key)
{
	if (getrandom(key->secret, sizeof(key->secret), 0) != sizeof(key->secret))
		return -errno;
	set_id(key);
	return 0;
}

const struct authkey *authkeys_find(const struct authkeys *keys, const char *id)
{
	for (unsigned int i = 0; i < keys->len; i++)
		if (!strcmp(keys->keys[i].id, id))
			return &keys->keys[i];
	return NULL;
}

void authkeys_wipe(struct authkeys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

/* ---- From text ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_key(const char *path, unsigned int line, const char *text, struct authkeys *keys,
		     char error[AUTHKEY_ERROR_LEN])
{
	size_t len = strspn(text, "0123456789abcdef");
	struct authkey *key;

	if (text[len])
		return fail(error, -EINVAL,
			    "%s:%u: a key of something else than hexadecimal digits (make one: ramster "
			    "keygen --force)",
			    path, line);
	if (len != DIGITS)
		return fail(error, -EINVAL,
			    "%s:%u: a key of %zu hexadecimal digits, expected %u (make one: ramster keygen "
			    "--force)",
			    path, line, len, DIGITS);
	if (keys->len == AUTHKEY_MAX)
		return fail(error, -EINVAL,
			    "%s:%u: more than %u keys (drop the older ones: ramster keygen --retire on "
			    "the node that made them)",
			    path, line, AUTHKEY_MAX);
	key = &keys->keys[keys->len++];
	for (unsigned int i = 0; i < AUTHKEY_LEN; i++)
		key->secret[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
	set_id(key);
	return 0;
}

/* @text ends with 0, and is cut into lines. */
static int parse(const char *path, char *text, struct authkeys *keys, char error[AUTHKEY_ERROR_LEN])
{
	unsigned int number = 0;
	int ret = 0;

	for (char *line = text, *next; line && !ret; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		line[strcspn(line, "\r")] = 0;
		if (!number++) {
			if (strcmp(line, HEADER))
				return fail(error, -EINVAL,
					    "%s:1: no key file (expected \"" HEADER "\"; make one: "
					    "ramster keygen --force)",
					    path);
		} else if (!strncmp(line, "key ", 4)) {
			ret = parse_key(path, number, line + 4, keys, error);
		} else if (*line && *line != '#') {
			return fail(error, -EINVAL, "%s:%u: neither a key nor a comment (expected \"key DIGITS\")",
				    path, number);
		}
	}
	if (!ret && !keys->len)
		return fail(error, -EINVAL, "%s: no key in it (make one: ramster keygen --force)", path);
	return ret;
}

/* ---- Files ---- */

static int check_owner(const char *path, const struct stat *st, char error[AUTHKEY_ERROR_LEN])
{
	if (!S_ISREG(st->st_mode))
		return fail(error, -EACCES, "%s: not a file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return fail(error, -EACCES,
			    "%s: belongs to user %u: chown %u %s, and make a new key if that user is not "
			    "to be trusted",
			    path, (unsigned int)st->st_uid, (unsigned int)geteuid(), path);
	if (st->st_mode & 077)
		return fail(error, -EACCES,
			    "%s: mode %04o lets others at it: chmod 0400 %s, and make a new key if they "
			    "may have read it",
			    path, (unsigned int)st->st_mode & 07777, path);
	return 0;
}

/* Returns the length of what is at @path, in @text, or -errno. */
static ssize_t read_file(const char *path, char text[FILE_MAX + 1], char error[AUTHKEY_ERROR_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret;
	struct stat st;
	ssize_t len;

	if (fd < 0 && errno == ENOENT)
		return fail(error, -ENOENT,
			    "%s: no key (run `ramster keygen` on one node and copy that file to every node, "
			    "mode 0400; or have authkey = off in cluster.conf)",
			    path);
	if (fd < 0 || fstat(fd, &st)) {
		ret = fail(error, -errno, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	len = check_owner(path, &st, error);
	if (!len) {
		len = read(fd, text, FILE_MAX + 1);
		if (len < 0)
			len = fail(error, -errno, "%s: %s", path, strerror(errno));
		else if (len > FILE_MAX || memchr(text, 0, len))
			len = fail(error, -EINVAL, "%s: no key file (make one: ramster keygen --force)", path);
	}
	close(fd);
	return len;
}

int authkeys_load(const char *path, struct authkeys *keys, char error[AUTHKEY_ERROR_LEN])
{
	struct authkeys read = { 0 };
	char text[FILE_MAX + 1];
	ssize_t len = read_file(path, text, error);
	int ret = len;

	if (len >= 0) {
		text[len] = 0;
		ret = parse(path, text, &read, error);
	}
	if (!ret)
		*keys = read;
	authkeys_wipe(&read);
	explicit_bzero(text, sizeof(text));
	return ret;
}

static size_t format(const struct authkeys *keys, char text[FILE_MAX])
{
	size_t len = snprintf(text, FILE_MAX,
			      HEADER "\n"
				     "# The key of a RAMster cluster, for all its nodes and nobody else: see keygen in "
				     "ramster(8).\n");

	for (unsigned int i = 0; i < keys->len; i++) {
		len += sprintf(text + len, "# %s%s\nkey ", keys->keys[i].id, i ? ", to be retired" : "");
		for (unsigned int k = 0; k < AUTHKEY_LEN; k++)
			len += sprintf(text + len, "%02x", keys->keys[i].secret[k]);
		len += sprintf(text + len, "\n");
	}
	return len;
}

/* Writes a file beside @path and puts it into its place. Returns 0, or -errno. */
static int put(const char *path, const char *temporary, int fd, const char *text, size_t len, bool replace)
{
	int ret = 0;

	if (write(fd, text, len) != (ssize_t)len || fchmod(fd, 0400) || fsync(fd))
		ret = -errno;
	if (!ret && (replace ? rename(temporary, path) : link(temporary, path)))
		ret = -errno;
	if (ret || !replace)
		unlink(temporary);
	return ret;
}

int authkeys_save(const char *path, const struct authkeys *keys, bool replace, char error[AUTHKEY_ERROR_LEN])
{
	char text[FILE_MAX], temporary[PATH_MAX];
	size_t len = format(keys, text);
	int fd = -1, ret;

	ret = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) < (int)sizeof(temporary) ? 0 : -ENAMETOOLONG;
	if (!ret) {
		fd = mkostemp(temporary, O_CLOEXEC);
		ret = fd < 0 ? -errno : put(path, temporary, fd, text, len, replace);
	}
	if (fd >= 0)
		close(fd);
	explicit_bzero(text, sizeof(text));
	if (ret == -EEXIST)
		return fail(error, ret,
			    "%s is there already (--rotate adds a newer key to it, --force forgets what it has)", path);
	if (ret)
		return fail(error, ret, "%s cannot be written: %s", path, strerror(-ret));
	return 0;
}
