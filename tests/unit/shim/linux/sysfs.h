/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_SYSFS_H
#define _SHIM_SYSFS_H

#include <linux/kobject.h>

static inline int sysfs_create_file(struct kobject *kobject, const struct attribute *attr)
{
	return 0;
}

static inline void sysfs_remove_file(struct kobject *kobject, const struct attribute *attr)
{
}

/* What does not fit into a page is cut off. */
static inline int sysfs_emit_at(char *buf, int at, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(buf + at, PAGE_SIZE - at, format, args);
	va_end(args);
	return min(len, (int)PAGE_SIZE - at - 1);
}

#endif
