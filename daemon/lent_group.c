// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/lent_group.h"
#include "daemon/log.h"

#define CGROUP2_LINE "0::"
#define PATH_LEN 1024
#define REASON_LEN (PATH_LEN + 128)

struct lent_group {
	uint64_t module; /* the instance that has been told; 0: none */
	uint64_t lender; /* the lender's instance of which it was told */
	char reason[REASON_LEN]; /* why it could not be told, as it was said last; "" if it could */
};

/* The length of the path up to the end of the first component with that name, or of all of it. */
static size_t cut_at(const char *path, size_t len, const char *name)
{
	size_t name_len = strlen(name), end;

	for (size_t start = 0; start < len; start = end) {
		start++; /* the slash */
		end = start;
		while (end < len && path[end] != '/')
			end++;
		if (end - start == name_len && !memcmp(path + start, name, name_len))
			return end;
	}
	return len;
}

int lent_group_parse(const char *text, char *path, size_t size)
{
	const char *line = text;
	size_t len;

	*path = 0;
	while (strncmp(line, CGROUP2_LINE, strlen(CGROUP2_LINE))) {
		line = strchr(line, '\n');
		if (!line++)
			return -ENOENT;
	}
	line += strlen(CGROUP2_LINE);
	len = strcspn(line, "\n");
	/* "/..": outside of our cgroup namespace. */
	if (len < 2 || line[0] != '/' || !strncmp(line, "/..", 3))
		return -ENOENT;
	len = cut_at(line, len, LENT_GROUP_SLICE);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(path, line, len);
	path[len] = 0;
	return 0;
}

__attribute__((format(printf, 2, 3))) static bool give_up(char reason[REASON_LEN], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON_LEN, format, args);
	va_end(args);
	return false;
}

/* Where cgroup2 is mounted: alone, or beside the controllers of cgroup v1. */
static const char *find_mount(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (unsigned int i = 0; i < 2; i++)
		if (!statfs(mounts[i], &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			return mounts[i];
	return NULL;
}

/* The lender's group below the mount. */
static bool find_group(pid_t pid, char path[PATH_LEN], char reason[REASON_LEN])
{
	char name[64], text[4096];
	FILE *file;
	size_t len;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "re");
	if (!file)
		return give_up(reason, "%s: %s", name, strerror(errno));
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	if (lent_group_parse(text, path, PATH_LEN))
		return give_up(reason, "the lender is in no control group of its own");
	return true;
}

/* Hands the group to the module. */
static bool tell(struct kernel *kernel, pid_t pid, char path[PATH_LEN], char reason[REASON_LEN])
{
	const char *mount = find_mount();
	char directory[PATH_LEN + 32];
	bool told;
	int fd;

	if (!mount)
		return give_up(reason, "no cgroup2 file system is mounted at /sys/fs/cgroup");
	if (!find_group(pid, path, reason))
		return false;
	snprintf(directory, sizeof(directory), "%s%s", mount, path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return give_up(reason, "control group %s: %s", path, strerror(errno));
	/* Else pages are charged to a group above it, or not in cgroup2 at all, and the module would not know them. */
	told = !faccessat(fd, "memory.current", F_OK, 0);
	if (!told)
		give_up(reason, "memory is not accounted in control group %s (cgroup2's memory controller)", path);
	else if (kernel_lent_group(kernel, fd))
		told = give_up(reason, "the module refuses control group %s: %s", path, kernel_error(kernel));
	close(fd);
	return told;
}

void lent_group_tick(struct ramsterd *d)
{
	const struct lender_status *status = sidedoor_status(d->door);
	struct lent_group *group = d->lent_group;
	char path[PATH_LEN], reason[REASON_LEN] = "";

	if (!status || !d->view.instance || d->kernel_error)
		return;
	if (group->module == d->view.instance && group->lender == status->instance)
		return;
	if (tell(d->kernel, sidedoor_pid(d->door), path, reason)) {
		group->module = d->view.instance;
		group->lender = status->instance;
		log_info("lent pages stay on this node: the module knows them by control group %s", path);
	} else if (strcmp(reason, group->reason)) {
		log_warn("lent pages may be sent on to peers when this node borrows: %s "
			 "(start ramster-lender by its unit, in " LENT_GROUP_SLICE ")",
			 reason);
	}
	strcpy(group->reason, reason);
}

struct lent_group *lent_group_new(void)
{
	return calloc(1, sizeof(struct lent_group));
}

void lent_group_free(struct lent_group *group)
{
	free(group);
}
