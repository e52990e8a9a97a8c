/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter - the system calls that the lender's processes are left with (seccomp).
 */
#ifndef _RAMSTER_LENDER_FILTER_H
#define _RAMSTER_LENDER_FILTER_H

enum filter_process {
	FILTER_LENDER, /* serves owners and the side door: no file, program or executable memory; it cannot connect */
	FILTER_GUARD, /* only waits and empties a file */
};

/**
 * filter_install - from here on any other system call ends the process, and the kernel logs which
 *
 * For this thread and those that it starts: call it before the first one. Returns 0; -ENOSYS if this kernel has no
 * filters; -ENOTSUP if this build is for a sanitizer, which needs more calls, or for valgrind, which knows no filters;
 * -EPERM if filters are refused; or another -errno. Nothing is filtered then.
 */
int filter_install(enum filter_process process);

#endif
