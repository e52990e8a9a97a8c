/* SPDX-License-Identifier: GPL-2.0-or-later */
/* door - ramsterd's side door: commands of proto/lender.h on a unix socket. */
#ifndef _RAMSTER_LENDER_DOOR_H
#define _RAMSTER_LENDER_DOOR_H

/**
 * door_open - listen at a path
 * @path: replaced if a lender that is gone left its socket there
 *
 * Holds a lock on "<path>.lock" for as long as the process lives, so that two lenders cannot share a path. Returns the
 * listening socket or -1, reported.
 */
int door_open(const char *path);

/**
 * door_start - serve a client in a thread of its own
 * @fd: accepted from the listening socket; owned by the thread from here on
 *
 * Closes it if it is not of our user or root, or there are too many.
 */
void door_start(int fd);

#endif
