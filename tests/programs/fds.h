/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fds - the descriptors that a service manager keeps for its service: systemd's protocol (sd_notify(3), sd_listen_fds(3)),
 * as much of it as the lender uses.
 */
#ifndef _RAMSTER_TESTS_FDS_H
#define _RAMSTER_TESTS_FDS_H

#include <stdbool.h>

#define FDS_MAX 16
#define FDS_NAME_LEN 64

struct fds {
	int socket; /* what the service sends comes here */
	unsigned int count;
	struct {
		int fd;
		char name[FDS_NAME_LEN];
	} kept[FDS_MAX];
};

/* Begins with none, and puts NOTIFY_SOCKET into the environment. Returns whether it could. */
bool fds_open(struct fds *fds);

/* Does what the messages say that have come. */
void fds_receive(struct fds *fds);

/* In the child that is about to become the service: gives it the descriptors. Returns whether it could. */
bool fds_give(const struct fds *fds);

/* Keeps one more, as if the service had sent it. @fd: owned from here on */
void fds_add(struct fds *fds, const char *name, int fd);

/* The one of that name kept first, or -1; it stays kept. */
int fds_find(const struct fds *fds, const char *name);

/* Closes those of that name; NULL: all. */
void fds_remove(struct fds *fds, const char *name);

#endif
