// SPDX-License-Identifier: GPL-2.0-or-later
/* access - see access.h. */
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/access.h"
#include "daemon/log.h"

gid_t access_group(const char *name)
{
	const struct group *group = getgrnam(name ? name : ACCESS_GROUP);

	if (group)
		return group->gr_gid;
	if (name)
		log_warn("no group %s: only root may ask", name);
	return ACCESS_NO_GROUP;
}

/* Whether the group is one of the supplementary ones of whoever has connected. */
static bool is_member(int fd, gid_t group)
{
	gid_t *groups = NULL;
	socklen_t length = 0;
	bool found = false;

	/* The first call tells how long the list is. */
	getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length);
	if (length)
		groups = malloc(length);
	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length))
		for (socklen_t i = 0; i < length / sizeof(*groups); i++)
			found |= groups[i] == group;
	free(groups);
	return found;
}

enum access_right access_of(int fd, gid_t group, uid_t *user)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	*user = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length))
		return ACCESS_NONE;
	*user = cred.uid;
	if (cred.uid == 0 || cred.uid == geteuid())
		return ACCESS_CHANGE;
	if (group != ACCESS_NO_GROUP && (cred.gid == group || is_member(fd, group)))
		return ACCESS_LOOK;
	return ACCESS_NONE;
}
