// SPDX-License-Identifier: GPL-2.0-or-later
/* cgroup - see cgroup.h. */
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "daemon/cgroup.h"

#define CGROUP2_LINE "0::"

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

int cgroup_parse(const char *text, char *path, size_t size)
{
	const char *line = text;
	size_t len;

	*path = 0;
	while (strncmp(line, CGROUP2_LINE, strlen(CGROUP2_LINE))) {
		line = strchr(line, '\n');
		if (!line)
			return -ENOENT;
		line++;
	}
	line += strlen(CGROUP2_LINE);
	len = strcspn(line, "\n");
	/* "/..": outside of our cgroup namespace. */
	if (len < 2 || line[0] != '/' || !strncmp(line, "/..", 3))
		return -ENOENT;
	len = cut_at(line, len, CGROUP_LENT_SLICE);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(path, line, len);
	path[len] = 0;
	return 0;
}

int cgroup_of(pid_t pid, char path[CGROUP_PATH_LEN])
{
	char name[64], text[4096];
	FILE *file;
	size_t len;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "re");
	if (!file)
		return -errno;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	return cgroup_parse(text, path, CGROUP_PATH_LEN);
}

bool cgroup_read(const char *path, const char *file, uint64_t *value)
{
	const char *mount = cgroup_mount();
	char name[CGROUP_PATH_LEN + 128];
	FILE *stream;
	int found;

	if (!mount)
		return false;
	snprintf(name, sizeof(name), "%s%s/%s", mount, path, file);
	stream = fopen(name, "re");
	if (!stream)
		return false;
	found = fscanf(stream, "%" SCNu64, value);
	fclose(stream);
	return found == 1;
}

const char *cgroup_mount(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (unsigned int i = 0; i < 2; i++)
		if (!statfs(mounts[i], &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			return mounts[i];
	return NULL;
}
