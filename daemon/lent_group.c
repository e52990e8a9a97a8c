// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/lent_group.h"
#include "daemon/log.h"

#define REASON_LEN (CGROUP_PATH_LEN + 128)

struct lent_group {
	uint64_t module; /* the instance that has been told; 0: none */
	uint64_t lender; /* the lender's instance of which it was told */
	char reason[REASON_LEN]; /* why it could not be told, as it was said last; "" if it could */
};

__attribute__((format(printf, 2, 3))) static bool give_up(char reason[REASON_LEN], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON_LEN, format, args);
	va_end(args);
	return false;
}

/* The lender's group below the mount. */
static bool find_group(pid_t pid, char path[CGROUP_PATH_LEN], char reason[REASON_LEN])
{
	int ret = cgroup_of(pid, path);

	if (!ret)
		return true;
	if (ret == -ENOENT || ret == -ENAMETOOLONG)
		return give_up(reason, "the lender is in no control group of its own");
	return give_up(reason, "/proc/%d/cgroup: %s", pid, strerror(-ret));
}

/* Hands the group to the module. */
static bool tell(struct kernel *kernel, pid_t pid, char path[CGROUP_PATH_LEN], char reason[REASON_LEN])
{
	const char *mount = cgroup_mount();
	char directory[CGROUP_PATH_LEN + 32];
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
	char path[CGROUP_PATH_LEN], reason[REASON_LEN] = "";

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
			 "(start ramster-lender by its unit, in " CGROUP_LENT_SLICE ")",
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
