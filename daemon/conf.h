/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf - cluster.conf as a struct. Parsing has no side effects: a file is taken whole or not at all.
 */
#ifndef _RAMSTER_CONF_H
#define _RAMSTER_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/r2net.h"

#define CONF_PATH "/etc/ramster/cluster.conf"
#define CONF_NAME_LEN 64 /* bytes with the final 0, of cluster and node names */
#define CONF_WORD_LEN 16
#define CONF_FILE_NAME_LEN 128 /* bytes with the final 0, of a path */
#define CONF_LINE_MAX 255 /* bytes of one line */
#define CONF_FILE_MAX (1U << 20) /* bytes of the file */
#define CONF_ERROR_LEN 512
#define CONF_NO_QUOTA UINT64_MAX
#define CONF_NO_BANDWIDTH UINT64_MAX
#define CONF_WEIGHT_DEFAULT 10

enum conf_lend {
	CONF_LEND_AUTO,
	CONF_LEND_OFF,
	CONF_LEND_SIZE,
};

struct conf_node {
	char name[CONF_NAME_LEN];
	char cluster[CONF_NAME_LEN];
	char address[CONF_WORD_LEN]; /* IPv4, dotted, canonical */
	uint64_t number; /* 0 ... R2NET_MAX_NODES - 1 */
	uint64_t port; /* control connections; 1 ... 65535 */
	uint64_t data_port; /* of its lender; 1 ... 65535 */
	enum conf_lend lend;
	uint64_t lend_bytes; /* CONF_LEND_SIZE */
	uint64_t reserve; /* bytes that stay available here whatever is lent; 0: auto */
	uint64_t quota; /* bytes that it may lease from each donor; 0: as the cluster's, CONF_NO_QUOTA */
	uint64_t bandwidth; /* bytes a second with each donor; 0: as the cluster's, CONF_NO_BANDWIDTH */
	uint64_t weight; /* as a donor: its share of the load beside the others'; 1 ... 100 */
	uint64_t priority; /* as a donor: those of a higher one are filled first; 0 ... 9 */
	char keep_on_restart[CONF_WORD_LEN]; /* "on", "off": what its lender lends outlives the lender's process */
	unsigned int line; /* of its stanza */
};

struct conf {
	char cluster[CONF_NAME_LEN];
	char membership[CONF_WORD_LEN];
	char authkey[CONF_FILE_NAME_LEN]; /* path of the file with the cluster's keys, or "off" */
	uint64_t node_count; /* 0: not given */
	uint64_t extent_size; /* bytes */
	uint64_t connections; /* data connections to each donor, besides the control connection */
	uint64_t window; /* requests in flight on each */
	uint64_t deadline_ms;
	uint64_t slow_deadline_ms;
	uint64_t hold_time_ms; /* how long the leases of an absent owner are kept */
	uint64_t quota; /* bytes that an owner may lease from each donor; CONF_NO_QUOTA */
	uint64_t bandwidth; /* bytes a second that an owner may move to and from each donor; CONF_NO_BANDWIDTH */
	/* Module parameters; "" or 0: not given, left as they are. */
	char compressor[CONF_WORD_LEN];
	char allocator[CONF_WORD_LEN];
	uint64_t local_max_percent;
	uint64_t remotify_percent;
	uint64_t low_water; /* bytes */
	uint64_t copies; /* of each remote page */
	char writethrough[CONF_WORD_LEN]; /* "on", "off", or "": not said */
	char seal[CONF_WORD_LEN]; /* the same */
	uint64_t restore_after_ms; /* a donor's silence before its copies are made elsewhere */
	struct conf_node nodes[R2NET_MAX_NODES]; /* in the file's order */
	unsigned int nodes_len;
};

/**
 * conf_parse - parse the text of a cluster.conf
 * @path: named in the error
 * @text: @len bytes, need not end with 0
 * @conf: filled in; undefined after an error
 * @error: on error, one line "FILE:LINE: what was wrong (expected what)"; LINE is 0 where no line is to blame
 *
 * Returns 0, or -EINVAL.
 */
int conf_parse(const char *path, const char *text, size_t len, struct conf *conf, char error[CONF_ERROR_LEN]);

/**
 * conf_load - read and parse a file
 *
 * As conf_parse(); a file that cannot be read is an error of the same form.
 */
int conf_load(const char *path, struct conf *conf, char error[CONF_ERROR_LEN]);

/* Returns the node of that name or number, or NULL. It lives as long as @conf. */
const struct conf_node *conf_node_by_name(const struct conf *conf, const char *name);
const struct conf_node *conf_node_by_number(const struct conf *conf, unsigned int number);

/* Which of a node's keys names less than one extent; NULL: none does. */
const char *conf_below_extent(const struct conf *conf, const struct conf_node *node);

/* Whether control connections are authenticated. */
bool conf_authenticates(const struct conf *conf);

/* Whether what that node lends outlives its lender's process. */
bool conf_keeps(const struct conf_node *node);

/* The bytes that the node of that number may lease from each donor, or CONF_NO_QUOTA. */
uint64_t conf_quota(const struct conf *conf, unsigned int number);

/* The bytes a second that the node of that number may move to and from each donor, or CONF_NO_BANDWIDTH. */
uint64_t conf_bandwidth(const struct conf *conf, unsigned int number);

/* The least of them with which all that an owner may have asked for is answered within slow_deadline. */
uint64_t conf_least_bandwidth(const struct conf *conf);

/* Whether any bandwidth is less than that: the cluster's, or a node's. */
bool conf_below_bandwidth(const struct conf *conf);

#endif
