// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf - cluster.conf as a struct.
 *
 * The file is a list of stanzas, each a header ("cluster:" or "node:") and "key = value" lines. What a key is and may
 * be stands in one table a stanza; what concerns several stanzas is checked when all are read.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum kind {
	KIND_NAME, /* letters, digits, "-", "_" and "." */
	KIND_CHOICE, /* one of the words in @choices */
	KIND_ADDRESS,
	KIND_NUMBER,
	KIND_SIZE,
	KIND_TIME,
	KIND_LEND,
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct conf or struct conf_node */
	uint64_t min, max; /* numbers, sizes in bytes, times in ms */
	uint64_t multiple; /* sizes: of this many bytes; 0 = any */
	const char *expected; /* KIND_CHOICE: the words, with ", " between them */
	bool required;
};

#define CLUSTER(field) offsetof(struct conf, field)
#define NODE(field) offsetof(struct conf_node, field)

/* The position of each key is its bit in parser.seen. */
static const struct key cluster_keys[] = {
	{ "name", KIND_NAME, CLUSTER(cluster), .expected = "a name of letters, digits, - _ .", .required = true },
	{ "node_count", KIND_NUMBER, CLUSTER(node_count), 1, R2NET_MAX_NODES, .expected = "1 ... 255" },
	{ "membership", KIND_CHOICE, CLUSTER(membership), .expected = "static, corosync" },
	{ "extent_size", KIND_SIZE, CLUSTER(extent_size), R2NET_EXTENT_MIN, R2NET_EXTENT_MAX,
	  .multiple = R2NET_EXTENT_MIN, .expected = "a multiple of 2M from 2M to 64M" },
	{ "connections", KIND_NUMBER, CLUSTER(connections), 1, R2NET_MAX_CONNS - 1, .expected = "1 ... 15" },
	{ "window", KIND_NUMBER, CLUSTER(window), 1, R2NET_MAX_WINDOW, .expected = "1 ... 64" },
	{ "deadline", KIND_TIME, CLUSTER(deadline_ms), 100, 60000, .expected = "a time from 100ms to 60s" },
	{ "slow_deadline", KIND_TIME, CLUSTER(slow_deadline_ms), 100, 600000, .expected = "a time from 100ms to 600s" },
	{ "hold_time", KIND_TIME, CLUSTER(hold_time_ms), 1000, 30ULL * 24 * 3600 * 1000,
	  .expected = "a time from 1s to 720h" },
	{ "compressor", KIND_CHOICE, CLUSTER(compressor), .expected = "lzo, lzo-rle, lz4, zstd" },
	{ "allocator", KIND_CHOICE, CLUSTER(allocator), .expected = "zbud, zsmalloc" },
	{ "local_max_percent", KIND_NUMBER, CLUSTER(local_max_percent), 1, 50, .expected = "1 ... 50" },
	{ "remotify_percent", KIND_NUMBER, CLUSTER(remotify_percent), 1, 50, .expected = "1 ... 50" },
	{ "low_water", KIND_SIZE, CLUSTER(low_water), 1U << 20, 1ULL << 40, .multiple = 1U << 20,
	  .expected = "a multiple of 1M from 1M to 1T" },
};

static const struct key node_keys[] = {
	{ "name", KIND_NAME, NODE(name), .expected = "a name of letters, digits, - _ .", .required = true },
	{ "number", KIND_NUMBER, NODE(number), 0, R2NET_MAX_NODES - 1, .expected = "0 ... 254", .required = true },
	{ "address", KIND_ADDRESS, NODE(address), .expected = "an IPv4 address of one host", .required = true },
	{ "port", KIND_NUMBER, NODE(port), 1, 65535, .expected = "1 ... 65535", .required = true },
	{ "data_port", KIND_NUMBER, NODE(data_port), 1, 65535, .expected = "1 ... 65535" },
	{ "cluster", KIND_NAME, NODE(cluster), .expected = "the name of the cluster", .required = true },
	{ "lend", KIND_LEND, NODE(lend), .expected = "auto, off, or a size such as 256M" },
};

struct stanza {
	const char *name;
	const struct key *keys;
	unsigned int len;
};

static const struct stanza stanzas[] = {
	{ "cluster", cluster_keys, ARRAY_SIZE(cluster_keys) },
	{ "node", node_keys, ARRAY_SIZE(node_keys) },
};

struct parser {
	const char *path;
	char *error;
	struct conf *conf;
	unsigned int line;
	const struct stanza *stanza; /* the open one, or NULL */
	unsigned int stanza_line;
	unsigned int cluster_line; /* 0: no cluster stanza so far */
	void *target; /* what the open stanza fills in */
	uint32_t seen; /* keys of the open stanza */
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

static bool valid_name(const char *s)
{
	if (!isalnum((unsigned char)*s) || strlen(s) >= CONF_NAME_LEN)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

static bool valid_address(const char *s, char out[CONF_WORD_LEN])
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1 || a.s_addr == htonl(INADDR_ANY) || a.s_addr == htonl(INADDR_BROADCAST) ||
	    IN_MULTICAST(ntohl(a.s_addr)))
		return false;
	return inet_ntop(AF_INET, &a, out, CONF_WORD_LEN);
}

static bool valid_choice(const char *s, const char *choices)
{
	size_t len = strlen(s);
	const char *c = choices;

	if (strchr(s, ','))
		return false;
	while (c) {
		if (!strncmp(c, s, len) && (!c[len] || c[len] == ','))
			return true;
		c = strchr(c, ',');
		if (c)
			c += 2;
	}
	return false;
}

/* Reads decimal digits; returns what follows them, or NULL if there are none or they exceed 64 bits. */
static const char *digits(const char *s, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return NULL;
	errno = 0;
	*value = strtoull(s, &end, 10);
	return errno ? NULL : end;
}

static bool scale(uint64_t *value, uint64_t unit)
{
	return !__builtin_mul_overflow(*value, unit, value);
}

static bool valid_number(const char *s, uint64_t *value)
{
	const char *end = digits(s, value);

	return end && !*end;
}

static bool valid_size(const char *s, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *end = digits(s, value), *unit;

	if (!end)
		return false;
	if (!*end)
		return true;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || (end[1] && strcmp(end + 1, "iB") && strcmp(end + 1, "B")))
		return false;
	return scale(value, 1ULL << (10 * (unit - units + 1)));
}

static bool valid_time(const char *s, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	const char *end = digits(s, ms);

	for (unsigned int i = 0; end && i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].name))
			return scale(ms, units[i].ms);
	return false;
}

static bool valid_lend(const char *s, struct conf_node *node)
{
	if (!strcmp(s, "auto"))
		node->lend = CONF_LEND_AUTO;
	else if (!strcmp(s, "off"))
		node->lend = CONF_LEND_OFF;
	else if (valid_size(s, &node->lend_bytes) && node->lend_bytes >= R2NET_EXTENT_MIN)
		node->lend = CONF_LEND_SIZE;
	else
		return false;
	return true;
}

static bool in_range(const struct key *key, uint64_t value)
{
	return value >= key->min && value <= key->max && !(key->multiple && value % key->multiple);
}

/* Stores @value in the open stanza's target if it is one that @key may have. */
static bool set_value(struct parser *p, const struct key *key, const char *value)
{
	void *field = (char *)p->target + key->offset;
	uint64_t n = 0;

	switch (key->kind) {
	case KIND_NAME:
		return valid_name(value) && strcpy(field, value);
	case KIND_CHOICE:
		return valid_choice(value, key->expected) && strcpy(field, value);
	case KIND_ADDRESS:
		return valid_address(value, field);
	case KIND_LEND:
		return valid_lend(value, p->target);
	case KIND_NUMBER:
		if (!valid_number(value, &n))
			return false;
		break;
	case KIND_SIZE:
		if (!valid_size(value, &n))
			return false;
		break;
	case KIND_TIME:
		if (!valid_time(value, &n))
			return false;
		break;
	}
	if (!in_range(key, n))
		return false;
	*(uint64_t *)field = n;
	return true;
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
		p->stanza = &stanzas[0];
		p->target = p->conf;
		return 0;
	}
	if (!strcmp(name, "node")) {
		if (p->conf->nodes_len == R2NET_MAX_NODES)
			return fail(p, p->line, "too many nodes (expected at most %d)", R2NET_MAX_NODES);
		p->stanza = &stanzas[1];
		p->target = &p->conf->nodes[p->conf->nodes_len++];
		*(struct conf_node *)p->target = (struct conf_node){ .line = p->line };
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
	const struct key *key;
	unsigned int i;

	if (!p->stanza)
		return fail(p, p->line, "key \"%s\" outside a stanza (expected \"cluster:\" or \"node:\" before it)",
			    name);
	for (i = 0; i < p->stanza->len; i++)
		if (!strcmp(p->stanza->keys[i].name, name))
			break;
	if (i == p->stanza->len)
		return unknown_key(p, name);
	key = &p->stanza->keys[i];
	if (p->seen & 1U << i)
		return fail(p, p->line, "\"%s\" given twice in one stanza (expected once)", name);
	p->seen |= 1U << i;
	if (!set_value(p, key, value))
		return fail(p, p->line, "%s = \"%s\" is not acceptable (expected %s%s)", name, value,
			    key->kind == KIND_CHOICE && strchr(key->expected, ',') ? "one of " : "", key->expected);
	return 0;
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	return s;
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
	s = trim(line);
	if (!*s)
		return 0;
	equals = strchr(s, '=');
	if (equals) {
		*equals = 0;
		return set_key(p, trim(s), trim(equals + 1));
	}
	if (s[strlen(s) - 1] == ':') {
		s[strlen(s) - 1] = 0;
		return open_stanza(p, trim(s));
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
	if (node->lend == CONF_LEND_SIZE && node->lend_bytes < p->conf->extent_size)
		return fail(p, node->line, "lend is less than one extent (expected at least %" PRIu64 " bytes, or off)",
			    p->conf->extent_size);
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
		.extent_size = R2NET_EXTENT_DEFAULT,
		.connections = 2,
		.window = 32,
		.deadline_ms = 3000,
		.slow_deadline_ms = 30000,
		.hold_time_ms = 4ULL * 3600 * 1000,
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
