/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup - finds the control group (cgroup2) that what a lender has lent is charged to. Needs nothing but the C library.
 */
#ifndef _RAMSTER_CGROUP_H
#define _RAMSTER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_LENT_SLICE "ramster-lender.slice"
#define CGROUP_PATH_LEN 1024 /* bytes with the final 0 */

/**
 * cgroup_parse - find the group in what /proc/PID/cgroup says
 * @text: the file's contents; ends with a NUL
 * @path: where the path below cgroup2's mount is left: up to CGROUP_LENT_SLICE if that is part of it, so that the group
 *        outlives the lender, else all of it
 * @size: of @path, bytes
 *
 * Returns 0; -ENOENT if the process is in no group that can be seen here, or only in the root; or -ENAMETOOLONG. *@path is
 * "" unless 0 is returned.
 */
int cgroup_parse(const char *text, char *path, size_t size);

/**
 * cgroup_of - cgroup_parse() of a process
 * @path: CGROUP_PATH_LEN bytes
 *
 * Returns as cgroup_parse() does, or -errno if /proc cannot be read.
 */
int cgroup_of(pid_t pid, char path[CGROUP_PATH_LEN]);

/**
 * cgroup_read - the number that a file of a group holds
 * @path: of cgroup_of()
 * @file: such as "memory.swap.current"
 *
 * Returns false if there is none; @value is left alone then.
 */
bool cgroup_read(const char *path, const char *file, uint64_t *value);

/* Where cgroup2 is mounted, alone or beside the controllers of cgroup v1; NULL: at none of the usual places. */
const char *cgroup_mount(void);

#endif
