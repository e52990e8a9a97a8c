// SPDX-License-Identifier: GPL-2.0-or-later
/* oom - see oom.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/lender/oom.h"

#define COUNTER "\noom_kill "

static int open_group(const char *directory)
{
	char path[CGROUP_PATH_LEN], whole[CGROUP_PATH_LEN + 64];
	const char *mount = cgroup_mount();

	if (directory)
		return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!mount || cgroup_of(getpid(), path))
		return -1;
	snprintf(whole, sizeof(whole), "%s%s", mount, path);
	return open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int oom_open(const char *directory, struct oom_mark *mark, const char **why)
{
	int group = open_group(directory), fd;
	struct stat st;

	*why = "the lender is in no control group (cgroup2) of its own";
	if (group < 0)
		return -1;
	fd = openat(group, "memory.events", O_RDONLY | O_CLOEXEC);
	if (fstat(group, &st))
		st.st_ino = 0;
	close(group);
	*why = "memory is not accounted in the lender's control group (cgroup2's memory controller)";
	if (fd < 0)
		return -1;
	mark->group = st.st_ino;
	if (st.st_ino && oom_kills(fd, &mark->kills))
		return fd;
	close(fd);
	return -1;
}

bool oom_kills(int fd, uint64_t *kills)
{
	char text[512], *at, *end;
	ssize_t length;

	text[0] = '\n';
	length = pread(fd, text + 1, sizeof(text) - 2, 0);
	if (length < 0)
		return false;
	text[1 + length] = '\0';
	at = strstr(text, COUNTER);
	if (!at)
		return false;
	at += strlen(COUNTER);
	errno = 0;
	*kills = strtoull(at, &end, 10);
	return end != at && !errno;
}
