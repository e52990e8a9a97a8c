// SPDX-License-Identifier: GPL-2.0-or-later
/* log - see log.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"

#define LOG_LINE_MAX 1024

static const char *log_program = "ramster";
static bool log_to_journal;
static int log_level = LOG_INFO;

/* JOURNAL_STREAM is "device:inode" of the journal's socket; it is inherited, so compare it with our own stderr. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_open(const char *program)
{
	log_program = program;
	log_to_journal = stderr_is_journal();
}

void log_set_level(int priority)
{
	log_level = priority;
}

void log_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

__attribute__((format(printf, 3, 0))) static void log_vprint(int priority, unsigned int dropped, const char *format,
							     va_list args)
{
	char line[LOG_LINE_MAX];
	int saved = errno, used, more;
	size_t room;
	ssize_t written;

	if (log_to_journal)
		used = snprintf(line, sizeof(line), "<%d>", priority);
	else
		used = snprintf(line, sizeof(line), "%s: ", log_program);
	room = sizeof(line) - 1 - used;
	more = vsnprintf(line + used, room, format, args);
	log_printable(line + used);
	if (more > 0)
		used += (size_t)more < room ? more : (int)room - 1;
	if (dropped) {
		room = sizeof(line) - 1 - used;
		more = snprintf(line + used, room, " (%u similar messages not shown)", dropped);
		used += (size_t)more < room ? more : (int)room - 1;
	}
	line[used++] = '\n';
	written = write(STDERR_FILENO, line, used);
	(void)written; /* there is nobody left to tell */
	errno = saved;
}

void log_print(int priority, const char *format, ...)
{
	va_list args;

	if (priority > log_level)
		return;
	va_start(args, format);
	log_vprint(priority, 0, format, args);
	va_end(args);
}

/* Takes one message from the bucket. Returns false if it is empty; else how many were dropped before, in @dropped. */
static bool limit_take(struct log_limit *limit, unsigned int *dropped)
{
	uint64_t now, earned;
	struct timespec ts;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

	pthread_mutex_lock(&limit->lock);
	earned = (now - limit->refilled_ms) / limit->interval_ms;
	if (earned >= limit->spent) {
		limit->spent = 0;
		limit->refilled_ms = now;
	} else {
		limit->spent -= earned;
		limit->refilled_ms += earned * limit->interval_ms;
	}
	ok = limit->spent < limit->burst;
	if (ok) {
		limit->spent++;
		*dropped = limit->dropped;
		limit->dropped = 0;
	} else {
		limit->dropped++;
	}
	pthread_mutex_unlock(&limit->lock);
	return ok;
}

void log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
	unsigned int dropped;
	va_list args;

	if (priority > log_level || !limit_take(limit, &dropped))
		return;
	va_start(args, format);
	log_vprint(priority, dropped, format, args);
	va_end(args);
}
