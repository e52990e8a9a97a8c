/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - asks ramsterd over its unix socket.
 */
#ifndef _RAMSTER_CLIENT_H
#define _RAMSTER_CLIENT_H

#include "proto/ramster.pb-c.h"

#define CLIENT_ERROR_LEN 256
#define CLIENT_TIMEOUT_S 10

/**
 * client_connect - connect to ramsterd
 * @path: of its socket
 * @error: on failure, what failed and what to do
 *
 * Returns a descriptor, or -1.
 */
int client_connect(const char *path, char error[CLIENT_ERROR_LEN]);

/**
 * client_status - ask for the status and wait for it
 *
 * Returns the message, for client_free(), or NULL with @error set; the connection is of no more use then.
 */
Ramster__Message *client_status(int fd, char error[CLIENT_ERROR_LEN]);

/**
 * client_set - change settings, all or none, and wait for the answer
 * @assignments: @count texts "KEY=VALUE"; none only asks for the settings in force
 *
 * Returns the message, for client_free(), or NULL with @error set; what was asked may be done then.
 */
Ramster__Message *client_set(int fd, char **assignments, size_t count, char error[CLIENT_ERROR_LEN]);

/* Begins, cancels or looks at a drain or an evict. Returns as client_set(). */
Ramster__Message *client_empty(int fd, Ramster__EmptyRequest *request, char error[CLIENT_ERROR_LEN]);

void client_free(Ramster__Message *message);

/* The value of a counter of the module, or 0. */
uint64_t client_counter(const Ramster__Status *status, const char *name);

#endif
