/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_key - the keys of cluster.conf and the values that each may have: one table a stanza.
 */
#ifndef _RAMSTER_CONF_KEY_H
#define _RAMSTER_CONF_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/conf.h"

#define CONF_VALUE_LEN 128 /* bytes of a value as text, with the final 0 */

enum conf_kind {
	CONF_KIND_NAME, /* letters, digits, "-", "_" and "." */
	CONF_KIND_CHOICE, /* one of the words in @expected */
	CONF_KIND_ADDRESS,
	CONF_KIND_PATH, /* of a file, from the root on; or "off" */
	CONF_KIND_NUMBER,
	CONF_KIND_SIZE,
	CONF_KIND_TIME,
	CONF_KIND_LEND,
};

/* Whether `ramster set` takes a key. */
enum conf_settable {
	CONF_FIXED, /* no */
	CONF_SETTABLE, /* yes: the cluster's, or any node's */
	CONF_SETTABLE_SELF, /* the local node's only */
};

/* A word that stands for a value that no number has. */
struct conf_special {
	const char *word; /* NULL: there is none */
	uint64_t value;
};

struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset; /* in struct conf or struct conf_node */
	uint64_t min, max; /* numbers, sizes in bytes, times in ms */
	uint64_t multiple; /* sizes: of this many bytes; 0 = any */
	struct conf_special special[3]; /* sizes; the first word of a value is the one that is shown */
	const char *expected; /* CONF_KIND_CHOICE: the words, with ", " between them */
	bool required;
	enum conf_settable settable;
};

struct conf_stanza {
	const char *name;
	const struct conf_key *keys;
	unsigned int len; /* at most 32 */
};

extern const struct conf_stanza conf_cluster_stanza; /* fills in a struct conf */
extern const struct conf_stanza conf_node_stanza; /* fills in a struct conf_node */

/* Cuts white space off both ends, in place. Returns where the rest begins. */
char *conf_key_trim(char *s);

/* Returns the key of that name, or NULL. */
const struct conf_key *conf_key_find(const struct conf_stanza *stanza, const char *name);

/**
 * conf_key_parse - store a value if it is one that the key may have
 * @target: the struct conf or struct conf_node
 *
 * Returns false, with @target unchanged, if it is not.
 */
bool conf_key_parse(const struct conf_key *key, void *target, const char *value);

/* The value as it would stand in the file; "" if it is not given. */
const char *conf_key_format(const struct conf_key *key, const void *target, char text[CONF_VALUE_LEN]);

/* "one of " before a list of choices, else "": what comes before @expected in a message. */
const char *conf_key_one_of(const struct conf_key *key);

#endif
