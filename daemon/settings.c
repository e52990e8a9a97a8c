// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * settings - the part of a configuration that may be changed while ramsterd runs.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_key.h"
#include "daemon/settings.h"

#define EXPECTED "expected lend, reserve, quota, bandwidth, NODE.quota, NODE.bandwidth, NODE.weight or NODE.priority"

/* One assignment. */
struct setting {
	char text[CONF_LINE_MAX + 1];
	char *name, *value; /* in @text, trimmed */
	const struct conf_key *key;
	void *target; /* what the key is in */
};

static int __attribute__((format(printf, 2, 3))) wrong(char error[CONF_ERROR_LEN], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, CONF_ERROR_LEN, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int split(struct setting *s, const char *assignment, char error[CONF_ERROR_LEN])
{
	char *equals;

	if (strlen(assignment) >= sizeof(s->text))
		return wrong(error, "an assignment of %zu bytes (expected at most %zu)", strlen(assignment),
			     sizeof(s->text) - 1);
	for (const char *c = assignment; *c; c++)
		if (iscntrl((unsigned char)*c))
			return wrong(error, "an assignment with control characters (expected KEY=VALUE)");
	strcpy(s->text, assignment);
	equals = strchr(s->text, '=');
	if (!equals)
		return wrong(error, "\"%s\" is no assignment (expected KEY=VALUE)", assignment);
	*equals = 0;
	s->name = conf_key_trim(s->text);
	s->value = conf_key_trim(equals + 1);
	return 0;
}

/* NODE.KEY */
static int find_of_node(struct setting *s, struct conf *conf, unsigned int self, char error[CONF_ERROR_LEN])
{
	char *dot = strrchr(s->name, '.'), node_name[CONF_NAME_LEN];
	const struct conf_node *node;

	snprintf(node_name, sizeof(node_name), "%.*s", (int)(dot - s->name), s->name);
	node = conf_node_by_name(conf, node_name);
	if (!node)
		return wrong(error, "%s: no node is named \"%s\" (expected one of cluster.conf)", s->name, node_name);
	s->key = conf_key_find(&conf_node_stanza, dot + 1);
	if (!s->key)
		return wrong(error, "unknown setting \"%s\" (" EXPECTED ")", s->name);
	if (s->key->settable == CONF_SETTABLE_SELF && node->number != self)
		return wrong(error, "%s can only be set on %s itself (expected %s=VALUE there)", s->name, node->name,
			     s->key->name);
	s->target = &conf->nodes[node - conf->nodes];
	return 0;
}

static int find(struct setting *s, struct conf *conf, unsigned int self, char error[CONF_ERROR_LEN])
{
	const struct conf_key *of_cluster = conf_key_find(&conf_cluster_stanza, s->name);
	const struct conf_key *of_node = conf_key_find(&conf_node_stanza, s->name);

	if (strchr(s->name, '.'))
		return find_of_node(s, conf, self, error);
	if (of_cluster && of_cluster->settable) {
		s->key = of_cluster;
		s->target = conf;
	} else if (of_node && of_node->settable == CONF_SETTABLE) {
		return wrong(error, "%s of which node? (expected NODE.%s=VALUE)", s->name, s->name);
	} else if (of_node && of_node->settable) {
		s->key = of_node;
		s->target = &conf->nodes[conf_node_by_number(conf, self) - conf->nodes];
	} else if (of_node || of_cluster) {
		s->key = of_node ? of_node : of_cluster;
	} else {
		return wrong(error, "unknown setting \"%s\" (" EXPECTED ")", s->name);
	}
	return 0;
}

static int assign(struct conf *conf, unsigned int self, const char *assignment, struct setting *s,
		  char error[CONF_ERROR_LEN])
{
	int ret = split(s, assignment, error);

	if (!ret)
		ret = find(s, conf, self, error);
	if (ret)
		return ret;
	if (!s->key->settable)
		return wrong(error, "%s cannot be changed at run time (" EXPECTED ")", s->name);
	if (!conf_key_parse(s->key, s->target, s->value))
		return wrong(error, "%s = \"%s\" is not acceptable (expected %s%s)", s->name, s->value,
			     conf_key_one_of(s->key), s->key->expected);
	return 0;
}

/* What depends on more than one key. */
static int check(const struct conf *conf, char error[CONF_ERROR_LEN])
{
	const char *key = conf->quota < conf->extent_size ? "quota" : NULL;

	for (unsigned int i = 0; !key && i < conf->nodes_len; i++)
		key = conf_below_extent(conf, &conf->nodes[i]);
	if (!key && conf_below_bandwidth(conf))
		return wrong(
			error,
			"a bandwidth is too low for connections, window and slow_deadline (expected at least %" PRIu64
			" bytes a second, or off)",
			conf_least_bandwidth(conf));
	if (!key)
		return 0;
	return wrong(error, "%s is less than one extent (expected at least %" PRIu64 " bytes, or off)", key,
		     conf->extent_size);
}

int settings_assign(struct conf *conf, unsigned int self, char *const *assignments, size_t count,
		    char error[CONF_ERROR_LEN])
{
	struct conf *fresh = malloc(sizeof(*fresh));
	struct setting *made = calloc(count + 1, sizeof(*made));
	int ret = 0;

	if (!fresh || !made) {
		wrong(error, "%s", strerror(ENOMEM));
		ret = -ENOMEM;
	} else {
		*fresh = *conf;
	}
	for (size_t i = 0; !ret && i < count; i++) {
		ret = assign(fresh, self, assignments[i], &made[i], error);
		for (size_t j = 0; !ret && j < i; j++)
			if (made[j].key == made[i].key && made[j].target == made[i].target)
				ret = wrong(error, "%s is set twice (expected once)", made[i].name);
	}
	if (!ret)
		ret = check(fresh, error);
	if (!ret)
		*conf = *fresh;
	free(made);
	free(fresh);
	return ret;
}

/* ---- Listing ---- */

struct listing {
	void (*fn)(void *ctx, const char *name, const char *value, const char *loaded);
	void *ctx;
};

/* @was: NULL if there is nothing to compare with */
static void list(const struct listing *l, const char *prefix, const struct conf_key *key, const void *target,
		 const void *was)
{
	char name[SETTINGS_NAME_LEN], value[CONF_VALUE_LEN], loaded[CONF_VALUE_LEN];
	const char *now = conf_key_format(key, target, value);
	const char *before = was ? conf_key_format(key, was, loaded) : now;

	snprintf(name, sizeof(name), "%s%s", prefix, key->name);
	l->fn(l->ctx, name, now, strcmp(now, before) ? before : NULL);
}

static void list_stanza(const struct listing *l, const char *prefix, const struct conf_stanza *stanza,
			enum conf_settable which, const void *target, const void *was)
{
	for (unsigned int i = 0; i < stanza->len; i++)
		if (stanza->keys[i].settable == which)
			list(l, prefix, &stanza->keys[i], target, was);
}

void settings_each(const struct conf *conf, const struct conf *was, unsigned int self,
		   void (*fn)(void *ctx, const char *name, const char *value, const char *loaded), void *ctx)
{
	const struct listing l = { .fn = fn, .ctx = ctx };
	char prefix[CONF_NAME_LEN + 1];

	list_stanza(&l, "", &conf_node_stanza, CONF_SETTABLE_SELF, conf_node_by_number(conf, self),
		    conf_node_by_number(was, self));
	list_stanza(&l, "", &conf_cluster_stanza, CONF_SETTABLE, conf, was);
	for (unsigned int i = 0; i < conf->nodes_len; i++) {
		const struct conf_node *node = &conf->nodes[i];

		snprintf(prefix, sizeof(prefix), "%s.", node->name);
		list_stanza(&l, prefix, &conf_node_stanza, CONF_SETTABLE, node, conf_node_by_number(was, node->number));
	}
}
