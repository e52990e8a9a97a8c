/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attribute - the one-value files of configfs, sysfs and procfs.
 */
#ifndef _RAMSTER_ATTRIBUTE_H
#define _RAMSTER_ATTRIBUTE_H

#include <stddef.h>

/**
 * attribute_read - read a file, without the newline at its end
 * @value: @len bytes, cut there
 *
 * Returns 0, or -errno.
 */
int attribute_read(const char *path, char *value, size_t len);

/* Writes @value to a file that exists. Returns 0, or -errno as the file's owner refused it. */
int attribute_write(const char *path, const char *value);

/* As attribute_write(), but writes nothing if the file already reads @value. */
int attribute_set(const char *path, const char *value);

#endif
