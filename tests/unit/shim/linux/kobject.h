/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sysfs in which nothing appears. */
#ifndef _SHIM_KOBJECT_H
#define _SHIM_KOBJECT_H

struct kobject {
	int unused;
};

struct attribute {
	const char *name;
};

struct kobj_attribute {
	struct attribute attr;
	ssize_t (*show)(struct kobject *kobj, struct kobj_attribute *attr, char *buf);
};

#define __ATTR(_name, _mode, _show, _store)                                                                            \
	{                                                                                                              \
		.attr = { .name = #_name }, .show = (_show)                                                            \
	}
#define kernel_kobj NULL

static inline struct kobject *kobject_create_and_add(const char *name, struct kobject *parent)
{
	static struct kobject kobject;

	return &kobject;
}

static inline void kobject_put(struct kobject *kobject)
{
}

#endif
