// SPDX-License-Identifier: GPL-2.0-or-later
/* sandbox - see sandbox.h. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "daemon/lender/sandbox.h"
#include "daemon/log.h"
#include "daemon/privilege.h"

static uid_t user;
static gid_t group;

bool sandbox_find_user(const char *name)
{
	const char *wanted = name ? name : SANDBOX_USER;
	const struct passwd *found;

	if (geteuid() && !name)
		return true;
	errno = 0;
	found = getpwnam(wanted);
	if (!found) {
		log_err("no user %s: %s (systemd-sysusers makes %s; --user names another)", wanted,
			errno ? strerror(errno) : "it does not exist", SANDBOX_USER);
		return false;
	}
	if (geteuid() && geteuid() != found->pw_uid) {
		log_err("--user %s: only root can go on as another user", wanted);
		return false;
	}
	user = found->pw_uid;
	group = found->pw_gid;
	if (!user)
		log_warn("--user %s: the lender stays root, though without capabilities", wanted);
	return true;
}

static bool reported(const char *what, int err)
{
	if (err)
		log_err("cannot start: %s: %s", what, strerror(-err));
	return err;
}

bool sandbox_enter(enum filter_process process)
{
	int err;

	if (reported("the bounding set of capabilities cannot be emptied", privilege_bound(0)))
		return false;
	if (!geteuid() && reported("the user cannot be changed", privilege_user(user, group)))
		return false;
	if (reported("capabilities cannot be given up", privilege_keep(0)) ||
	    reported("its memory cannot be hidden", privilege_hide()))
		return false;
	err = filter_install(process);
	if (err == -ENOSYS)
		log_warn("this kernel has no seccomp: every system call stays open to the %s",
			 process == FILTER_LENDER ? "lender" : "lender's guard");
	if (err == -ENOSYS || err == -ENOTSUP)
		return true;
	return !reported("system calls cannot be filtered", err);
}
