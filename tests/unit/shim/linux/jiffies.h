/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_JIFFIES_H
#define _SHIM_JIFFIES_H

#include <linux/ktime.h>

#define HZ 1000
#define jiffies ((unsigned long)(ktime_get() / (1000000000 / HZ)))
#define time_before(a, b) ((long)((a) - (b)) < 0)
#define time_after(a, b) time_before(b, a)
#define time_after_eq(a, b) (!time_before(a, b))
#define msecs_to_jiffies(ms) ((unsigned long)(ms))
#define jiffies_to_msecs(j) ((unsigned int)(j))
#define jiffies_to_usecs(j) ((unsigned int)(j)*1000)
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

#endif
