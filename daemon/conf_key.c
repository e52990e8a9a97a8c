// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conf_key - the keys of cluster.conf and the values that each may have.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_key.h"
#include "proto/lender.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CONF_SIZE_MAX (1ULL << 50)
#define CLUSTER(field) offsetof(struct conf, field)
#define NODE(field) offsetof(struct conf_node, field)

#define EXTENT_OR(words) "a size of at least one extent, " words

static const struct conf_key cluster_keys[] = {
	{ "name", CONF_KIND_NAME, CLUSTER(cluster), .expected = "a name of letters, digits, - _ .", .required = true },
	{ "node_count", CONF_KIND_NUMBER, CLUSTER(node_count), 1, R2NET_MAX_NODES, .expected = "1 ... 255" },
	{ "membership", CONF_KIND_CHOICE, CLUSTER(membership), .expected = "static, corosync" },
	{ "authkey", CONF_KIND_PATH, CLUSTER(authkey), .expected = "a path such as /etc/ramster/authkey, or off" },
	{ "extent_size", CONF_KIND_SIZE, CLUSTER(extent_size), R2NET_EXTENT_MIN, R2NET_EXTENT_MAX,
	  .multiple = R2NET_EXTENT_MIN, .expected = "a multiple of 2M from 2M to 64M" },
	{ "connections", CONF_KIND_NUMBER, CLUSTER(connections), 1, R2NET_MAX_CONNS - 1, .expected = "1 ... 15" },
	{ "window", CONF_KIND_NUMBER, CLUSTER(window), 1, R2NET_MAX_WINDOW, .expected = "1 ... 64" },
	{ "deadline", CONF_KIND_TIME, CLUSTER(deadline_ms), 100, 60000, .expected = "a time from 100ms to 60s" },
	{ "slow_deadline", CONF_KIND_TIME, CLUSTER(slow_deadline_ms), 100, 600000,
	  .expected = "a time from 100ms to 600s" },
	{ "hold_time", CONF_KIND_TIME, CLUSTER(hold_time_ms), 1000, 30ULL * 24 * 3600 * 1000,
	  .expected = "a time from 1s to 720h" },
	{ "compressor", CONF_KIND_CHOICE, CLUSTER(compressor), .expected = "lzo, lzo-rle, lz4, zstd" },
	{ "allocator", CONF_KIND_CHOICE, CLUSTER(allocator), .expected = "zbud, zsmalloc" },
	{ "local_max_percent", CONF_KIND_NUMBER, CLUSTER(local_max_percent), 1, 50, .expected = "1 ... 50" },
	{ "remotify_percent", CONF_KIND_NUMBER, CLUSTER(remotify_percent), 1, 50, .expected = "1 ... 50" },
	{ "restore_after", CONF_KIND_TIME, CLUSTER(restore_after_ms), 1000, 3600 * 1000,
	  .expected = "a time from 1s to 1h" },
	{ "copies", CONF_KIND_NUMBER, CLUSTER(copies), 1, 2, .expected = "1 or 2" },
	{ "writethrough", CONF_KIND_CHOICE, CLUSTER(writethrough), .expected = "on, off" },
	{ "seal", CONF_KIND_CHOICE, CLUSTER(seal), .expected = "on, off" },
	{ "low_water", CONF_KIND_SIZE, CLUSTER(low_water), 1U << 20, 1ULL << 40, .multiple = 1U << 20,
	  .expected = "a multiple of 1M from 1M to 1T" },
	{ "quota", CONF_KIND_SIZE, CLUSTER(quota), R2NET_EXTENT_MIN, CONF_SIZE_MAX,
	  .special = { { "off", CONF_NO_QUOTA } }, .expected = EXTENT_OR("or off"), .settable = CONF_SETTABLE },
	{ "bandwidth", CONF_KIND_SIZE, CLUSTER(bandwidth), LENDER_MIN_BANDWIDTH, CONF_SIZE_MAX,
	  .special = { { "off", CONF_NO_BANDWIDTH }, { "0", CONF_NO_BANDWIDTH } },
	  .expected = "bytes a second from 8M, or off", .settable = CONF_SETTABLE },
};

static const struct conf_key node_keys[] = {
	{ "name", CONF_KIND_NAME, NODE(name), .expected = "a name of letters, digits, - _ .", .required = true },
	{ "number", CONF_KIND_NUMBER, NODE(number), 0, R2NET_MAX_NODES - 1, .expected = "0 ... 254", .required = true },
	{ "address", CONF_KIND_ADDRESS, NODE(address), .expected = "an IPv4 address of one host", .required = true },
	{ "port", CONF_KIND_NUMBER, NODE(port), 1, 65535, .expected = "1 ... 65535", .required = true },
	{ "data_port", CONF_KIND_NUMBER, NODE(data_port), 1, 65535, .expected = "1 ... 65535" },
	{ "cluster", CONF_KIND_NAME, NODE(cluster), .expected = "the name of the cluster", .required = true },
	{ "lend", CONF_KIND_LEND, NODE(lend), .expected = "auto, off, or a size such as 256M",
	  .settable = CONF_SETTABLE_SELF },
	{ "reserve", CONF_KIND_SIZE, NODE(reserve), 1U << 20, CONF_SIZE_MAX, .special = { { "auto", 0 } },
	  .expected = "auto, or a size from 1M", .settable = CONF_SETTABLE_SELF },
	{ "keep_on_restart", CONF_KIND_CHOICE, NODE(keep_on_restart), .expected = "on, off" },
	{ "quota", CONF_KIND_SIZE, NODE(quota), R2NET_EXTENT_MIN, CONF_SIZE_MAX,
	  .special = { { "off", CONF_NO_QUOTA }, { "default", 0 } }, .expected = EXTENT_OR("off, or default"),
	  .settable = CONF_SETTABLE },
	{ "bandwidth", CONF_KIND_SIZE, NODE(bandwidth), LENDER_MIN_BANDWIDTH, CONF_SIZE_MAX,
	  .special = { { "off", CONF_NO_BANDWIDTH }, { "default", 0 }, { "0", CONF_NO_BANDWIDTH } },
	  .expected = "bytes a second from 8M, off, or default", .settable = CONF_SETTABLE },
	{ "weight", CONF_KIND_NUMBER, NODE(weight), 1, 100, .expected = "1 ... 100", .settable = CONF_SETTABLE },
	{ "priority", CONF_KIND_NUMBER, NODE(priority), 0, 9, .expected = "0 ... 9", .settable = CONF_SETTABLE },
};

const struct conf_stanza conf_cluster_stanza = { "cluster", cluster_keys, ARRAY_SIZE(cluster_keys) };
const struct conf_stanza conf_node_stanza = { "node", node_keys, ARRAY_SIZE(node_keys) };

char *conf_key_trim(char *s)
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

const struct conf_key *conf_key_find(const struct conf_stanza *stanza, const char *name)
{
	for (unsigned int i = 0; i < stanza->len; i++)
		if (!strcmp(stanza->keys[i].name, name))
			return &stanza->keys[i];
	return NULL;
}

/* ---- Values from text ---- */

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

static bool valid_path(const char *s)
{
	return !strcmp(s, "off") || (*s == '/' && strlen(s) < CONF_FILE_NAME_LEN);
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
	uint64_t bytes;

	if (!strcmp(s, "auto")) {
		node->lend = CONF_LEND_AUTO;
	} else if (!strcmp(s, "off")) {
		node->lend = CONF_LEND_OFF;
	} else if (valid_size(s, &bytes) && bytes >= R2NET_EXTENT_MIN && bytes <= CONF_SIZE_MAX) {
		node->lend = CONF_LEND_SIZE;
		node->lend_bytes = bytes;
	} else {
		return false;
	}
	return true;
}

static bool in_range(const struct conf_key *key, uint64_t value)
{
	return value >= key->min && value <= key->max && !(key->multiple && value % key->multiple);
}

static bool valid_special(const struct conf_key *key, const char *s, uint64_t *value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(key->special) && key->special[i].word; i++) {
		if (strcmp(key->special[i].word, s))
			continue;
		*value = key->special[i].value;
		return true;
	}
	return false;
}

bool conf_key_parse(const struct conf_key *key, void *target, const char *value)
{
	void *field = (char *)target + key->offset;
	uint64_t n = 0;

	switch (key->kind) {
	case CONF_KIND_NAME:
		return valid_name(value) && strcpy(field, value);
	case CONF_KIND_CHOICE:
		return valid_choice(value, key->expected) && strcpy(field, value);
	case CONF_KIND_ADDRESS:
		return valid_address(value, field);
	case CONF_KIND_PATH:
		return valid_path(value) && strcpy(field, value);
	case CONF_KIND_LEND:
		return valid_lend(value, target);
	case CONF_KIND_NUMBER:
		if (!valid_number(value, &n))
			return false;
		break;
	case CONF_KIND_SIZE:
		if (valid_special(key, value, field))
			return true;
		if (!valid_size(value, &n))
			return false;
		break;
	case CONF_KIND_TIME:
		if (!valid_time(value, &n))
			return false;
		break;
	}
	if (!in_range(key, n))
		return false;
	*(uint64_t *)field = n;
	return true;
}

/* ---- Values as text ---- */

static void format_size(char text[CONF_VALUE_LEN], uint64_t bytes)
{
	static const char units[] = " KMGT";
	unsigned int unit = 0;

	while (unit < 4 && bytes && !(bytes % 1024)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, CONF_VALUE_LEN, "%" PRIu64 "%.*s", bytes, unit ? 1 : 0, &units[unit]);
}

static void format_lend(char text[CONF_VALUE_LEN], const struct conf_node *node)
{
	if (node->lend == CONF_LEND_SIZE)
		format_size(text, node->lend_bytes);
	else
		strcpy(text, node->lend == CONF_LEND_AUTO ? "auto" : "off");
}

const char *conf_key_format(const struct conf_key *key, const void *target, char text[CONF_VALUE_LEN])
{
	const void *field = (const char *)target + key->offset;
	uint64_t n;

	switch (key->kind) {
	case CONF_KIND_NAME:
	case CONF_KIND_CHOICE:
	case CONF_KIND_ADDRESS:
	case CONF_KIND_PATH:
		snprintf(text, CONF_VALUE_LEN, "%s", (const char *)field);
		return text;
	case CONF_KIND_LEND:
		format_lend(text, target);
		return text;
	default:
		break;
	}
	n = *(const uint64_t *)field;
	for (unsigned int i = 0; i < ARRAY_SIZE(key->special) && key->special[i].word; i++)
		if (key->special[i].value == n)
			return key->special[i].word;
	if (key->kind == CONF_KIND_SIZE)
		format_size(text, n);
	else
		snprintf(text, CONF_VALUE_LEN, "%" PRIu64 "%s", n, key->kind == CONF_KIND_TIME ? "ms" : "");
	return text;
}

const char *conf_key_one_of(const struct conf_key *key)
{
	return key->kind == CONF_KIND_CHOICE && strchr(key->expected, ',') ? "one of " : "";
}
