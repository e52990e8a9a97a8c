// SPDX-License-Identifier: GPL-2.0-or-later
/* memory - see memory.h. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "daemon/lender/memory.h"
#include "daemon/log.h"

void memory_lock_process(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* For the threads, too, which are not root any more where we are still. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	/* The extent table is large and mostly unused: ONFAULT locks the part that is used. */
	if (mlockall(MCL_CURRENT | MCL_ONFAULT))
		log_warn(
			"cannot lock memory: %s; peers may have to wait for this node's swap (LimitMEMLOCK=infinity in "
			"the unit allows it)",
			strerror(errno));
}

void memory_lock_thread(void)
{
	pthread_attr_t attr;
	size_t size;
	void *stack;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		/* If this is refused then so was memory_lock_process(), which has said so. */
		if (!pthread_attr_getstack(&attr, &stack, &size))
			mlock2(stack, size, MLOCK_ONFAULT);
		pthread_attr_destroy(&attr);
	}
}
