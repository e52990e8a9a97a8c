/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spinlocks that know their owner. */
#ifndef _SHIM_SPINLOCK_H
#define _SHIM_SPINLOCK_H

typedef struct spinlock {
	struct shim_task *owner;
} spinlock_t;

#define DEFINE_SPINLOCK(name) spinlock_t name = { NULL }

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->owner = NULL;
}

static inline void spin_lock(spinlock_t *lock)
{
	struct shim_task *nobody = NULL;

	shim_assert(READ_ONCE(lock->owner) != &shim_task);
	while (!__atomic_compare_exchange_n(&lock->owner, &nobody, &shim_task, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		nobody = NULL;
		sched_yield();
	}
	shim_task.locks++;
}

static inline void spin_unlock(spinlock_t *lock)
{
	shim_assert(READ_ONCE(lock->owner) == &shim_task);
	shim_task.locks--;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELEASE);
}

/* Of spinlocks and mutexes alike. */
#define lockdep_assert_held(lock) shim_assert(READ_ONCE((lock)->owner) == &shim_task)

#endif
