// SPDX-License-Identifier: GPL-2.0-or-later
/* fds - see fds.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/programs/fds.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */
#define FAR 100 /* above all that the service is given */

bool fds_open(struct fds *fds)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address);
	char name[sizeof(address.sun_path) + 1];

	fds->count = 0;
	fds->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* With the family alone it gets an abstract name. */
	if (fds->socket < 0 || bind(fds->socket, (struct sockaddr *)&address, sizeof(sa_family_t)) ||
	    getsockname(fds->socket, (struct sockaddr *)&address, &length))
		return false;
	snprintf(name, sizeof(name), "@%.*s", (int)(length - sizeof(sa_family_t) - 1), address.sun_path + 1);
	return !setenv("NOTIFY_SOCKET", name, 1);
}

void fds_add(struct fds *fds, const char *name, int fd)
{
	if (fds->count == FDS_MAX) {
		close(fd);
		return;
	}
	fds->kept[fds->count].fd = fd;
	snprintf(fds->kept[fds->count++].name, FDS_NAME_LEN, "%s", name);
}

int fds_find(const struct fds *fds, const char *name)
{
	unsigned int i;

	for (i = 0; i < fds->count; i++)
		if (!strcmp(fds->kept[i].name, name))
			return fds->kept[i].fd;
	return -1;
}

void fds_remove(struct fds *fds, const char *name)
{
	unsigned int i = 0;

	while (i < fds->count) {
		if (name && strcmp(fds->kept[i].name, name)) {
			i++;
			continue;
		}
		close(fds->kept[i].fd);
		fds->kept[i] = fds->kept[--fds->count];
	}
}

/* The value of "KEY=" at the beginning of a line, or "". @key: with its "=" */
static void value_of(const char *message, const char *key, char value[FDS_NAME_LEN])
{
	const char *line = message;

	value[0] = '\0';
	while (strncmp(line, key, strlen(key))) {
		line = strchr(line, '\n');
		if (!line)
			return;
		line++;
	}
	line += strlen(key);
	snprintf(value, FDS_NAME_LEN, "%.*s", (int)strcspn(line, "\n"), line);
}

static void act(struct fds *fds, const char *message, const int *got, unsigned int count)
{
	char store[FDS_NAME_LEN], drop[FDS_NAME_LEN], name[FDS_NAME_LEN];
	unsigned int i;

	value_of(message, "FDSTORE=", store);
	value_of(message, "FDSTOREREMOVE=", drop);
	value_of(message, "FDNAME=", name);
	if (!strcmp(drop, "1"))
		fds_remove(fds, name);
	for (i = 0; i < count; i++) {
		if (!strcmp(store, "1"))
			fds_add(fds, name[0] ? name : "stored", got[i]);
		else
			close(got[i]);
	}
}

void fds_receive(struct fds *fds)
{
	char text[1024], control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	int got[FDS_MAX];

	for (;;) {
		struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
		};
		ssize_t length = recvmsg(fds->socket, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *cmsg;
		unsigned int count = 0;

		if (length < 0)
			return;
		text[length] = '\0';
		for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
			if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
				continue;
			count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(got, CMSG_DATA(cmsg), count * sizeof(int));
		}
		act(fds, text, got, count);
	}
}

bool fds_give(const struct fds *fds)
{
	char number[16], names[FDS_MAX * FDS_NAME_LEN] = "";
	int far[FDS_MAX];
	unsigned int i;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < fds->count; i++) {
		far[i] = fcntl(fds->kept[i].fd, F_DUPFD_CLOEXEC, FAR);
		if (far[i] < 0)
			return false;
		strcat(names, i ? ":" : "");
		strcat(names, fds->kept[i].name);
	}
	for (i = 0; i < fds->count; i++)
		if (dup2(far[i], FIRST + i) < 0)
			return false;
	if (!fds->count)
		return true;
	snprintf(number, sizeof(number), "%u", fds->count);
	if (setenv("LISTEN_FDS", number, 1) || setenv("LISTEN_FDNAMES", names, 1))
		return false;
	snprintf(number, sizeof(number), "%d", getpid());
	return !setenv("LISTEN_PID", number, 1);
}
