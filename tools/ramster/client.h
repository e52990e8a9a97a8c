/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - asks ramsterd over its unix socket.
 */
#ifndef _RAMSTER_CLIENT_H
#define _RAMSTER_CLIENT_H

#include "proto/ramster.pb-c.h"

#define CLIENT_TIMEOUT_S 10

struct client_error {
	int status; /* for exit() */
	char text[256]; /* what failed and what to do */
};

/**
 * client_connect - connect to ramsterd
 * @path: of its socket
 * @error: set on failure
 *
 * Returns a descriptor, or -1.
 */
int client_connect(const char *path, struct client_error *error);

/**
 * client_status - ask for the status and wait for it
 *
 * Returns the message, for client_free(), or NULL with *@error set; the connection is of no more use then.
 */
Ramster__Message *client_status(int fd, struct client_error *error);

/**
 * client_set - change settings, all or none, and wait for the answer
 * @assignments: @count texts "KEY=VALUE"; none only asks for the settings in force
 *
 * Returns the message, for client_free(), or NULL with *@error set; what was asked may be done then.
 */
Ramster__Message *client_set(int fd, char **assignments, size_t count, struct client_error *error);

/* Begins, cancels or looks at a drain or an evict. Returns as client_set(). */
Ramster__Message *client_empty(int fd, Ramster__EmptyRequest *request, struct client_error *error);

void client_free(Ramster__Message *message);

/* The value of a counter of the module, or 0. */
uint64_t client_counter(const Ramster__Status *status, const char *name);

#endif
