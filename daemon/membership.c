// SPDX-License-Identifier: GPL-2.0-or-later
/* membership - see membership.h. */
#include <string.h>

#include "daemon/membership.h"

const struct membership_ops *membership_by_name(const char *name)
{
	return strcmp(name, membership_corosync.name) ? &membership_static : &membership_corosync;
}
