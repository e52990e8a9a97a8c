/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access - what whoever is at the other end of a unix socket may do: the kernel says who that is.
 */
#ifndef _RAMSTER_ACCESS_H
#define _RAMSTER_ACCESS_H

#include <sys/types.h>

#define ACCESS_GROUP "ramster"
#define ACCESS_NO_GROUP ((gid_t)-1)

enum access_right {
	ACCESS_NONE,
	ACCESS_LOOK, /* members of the group */
	ACCESS_CHANGE, /* root, and who runs this program */
};

/**
 * access_group - look a group up
 * @name: NULL: ACCESS_GROUP, which need not exist
 *
 * Returns ACCESS_NO_GROUP if it does not exist; of a group that was named that is reported.
 */
gid_t access_group(const char *name);

/**
 * access_of - what the process may do that has connected
 * @fd: a unix socket
 * @group: or ACCESS_NO_GROUP
 * @user: gets its user, (uid_t)-1 if that is not known
 */
enum access_right access_of(int fd, gid_t group, uid_t *user);

#endif
