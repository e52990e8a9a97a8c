/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mutexes: spinlocks under which one may sleep. */
#ifndef _SHIM_MUTEX_H
#define _SHIM_MUTEX_H

#include <linux/spinlock.h>

struct mutex {
	struct shim_task *owner;
};

#define DEFINE_MUTEX(name) struct mutex name = { NULL }
#define mutex_init(mutex) ((void)((mutex)->owner = NULL))

static inline void mutex_lock(struct mutex *mutex)
{
	struct shim_task *nobody = NULL;

	might_sleep();
	shim_assert(READ_ONCE(mutex->owner) != &shim_task);
	while (!__atomic_compare_exchange_n(&mutex->owner, &nobody, &shim_task, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		nobody = NULL;
		sched_yield();
	}
}

static inline void mutex_unlock(struct mutex *mutex)
{
	shim_assert(READ_ONCE(mutex->owner) == &shim_task);
	__atomic_store_n(&mutex->owner, NULL, __ATOMIC_RELEASE);
}

#endif
