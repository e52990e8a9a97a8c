/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whoever waits looks again and again. */
#ifndef _SHIM_WAIT_H
#define _SHIM_WAIT_H

#include <linux/jiffies.h>

typedef struct {
	int unused;
} wait_queue_head_t;

#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name
#define init_waitqueue_head(queue) ((void)(queue))
#define wake_up(queue) ((void)(queue))
#define wake_up_all(queue) ((void)(queue))
#define wq_has_sleeper(queue) ((void)(queue), true)

static inline void shim_poll(void)
{
	might_sleep();
	shim_sleep();
}

#define wait_event wait_event_idle
#define wait_event_idle(queue, condition)                                                                              \
	do {                                                                                                           \
		while (!(condition))                                                                                   \
			shim_poll();                                                                                   \
	} while (0)

/* The jiffies that are left, at least 1 if the condition holds, else 0. */
#define wait_event_idle_timeout(queue, condition, timeout)                                                             \
	({                                                                                                             \
		unsigned long end_ = jiffies + (timeout);                                                              \
		bool true_;                                                                                            \
		while (!(true_ = (condition)) && time_before(jiffies, end_))                                           \
			shim_poll();                                                                                   \
		true_ ? (time_before(jiffies, end_) ? (long)(end_ - jiffies) : 1L) : 0L;                               \
	})

#endif
