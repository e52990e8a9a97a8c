// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_conf - libFuzzer target: the text of a cluster.conf, and settings that are made on what it says.
 *
 * Input: the file's text; then assignments as `ramster set` sends them. A byte 0xff comes before each of these.
 * Either there is an error, one line that names the place, or a configuration in which every value is one that
 * cluster.conf(5) allows, and which reads the same when it is written down and read again.
 */
#include <ctype.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/conf_key.h"
#include "daemon/settings.h"
#include "tests/fuzz/fuzz.h"

#define SEPARATOR 0xff
#define MAX_ASSIGNMENTS 8
#define FILE_EVERY 64
#define PATH "fuzz"

static struct conf conf, again;

static void check_name(const char *name)
{
	size_t len = strnlen(name, CONF_NAME_LEN);

	check(len > 0 && len < CONF_NAME_LEN && isalnum((unsigned char)name[0]));
	for (size_t i = 0; i < len; i++)
		check(isalnum((unsigned char)name[i]) || strchr("-_.", name[i]));
}

static void check_word(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words))
		words++;
	check(*words);
}

#define CHECK_WORD(word, ...) check_word(word, (const char *const[]){ __VA_ARGS__, NULL })
#define CHECK_RANGE(value, least, most) check((value) >= (least) && (value) <= (most))

static void check_quota(uint64_t quota, uint64_t extent_size)
{
	check(quota == CONF_NO_QUOTA || (quota >= extent_size && quota <= 1ULL << 50));
}

/* With it all that may be in flight is answered within slow_deadline. */
static void check_bandwidth(uint64_t bandwidth)
{
	uint64_t flight = conf.connections * conf.window * 264216;

	check(bandwidth == CONF_NO_BANDWIDTH || (bandwidth >= 8 << 20 && bandwidth <= 1ULL << 50));
	check(flight / bandwidth <= conf.slow_deadline_ms / 1000);
}

static void check_node(const struct conf_node *node)
{
	check_name(node->name);
	check(!strcmp(node->cluster, conf.cluster));
	check(strnlen(node->address, CONF_WORD_LEN) >= strlen("1.1.1.1"));
	check(node->number <= 254 && (node->number || strcmp(conf.membership, "corosync")));
	CHECK_RANGE(node->port, 1, 65535);
	CHECK_RANGE(node->data_port, 1, 65535);
	check(node->port != node->data_port);
	check(node->lend <= CONF_LEND_SIZE);
	check(node->lend != CONF_LEND_SIZE || node->lend_bytes >= conf.extent_size);
	check(!node->reserve || (node->reserve >= 1 << 20 && node->reserve <= 1ULL << 50));
	if (node->quota)
		check_quota(node->quota, conf.extent_size);
	if (node->bandwidth)
		check_bandwidth(node->bandwidth);
	CHECK_RANGE(node->weight, 1, 100);
	CHECK_RANGE(node->priority, 0, 9);
	CHECK_WORD(node->keep_on_restart, "on", "off");
}

static void check_cluster(void)
{
	check_name(conf.cluster);
	CHECK_WORD(conf.membership, "static", "corosync");
	check(strnlen(conf.authkey, CONF_FILE_NAME_LEN) < CONF_FILE_NAME_LEN);
	check(conf.authkey[0] == '/' || !strcmp(conf.authkey, "off"));
	CHECK_RANGE(conf.nodes_len, 1, R2NET_MAX_NODES);
	check(!conf.node_count || conf.node_count == conf.nodes_len);
	CHECK_RANGE(conf.extent_size, 2 << 20, 64 << 20);
	check(conf.extent_size % (2 << 20) == 0);
	CHECK_RANGE(conf.connections, 1, 15);
	CHECK_RANGE(conf.window, 1, 64);
	CHECK_RANGE(conf.deadline_ms, 100, 60000);
	CHECK_RANGE(conf.slow_deadline_ms, conf.deadline_ms, 600000);
	CHECK_RANGE(conf.hold_time_ms, 1000, 720ULL * 3600 * 1000);
	check_quota(conf.quota, conf.extent_size);
	check_bandwidth(conf.bandwidth);
	CHECK_WORD(conf.compressor, "", "lzo", "lzo-rle", "lz4", "zstd");
	CHECK_WORD(conf.allocator, "", "zbud", "zsmalloc");
	CHECK_RANGE(conf.local_max_percent, 0, 50);
	CHECK_RANGE(conf.remotify_percent, 0, 50);
	check(!conf.local_max_percent || conf.remotify_percent <= conf.local_max_percent);
	check(!conf.low_water || (conf.low_water % (1 << 20) == 0 && conf.low_water <= 1ULL << 40));
	CHECK_RANGE(conf.copies, 0, 2);
	CHECK_WORD(conf.writethrough, "", "on", "off");
	CHECK_WORD(conf.seal, "", "on", "off");
	check(!conf.restore_after_ms || (conf.restore_after_ms >= 1000 && conf.restore_after_ms <= 3600 * 1000));
}

/* No two nodes may be taken for each other, or bind the same port. */
static void check_apart(const struct conf_node *a, const struct conf_node *b)
{
	check(strcmp(a->name, b->name) && a->number != b->number);
	check(strcmp(a->address, b->address) || (a->port != b->port && a->port != b->data_port &&
						 a->data_port != b->port && a->data_port != b->data_port));
}

static void check_conf(void)
{
	check_cluster();
	for (unsigned int i = 0; i < conf.nodes_len; i++) {
		check_node(&conf.nodes[i]);
		check(conf_node_by_name(&conf, conf.nodes[i].name) == &conf.nodes[i]);
		check(conf_node_by_number(&conf, conf.nodes[i].number) == &conf.nodes[i]);
		for (unsigned int j = 0; j < i; j++)
			check_apart(&conf.nodes[i], &conf.nodes[j]);
	}
}

static void check_error(const char error[CONF_ERROR_LEN], const char *begins)
{
	check(strnlen(error, CONF_ERROR_LEN) < CONF_ERROR_LEN);
	check(!strncmp(error, begins, strlen(begins)) && error[strlen(begins)] && !strchr(error, '\n'));
}

/* What a key is, written as text, is taken again and is the same. */
static void check_written(const struct conf_stanza *stanza, const void *from, void *to)
{
	char text[CONF_VALUE_LEN], text_again[CONF_VALUE_LEN];

	for (unsigned int i = 0; i < stanza->len; i++) {
		const struct conf_key *key = &stanza->keys[i];
		const char *value = conf_key_format(key, from, text);

		/* "" and 0 stand for what was not given. */
		if (conf_key_parse(key, to, value))
			check(!strcmp(value, conf_key_format(key, to, text_again)));
		else
			check(!key->required && (!*value || !strtoull(value, NULL, 10)));
	}
}

static void on_setting(void *ctx, const char *name, const char *value, const char *loaded)
{
	check(strlen(name) < SETTINGS_NAME_LEN && strlen(value) < CONF_VALUE_LEN);
	check(!loaded || strcmp(value, loaded));
	++*(unsigned int *)ctx;
}

/* Assignments are made all or none; @text is cut into them. */
static void assign(char *text, size_t len)
{
	char *assignments[MAX_ASSIGNMENTS], *end = text + len, error[CONF_ERROR_LEN] = "";
	static struct conf before;
	unsigned int count = 0, listed = 0;
	int ret;

	while (text < end && count < MAX_ASSIGNMENTS) {
		char *next = memchr(text, SEPARATOR, end - text);

		if (next)
			*next++ = 0;
		assignments[count++] = text;
		text = next ? next : end;
	}
	before = conf;
	ret = settings_assign(&conf, conf.nodes[0].number, assignments, count, error);
	check(!ret || ret == -EINVAL);
	if (ret) {
		check_error(error, "");
		check(!memcmp(&conf, &before, sizeof(conf)));
	}
	settings_each(&conf, &before, conf.nodes[0].number, on_setting, &listed);
	check(listed == 4 + 4 * conf.nodes_len);
}

/* A file reads as its text does. It is slow: few inputs have the length for it. */
static void check_file(const uint8_t *text, size_t len, bool ok)
{
	int fd = memfd_create("conf", 0);
	char path[64], error[CONF_ERROR_LEN];

	check(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(!conf_load(path, &again, error) == ok);
	close(fd);
	check(conf_load(path, &again, error) == -EINVAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const uint8_t *set = size ? memchr(input, SEPARATOR, size) : NULL;
	size_t file = set ? (size_t)(set - input) : size;
	char error[CONF_ERROR_LEN] = "", text[CONF_LINE_MAX * MAX_ASSIGNMENTS];
	int ret = conf_parse(PATH, (const char *)input, file, &conf, error);

	if (file % FILE_EVERY == 0)
		check_file(input, file, !ret);
	if (ret) {
		check_error(error, PATH ":");
		check(isdigit((unsigned char)error[strlen(PATH ":")]));
		return 0;
	}
	check(!*error);
	check_conf();
	again = conf;
	check_written(&conf_cluster_stanza, &conf, &again);
	for (unsigned int i = 0; i < conf.nodes_len; i++)
		check_written(&conf_node_stanza, &conf.nodes[i], &again.nodes[i]);
	size -= file;
	if (size < 2 || size >= sizeof(text))
		return 0;
	memcpy(text, set + 1, size - 1);
	text[size - 1] = 0;
	assign(text, size - 1);
	check_conf();
	return 0;
}
