/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A debugfs in which nothing appears. */
#ifndef _SHIM_DEBUGFS_H
#define _SHIM_DEBUGFS_H

struct dentry;
struct file_operations;

static inline struct dentry *debugfs_create_dir(const char *name, struct dentry *parent)
{
	return NULL;
}

static inline void debugfs_create_file(const char *name, unsigned int mode, struct dentry *parent, void *data,
				       const struct file_operations *fops)
{
}

static inline void debugfs_remove_recursive(struct dentry *dentry)
{
}

#endif
