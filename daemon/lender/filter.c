// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * filter - see filter.h.
 *
 * Both lists are what glibc 2.36 to 2.41 calls on behalf of the code, also where a vDSO or a newer call is missing.
 * What the C library only tries, and does without, is refused instead of deadly.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/lender/filter.h"

#define API_KILL_PROCESS 3 /* level of libseccomp's interface, as the kernel allows */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||               \
	__has_feature(thread_sanitizer) || __has_feature(memory_sanitizer) || defined(FOR_VALGRIND)
#define WITHOUT_FILTER 1
#else
#define WITHOUT_FILTER 0
#endif

/* Both: waiting, logging, ending. */
static const int common_calls[] = {
	SCMP_SYS(close),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(futex),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(read),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

static const int lender_calls[] = {
	/* Sockets that others have opened. */
	SCMP_SYS(accept4), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	/* Extents; allocation; threads. */
	SCMP_SYS(brk), SCMP_SYS(fallocate), SCMP_SYS(madvise), SCMP_SYS(mlock2), SCMP_SYS(mremap), SCMP_SYS(munmap),
	SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list),
	/* The rest. */
	SCMP_SYS(eventfd2), SCMP_SYS(geteuid), SCMP_SYS(getrandom), SCMP_SYS(unlink), /* of the side door */
};

static const int guard_calls[] = {
	SCMP_SYS(ftruncate),
};

static int allow(scmp_filter_ctx filter, const int *calls, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

static int refuse(scmp_filter_ctx filter, int call, int error)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(error), call, 0);
}

/*
 * Memory that is never executable, threads but no processes, nothing sent that connects (a listening socket that was shut
 * could), and no file whatever the C library would like to read.
 */
static int allow_lender(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp sendto_connected = SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0);
	const struct scmp_arg_cmp sendmsg_connected = SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0);
	const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	int err = allow(filter, lender_calls, ARRAY_SIZE(lender_calls));

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, sendto_connected);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1, sendmsg_connected);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, thread);
	if (!err)
		err = refuse(filter, SCMP_SYS(clone3), ENOSYS); /* its flags cannot be seen; clone comes instead */
	if (!err)
		err = refuse(filter, SCMP_SYS(open), EACCES); /* malloc() counts CPUs, and does without */
	if (!err)
		err = refuse(filter, SCMP_SYS(openat), EACCES);
	if (!err)
		err = refuse(filter, SCMP_SYS(prctl), EINVAL); /* names of memory areas */
	return err;
}

static int load(scmp_filter_ctx filter, enum filter_process process)
{
	const struct scmp_arg_cmp itself = SCMP_A0(SCMP_CMP_EQ, getpid(), 0);
	int err = allow(filter, common_calls, ARRAY_SIZE(common_calls));

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, itself); /* abort() */
	if (!err && process == FILTER_LENDER)
		err = allow_lender(filter);
	else if (!err)
		err = allow(filter, guard_calls, ARRAY_SIZE(guard_calls));
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* No code of others runs here, so that a slower memory would be for nothing. Not in every libseccomp. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	return err ? err : seccomp_load(filter);
}

/* A filter at no address is refused for that by kernels that know filters, and as an unknown mode by others. */
static int probe(void)
{
	if (!prctl(PR_SET_SECCOMP, 2, NULL, 0, 0))
		return -EPERM;
	if (errno == EFAULT)
		return 0;
	return errno == EINVAL ? -ENOSYS : -EPERM;
}

int filter_install(enum filter_process process)
{
	scmp_filter_ctx filter;
	int err;

	if (WITHOUT_FILTER)
		return -ENOTSUP;
	err = probe();
	if (err)
		return err;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* Without seccomp(2), which a container or an emulator may refuse, libseccomp knows only how to kill a thread. */
	if (!filter)
		return seccomp_api_get() < API_KILL_PROCESS ? -EPERM : -ENOMEM;
	err = load(filter, process);
	seccomp_release(filter);
	return err;
}
