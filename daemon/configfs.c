// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * configfs - tells the module of the cluster's nodes, and sets its parameters.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "daemon/attribute.h"
#include "daemon/configfs.h"
#include "daemon/log.h"

#define CONFIGFS "/sys/kernel/config"
#define CONFIGFS_MAGIC 0x62656570
#define NODES_LEN 256 /* bytes of the path of a cluster's "node" directory */
#define PARAMETERS "/sys/module/ramster/parameters"
#define RETRY_MS 20
#define RETRIES 500

static int make_dir(const char *path)
{
	if (!mkdir(path, 0755) || errno == EEXIST)
		return 0;
	log_err("%s: cannot be made: %s (is ramster.ko loaded and configfs mounted?)", path, strerror(errno));
	return -errno;
}

static int set_attribute(const char *dir, const char *name, const char *value)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = attribute_set(path, value);
	if (ret)
		log_err("%s: the module does not take \"%s\": %s", path, value, strerror(-ret));
	return ret;
}

static int fill_node(const char *nodes, const struct conf_node *node, int local)
{
	char dir[NODES_LEN + CONF_NAME_LEN], number[24], port[24];
	int ret;

	snprintf(dir, sizeof(dir), "%s/%s", nodes, node->name);
	snprintf(number, sizeof(number), "%" PRIu64, node->number);
	snprintf(port, sizeof(port), "%" PRIu64, node->port);
	ret = make_dir(dir);
	if (!ret)
		ret = set_attribute(dir, "address", node->address);
	if (!ret)
		ret = set_attribute(dir, "port", port);
	if (!ret)
		ret = set_attribute(dir, "num", number);
	if (!ret && local)
		ret = set_attribute(dir, "local", "1");
	return ret;
}

static void remove_others(const char *nodes, const struct conf *conf)
{
	DIR *dir = opendir(nodes);
	struct dirent *entry;
	char path[PATH_MAX];

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || conf_node_by_name(conf, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", nodes, entry->d_name);
		if (rmdir(path))
			log_warn("%s: cannot be removed yet: %s (pages or connections of that node are in use)", path,
				 strerror(errno));
	}
	closedir(dir);
}

/* The connections of a peer that was forgotten end a moment later; until then its node is in use. */
static int remove_unused(const char *path)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };

	for (unsigned int i = 0; rmdir(path); i++) {
		if (errno != EBUSY || i == RETRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Removes all directories in one, as far as it can. Returns 0, or the last -errno. */
static int remove_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char child[PATH_MAX];
	int ret = 0, err;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		err = remove_unused(child);
		if (!err)
			continue;
		ret = err;
		log_err("%s: cannot be removed: %s", child, strerror(-err));
	}
	closedir(dir);
	return ret;
}

int configfs_clear(void)
{
	DIR *dir = opendir(CONFIGFS "/ramster");
	struct dirent *entry;
	char path[PATH_MAX];
	int ret = 0;

	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CONFIGFS "/ramster/%s/node", entry->d_name);
		ret = remove_all(path);
	}
	closedir(dir);
	return ret ? ret : remove_all(CONFIGFS "/ramster");
}

int configfs_fill(const struct conf *conf, const struct conf_node *self)
{
	char path[NODES_LEN];
	int ret, first = 0;

	snprintf(path, sizeof(path), CONFIGFS "/ramster/%s", conf->cluster);
	ret = make_dir(path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), CONFIGFS "/ramster/%s/node", conf->cluster);
	if (access(path, F_OK)) {
		ret = make_dir(path);
		if (ret)
			return ret;
	}
	remove_others(path, conf);
	for (unsigned int i = 0; i < conf->nodes_len; i++) {
		ret = fill_node(path, &conf->nodes[i], &conf->nodes[i] == self);
		if (ret && !first)
			first = ret;
	}
	return first;
}

/* "" and 0: not asked for. */
static int set_parameter(const char *name, const char *value)
{
	char path[NODES_LEN];

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	return *value ? attribute_set(path, value) : 0;
}

static int set_number(const char *name, uint64_t number)
{
	char value[24] = "";

	if (number)
		snprintf(value, sizeof(value), "%" PRIu64, number);
	return set_parameter(name, value);
}

static void report(const char *name, int ret, const char **refused)
{
	if (!ret)
		return;
	log_err(PARAMETERS "/%s: the module does not take what cluster.conf says, and keeps its own value: %s", name,
		strerror(-ret));
	*refused = name;
}

const char *configfs_set_parameters(const struct conf *conf)
{
	const char *refused = NULL;
	int err;

	report("compressor", set_parameter("compressor", conf->compressor), &refused);
	if (set_parameter("allocator", conf->allocator)) {
		log_err(PARAMETERS "/allocator: %s can only be chosen when the module is loaded (modprobe ramster "
				   "allocator=%s); it keeps its own value",
			conf->allocator, conf->allocator);
		refused = "allocator";
	}
	/* The module wants remotify_percent <= local_max_percent at all times: both orders may be needed. */
	err = set_number("local_max_percent", conf->local_max_percent);
	report("remotify_percent", set_number("remotify_percent", conf->remotify_percent), &refused);
	if (err)
		err = set_number("local_max_percent", conf->local_max_percent);
	report("local_max_percent", err, &refused);
	report("restore_after", set_number("restore_after", conf->restore_after_ms / 1000), &refused);
	report("low_water_mb", set_number("low_water_mb", conf->low_water >> 20), &refused);
	/* Last, as pages may be lost or read without them: if several are refused, one of these is told of. */
	report("copies", set_number("copies", conf->copies), &refused);
	report("writethrough", set_parameter("writethrough", conf->writethrough), &refused);
	report("seal", set_parameter("seal", conf->seal), &refused);
	return refused;
}

void configfs_mount(void)
{
	struct statfs fs;

	if (!geteuid() && !statfs(CONFIGFS, &fs) && fs.f_type != CONFIGFS_MAGIC)
		mount("configfs", CONFIGFS, "configfs", 0, NULL); /* what fails is said when it is needed */
}
