// SPDX-License-Identifier: GPL-2.0-or-later
/* privilege - see privilege.h. */
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/privilege.h"

int privilege_user(uid_t user, gid_t group)
{
	int signum = 0;

	/* A change of user forgets which signal the parent's death brings. */
	prctl(PR_GET_PDEATHSIG, &signum);
	if (setgroups(0, NULL) || setresgid(group, group, group) || setresuid(user, user, user))
		return -errno;
	return signum && prctl(PR_SET_PDEATHSIG, signum) ? -errno : 0;
}

int privilege_groups(const char *const *names, unsigned int count)
{
	gid_t groups[PRIVILEGE_GROUPS];
	const struct group *found;
	size_t known = 0;

	for (unsigned int i = 0; i < count && known < PRIVILEGE_GROUPS; i++) {
		found = getgrnam(names[i]);
		if (found)
			groups[known++] = found->gr_gid;
	}
	return setgroups(known, groups) && errno != EPERM ? -errno : 0;
}

int privilege_bound(uint64_t capabilities)
{
	int cap;

	for (cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(capabilities & PRIVILEGE_CAP(cap)) && prctl(PR_CAPBSET_DROP, cap))
			return errno == EPERM ? 0 : -errno;
	return 0;
}

int privilege_keep(uint64_t capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    syscall(SYS_capget, &header, data))
		return -errno;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(capabilities >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privilege_hide(void)
{
	const struct rlimit none = { 0 };
	int err = setrlimit(RLIMIT_CORE, &none) ? -errno : 0;

	/* Also where the other failed: each is some protection by itself. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : err;
}
