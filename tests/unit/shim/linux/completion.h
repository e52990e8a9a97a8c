/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_COMPLETION_H
#define _SHIM_COMPLETION_H

#include <linux/spinlock.h>

struct completion {
	spinlock_t lock;
	unsigned int done;
};

#define COMPLETION_INITIALIZER_ONSTACK(name)                                                                           \
	{                                                                                                              \
		.done = 0                                                                                              \
	}

static inline void complete(struct completion *completion)
{
	spin_lock(&completion->lock);
	completion->done++;
	spin_unlock(&completion->lock);
}

static inline bool try_wait_for_completion(struct completion *completion)
{
	bool done;

	spin_lock(&completion->lock);
	done = completion->done;
	completion->done -= done;
	spin_unlock(&completion->lock);
	return done;
}

static inline void wait_for_completion(struct completion *completion)
{
	might_sleep();
	while (!try_wait_for_completion(completion))
		shim_wait();
}

#endif
