/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * privilege - what a daemon gives up once it has started. Call all of it before the first thread is started.
 */
#ifndef _RAMSTER_PRIVILEGE_H
#define _RAMSTER_PRIVILEGE_H

#include <linux/capability.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIVILEGE_GROUPS 4 /* at most */
#define PRIVILEGE_CAP(cap) (UINT64_C(1) << (cap)) /* @cap: CAP_... */

/**
 * privilege_user - go on as another user, without supplementary groups
 *
 * For root. Everything that root may do is gone, but for what is open. Returns 0 or -errno.
 */
int privilege_user(uid_t user, gid_t group);

/**
 * privilege_groups - go on with these supplementary groups alone, as far as they exist
 *
 * For root; without CAP_SETGID the groups stay as they are. Returns 0 or -errno.
 */
int privilege_groups(const char *const *names, unsigned int count);

/**
 * privilege_bound - take all capabilities but these out of the bounding set, so that nothing brings them back
 * @capabilities: of PRIVILEGE_CAP(), or 0
 *
 * Does nothing where CAP_SETPCAP is missing. Returns 0 or -errno.
 */
int privilege_bound(uint64_t capabilities);

/**
 * privilege_keep - give up all capabilities but these, and never get any by executing a program
 * @capabilities: as above; what is not there does not come by this
 *
 * Returns 0 or -errno.
 */
int privilege_keep(uint64_t capabilities);

/**
 * privilege_hide - let nobody see this process's memory: no core dumps, no ptrace but by root
 *
 * After privilege_user(), which undoes it. Returns 0 or -errno.
 */
int privilege_hide(void);

#endif
