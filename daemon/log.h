/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - one line a message on stderr, for the daemons.
 *
 * Under systemd (stderr is the journal: JOURNAL_STREAM) each line carries its syslog priority as "<4>"; elsewhere it
 * carries the program's name. A message is one write(), so that lines of several threads do not mix. Any thread may
 * call these at any time after log_open(); errno is kept. Messages name what failed, why, and what the operator can do;
 * they carry no newline at their end.
 */
#ifndef _RAMSTER_LOG_H
#define _RAMSTER_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/**
 * log_open - choose the form of the lines; call it once, before any thread is started
 * @program: name in front of each line; not copied
 */
void log_open(const char *program);

/**
 * log_set_level - drop messages less important than this
 * @priority: LOG_ERR ... LOG_DEBUG of <syslog.h>; LOG_INFO at first
 */
void log_set_level(int priority);

/* Puts a question mark in the place of every byte that is not printable ASCII: peers' texts must not forge lines. */
void log_printable(char *text);

/**
 * log_print - write one message
 * @priority: LOG_ERR ... LOG_DEBUG of <syslog.h>
 */
void log_print(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...) log_print(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

/*
 * A token bucket: up to @burst messages at once, one more each @interval_ms. Define it static, with LOG_LIMIT(). How
 * many were dropped is said with the next message that passes.
 */
struct log_limit {
	pthread_mutex_t lock; /* innermost: nothing is taken under it */
	unsigned int burst;
	unsigned int interval_ms;
	unsigned int spent;
	unsigned int dropped;
	uint64_t refilled_ms; /* CLOCK_MONOTONIC */
};

#define LOG_LIMIT(burst_, interval_ms_)                                                                                \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .burst = (burst_), .interval_ms = (interval_ms_)                    \
	}

/* Of what anybody can cause who reaches a port: six thousand lines a day at most, of each cause. */
#define LOG_LIMIT_STRANGERS LOG_LIMIT(10, 15000)

/**
 * log_limited - write one message, unless its bucket is empty
 * @limit: the bucket, shared by all messages of one cause
 * @priority: LOG_ERR ... LOG_DEBUG of <syslog.h>
 */
void log_limited(struct log_limit *limit, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
