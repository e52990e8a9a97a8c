// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attribute - the one-value files of configfs, sysfs and procfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attribute.h"

int attribute_read(const char *path, char *value, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, value, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	value[n] = 0;
	value[strcspn(value, "\n")] = 0;
	return 0;
}

int attribute_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int attribute_set(const char *path, const char *value)
{
	char now[64];

	if (!attribute_read(path, now, sizeof(now)) && !strcmp(now, value))
		return 0;
	return attribute_write(path, value);
}
