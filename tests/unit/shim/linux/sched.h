/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_SCHED_H
#define _SHIM_SCHED_H

#define cond_resched() might_sleep()
#define need_resched() false
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)

#endif
