// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf - cluster.conf as a struct.
 *
 * The file is a list of stanzas, each a header ("cluster:" or "node:") and "key = value" lines. What a key may be is
 * conf_key.h's; what concerns several keys or stanzas is checked when all are read.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/authkey.h"
#include "daemon/conf.h"
#include "daemon/conf_key.h"
#include "proto/lender.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct parser {
	const char *path;
	char *error;
	struct conf *conf;
	unsigned int line;
	const struct conf_stanza *stanza; /* the open one, or NULL */
	unsigned int stanza_line;
	unsigned int cluster_line; /* 0: no cluster stanza so far */
	void *target; /* what the open stanza fills in */
	uint32_t seen; /* keys of the open stanza: a bit each, by position */
};

static int __attribute__((format(printf, 3, 4))) fail(struct parser *p, unsigned int line, const char *fmt, ...)
{
	char what[CONF_ERROR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (snprintf(p->error, CONF_ERROR_LEN, "%s:%u: %s", p->path, line, what) >= CONF_ERROR_LEN)
		strcpy(p->error + CONF_ERROR_LEN - 4, "...");
	return -EINVAL;
}

static int close_stanza(struct parser *p)
{
	if (!p->stanza)
		return 0;
	for (unsigned int i = 0; i < p->stanza->len; i++)
		if (p->stanza->keys[i].required && !(p->seen & 1U << i))
			return fail(p, p->stanza_line, "\"%s:\" stanza without \"%s\" (expected %s = %s)",
				    p->stanza->name, p->stanza->keys[i].name, p->stanza->keys[i].name,
				    p->stanza->keys[i].expected);
	return 0;
}

static int open_stanza(struct parser *p, const char *name)
{
	int ret = close_stanza(p);

	if (ret)
		return ret;
	p->stanza_line = p->line;
	p->seen = 0;
	if (!strcmp(name, "cluster")) {
		if (p->cluster_line)
			return fail(p, p->line, "second \"cluster:\" stanza (expected one; the first is on line %u)",
				    p->cluster_line);
		p->cluster_line = p->line;
		p->stanza = &conf_cluster_stanza;
		p->target = p->conf;
		return 0;
	}
	if (!strcmp(name, "node")) {
		if (p->conf->nodes_len == R2NET_MAX_NODES)
			return fail(p, p->line, "too many nodes (expected at most %d)", R2NET_MAX_NODES);
		p->stanza = &conf_node_stanza;
		p->target = &p->conf->nodes[p->conf->nodes_len++];
		*(struct conf_node *)p->target =
			(struct conf_node){ .weight = CONF_WEIGHT_DEFAULT, .keep_on_restart = "off", .line = p->line };
		return 0;
	}
	return fail(p, p->line, "unknown stanza \"%s:\" (expected \"cluster:\" or \"node:\")", name);
}

static int unknown_key(struct parser *p, const char *name)
{
	char known[CONF_ERROR_LEN] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < p->stanza->len; i++)
		len += snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "", p->stanza->keys[i].name);
	return fail(p, p->line, "unknown key \"%s\" (expected %s)", name, known);
}

static int set_key(struct parser *p, const char *name, const char *value)
{
	const struct conf_key *key;
	uint32_t bit;

	if (!p->stanza)
		return fail(p, p->line, "key \"%s\" outside a stanza (expected \"cluster:\" or \"node:\" before it)",
			    name);
	key = conf_key_find(p->stanza, name);
	if (!key)
		return unknown_key(p, name);
	bit = 1U << (key - p->stanza->keys);
	if (p->seen & bit)
		return fail(p, p->line, "\"%s\" given twice in one stanza (expected once)", name);
	p->seen |= bit;
	if (!conf_key_parse(key, p->target, value))
		return fail(p, p->line, "%s = \"%s\" is not acceptable (expected %s%s)", name, value,
			    conf_key_one_of(key), key->expected);
	return 0;
}

static int parse_line(struct parser *p, char *line)
{
	char *equals, *s;

	for (s = line; (s = strchr(s, '#')); s++) {
		if (s == line || isspace((unsigned char)s[-1])) {
			*s = 0;
			break;
		}
	}
	s = conf_key_trim(line);
	if (!*s)
		return 0;
	equals = strchr(s, '=');
	if (equals) {
		*equals = 0;
		return set_key(p, conf_key_trim(s), conf_key_trim(equals + 1));
	}
	if (s[strlen(s) - 1] == ':') {
		s[strlen(s) - 1] = 0;
		return open_stanza(p, conf_key_trim(s));
	}
	return fail(p, p->line, "\"%s\" is neither a stanza nor a key (expected \"node:\" or \"key = value\")", s);
}

static bool is_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)s[i]) && !isspace((unsigned char)s[i]))
			return false;
	return true;
}

static int parse_lines(struct parser *p, const char *text, size_t len)
{
	const char *end = text + len;
	int ret = 0;

	while (!ret && text < end) {
		const char *eol = memchr(text, '\n', end - text);
		size_t n = (eol ? eol : end) - text;
		char line[CONF_LINE_MAX + 1];

		p->line++;
		if (!is_text(text, n))
			return fail(p, p->line, "not a text file (expected \"cluster:\" and \"node:\" stanzas)");
		if (n > CONF_LINE_MAX)
			return fail(p, p->line, "line of %zu bytes (expected at most %d)", n, CONF_LINE_MAX);
		memcpy(line, text, n);
		line[n] = 0;
		ret = parse_line(p, line);
		text += n + 1;
	}
	return ret ? ret : close_stanza(p);
}

/* Two nodes may share nothing that names them or that one of them has to bind. */
static int check_pair(struct parser *p, const struct conf_node *a, const struct conf_node *b)
{
	const uint64_t ports[] = { b->port, b->data_port };

	if (!strcmp(a->name, b->name))
		return fail(p, b->line, "duplicate node name \"%s\" (expected another than on line %u)", b->name,
			    a->line);
	if (a->number == b->number)
		return fail(p, b->line,
			    "duplicate node number %" PRIu64 " (expected another than that of \"%s\" on line %u)",
			    b->number, a->name, a->line);
	if (strcmp(a->address, b->address))
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i] == a->port || ports[i] == a->data_port)
			return fail(p, b->line,
				    "duplicate address %s:%" PRIu64
				    " (expected another than that of \"%s\" on line %u)",
				    b->address, ports[i], a->name, a->line);
	return 0;
}

static int check_node(struct parser *p, struct conf_node *node)
{
	const char *key;

	if (strcmp(node->cluster, p->conf->cluster))
		return fail(p, node->line, "node \"%s\" is of cluster \"%s\" (expected \"%s\", as on line %u)",
			    node->name, node->cluster, p->conf->cluster, p->cluster_line);
	if (!strcmp(p->conf->membership, "corosync") && !node->number)
		return fail(p, node->line,
			    "node number 0 with membership = corosync (expected 1 ... 254: it is corosync's nodeid)");
	if (!node->data_port)
		node->data_port = node->port + 1;
	if (node->data_port > 65535)
		return fail(p, node->line,
			    "port = 65535 leaves no data_port (expected a lower port, or data_port = ...)");
	if (node->data_port == node->port)
		return fail(p, node->line, "data_port = port = %" PRIu64 " (expected two ports)", node->port);
	key = conf_below_extent(p->conf, node);
	if (key)
		return fail(p, node->line, "%s is less than one extent (expected at least %" PRIu64 " bytes, or off)",
			    key, p->conf->extent_size);
	return 0;
}

static int check_whole(struct parser *p)
{
	struct conf *conf = p->conf;
	int ret;

	if (!p->cluster_line)
		return fail(p, 0, "no \"cluster:\" stanza (expected one)");
	if (!conf->nodes_len)
		return fail(p, 0, "no \"node:\" stanza (expected one for each node)");
	for (unsigned int i = 0; i < conf->nodes_len; i++) {
		ret = check_node(p, &conf->nodes[i]);
		for (unsigned int j = 0; !ret && j < i; j++)
			ret = check_pair(p, &conf->nodes[j], &conf->nodes[i]);
		if (ret)
			return ret;
	}
	if (conf->quota < conf->extent_size)
		return fail(p, p->cluster_line,
			    "quota is less than one extent (expected at least %" PRIu64 " bytes, or off)",
			    conf->extent_size);
	if (conf_below_bandwidth(conf))
		return fail(
			p, p->cluster_line,
			"a bandwidth is too low for connections, window and slow_deadline (expected at least %" PRIu64
			" bytes a second, or off)",
			conf_least_bandwidth(conf));
	if (conf->node_count && conf->node_count != conf->nodes_len)
		return fail(p, p->cluster_line,
			    "node_count = %" PRIu64 " but the file has %u nodes (expected node_count = %u)",
			    conf->node_count, conf->nodes_len, conf->nodes_len);
	if (conf->local_max_percent && conf->remotify_percent > conf->local_max_percent)
		return fail(p, p->cluster_line,
			    "remotify_percent is over local_max_percent (expected at most %" PRIu64 ")",
			    conf->local_max_percent);
	if (conf->slow_deadline_ms < conf->deadline_ms)
		return fail(p, p->cluster_line,
			    "slow_deadline is shorter than deadline (expected at least %" PRIu64 "ms)",
			    conf->deadline_ms);
	return 0;
}

int conf_parse(const char *path, const char *text, size_t len, struct conf *conf, char error[CONF_ERROR_LEN])
{
	struct parser p = { .path = path, .error = error, .conf = conf };
	int ret;

	*conf = (struct conf){
		.membership = "static",
		.authkey = AUTHKEY_PATH,
		.extent_size = R2NET_EXTENT_DEFAULT,
		.connections = 2,
		.window = 32,
		.deadline_ms = 3000,
		.slow_deadline_ms = 30000,
		.hold_time_ms = 4ULL * 3600 * 1000,
		.quota = CONF_NO_QUOTA,
		.bandwidth = CONF_NO_BANDWIDTH,
	};
	if (!len)
		return fail(&p, 0, "empty file (expected \"cluster:\" and \"node:\" stanzas)");
	ret = parse_lines(&p, text, len);
	return ret ? ret : check_whole(&p);
}

int conf_load(const char *path, struct conf *conf, char error[CONF_ERROR_LEN])
{
	struct parser p = { .path = path, .error = error };
	FILE *file = fopen(path, "re");
	char *text;
	size_t len;
	int ret;

	if (!file)
		return fail(&p, 0, "%s (expected a readable file)", strerror(errno));
	text = malloc(CONF_FILE_MAX + 1);
	len = text ? fread(text, 1, CONF_FILE_MAX + 1, file) : 0;
	if (!text || ferror(file))
		ret = fail(&p, 0, "%s (expected a readable file)", strerror(errno));
	else if (len > CONF_FILE_MAX)
		ret = fail(&p, 0, "file over %u bytes (expected a cluster.conf)", CONF_FILE_MAX);
	else
		ret = conf_parse(path, text, len, conf, error);
	free(text);
	fclose(file);
	return ret;
}

const struct conf_node *conf_node_by_name(const struct conf *conf, const char *name)
{
	for (unsigned int i = 0; i < conf->nodes_len; i++)
		if (!strcmp(conf->nodes[i].name, name))
			return &conf->nodes[i];
	return NULL;
}

const struct conf_node *conf_node_by_number(const struct conf *conf, unsigned int number)
{
	for (unsigned int i = 0; i < conf->nodes_len; i++)
		if (conf->nodes[i].number == number)
			return &conf->nodes[i];
	return NULL;
}

const char *conf_below_extent(const struct conf *conf, const struct conf_node *node)
{
	if (node->lend == CONF_LEND_SIZE && node->lend_bytes < conf->extent_size)
		return "lend";
	if (node->quota && node->quota < conf->extent_size)
		return "quota";
	return NULL;
}

bool conf_authenticates(const struct conf *conf)
{
	return strcmp(conf->authkey, "off");
}

bool conf_keeps(const struct conf_node *node)
{
	return !strcmp(node->keep_on_restart, "on");
}

uint64_t conf_quota(const struct conf *conf, unsigned int number)
{
	const struct conf_node *node = conf_node_by_number(conf, number);

	return node && node->quota ? node->quota : conf->quota;
}

uint64_t conf_bandwidth(const struct conf *conf, unsigned int number)
{
	const struct conf_node *node = conf_node_by_number(conf, number);

	return node && node->bandwidth ? node->bandwidth : conf->bandwidth;
}

uint64_t conf_least_bandwidth(const struct conf *conf)
{
	uint64_t asked = conf->connections * conf->window * (sizeof(struct r2net_hdr) + R2NET_MAX_LENGTH);
	uint64_t least = (asked * 1000 + conf->slow_deadline_ms - 1) / conf->slow_deadline_ms;

	return least > LENDER_MIN_BANDWIDTH ? least : LENDER_MIN_BANDWIDTH;
}

bool conf_below_bandwidth(const struct conf *conf)
{
	uint64_t least = conf_least_bandwidth(conf);
	bool below = conf->bandwidth < least;

	for (unsigned int i = 0; i < conf->nodes_len; i++)
		below |= conf->nodes[i].bandwidth && conf->nodes[i].bandwidth < least;
	return below;
}
