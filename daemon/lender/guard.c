// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guard - see guard.h.
 *
 * The kernel counts a kill before it sends the signal, and picks another victim only when the first has ended or two
 * seconds have passed. So the counter's change wakes the guard, which then looks whether it is the lender that dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lender/guard.h"
#include "daemon/lender/oom.h"
#include "daemon/lender/sandbox.h"
#include "daemon/log.h"

#define SIGKILL_PENDING 0x100ULL /* in ShdPnd of /proc/PID/status */
#define LOOK_MS 1 /* between two looks whether a kill was counted and the signal has come */
#define LOOKS 100
#define PENDING "\nShdPnd:"

/* Its descriptors, all open before it gives up opening any. */
enum {
	LIFE, /* readable when the lender has ended */
	STATUS, /* the lender's /proc/PID/status */
	MEMORY,
	EVENTS,
	READY, /* written to, or closed, once it guards */
	GUARD_FDS,
};

struct guard {
	int fds[GUARD_FDS];
	uint64_t kills;
};

static bool is_dying(int status)
{
	char text[4096], *pending;
	ssize_t length = pread(status, text, sizeof(text) - 1, 0);

	if (length < 0)
		return errno == ESRCH;
	text[length] = '\0';
	pending = strstr(text, PENDING);
	return pending && strtoull(pending + strlen(PENDING), NULL, 16) & SIGKILL_PENDING;
}

/* Waits until the lender ends, or begins to by a kill that was counted. Returns whether one was. */
static bool wait_end(const struct guard *guard)
{
	struct pollfd fds[] = { { .fd = guard->fds[LIFE] }, { .fd = guard->fds[EVENTS], .events = POLLPRI } };
	uint64_t now;
	unsigned int looks = 0;

	for (;;) {
		poll(fds, 2, looks ? LOOK_MS : -1);
		if (!oom_kills(guard->fds[EVENTS], &now))
			now = UINT64_MAX; /* in doubt nothing is kept */
		if (fds[0].revents)
			return now != guard->kills;
		/* Other events come just before a kill, and the kernel tells of changes every 10 ms at most. */
		if (fds[1].revents)
			looks = LOOKS;
		else if (looks)
			looks--;
		if (now != guard->kills && is_dying(guard->fds[STATUS]))
			return true;
	}
}

static void run(const struct guard *guard)
{
	int memory = guard->fds[MEMORY];
	struct stat st = { 0 };

	prctl(PR_SET_NAME, "lender-guard");
	mlockall(MCL_CURRENT | MCL_ONFAULT);
	if (!sandbox_enter(FILTER_GUARD)) {
		(void)!write(guard->fds[READY], "", 1);
		return;
	}
	close(guard->fds[READY]);
	if (!wait_end(guard))
		return;
	fstat(memory, &st);
	if (ftruncate(memory, 0))
		log_err("lent memory cannot be given back: the kernel may kill others for it");
	else
		log_warn("the kernel ended the lender for want of memory: %llu MiB that were lent are given back",
			 (unsigned long long)st.st_blocks * 512 >> 20);
}

/* Of all descriptors only those that the guard needs: above all not the door's lock. */
static void close_others(const struct guard *guard)
{
	int fd, i, most = STDERR_FILENO;

	for (i = 0; i < GUARD_FDS; i++)
		if (guard->fds[i] > most)
			most = guard->fds[i];
	for (fd = STDERR_FILENO + 1; fd < most; fd++) {
		for (i = 0; i < GUARD_FDS && guard->fds[i] != fd; i++)
			;
		if (i == GUARD_FDS)
			close(fd);
	}
	close_range(most + 1, ~0U, 0);
}

/* Returns 0 or -errno. */
static int start(struct guard *guard, int ready)
{
	pid_t pid = fork();
	int err = -errno;
	ssize_t failed;
	char none;

	if (!pid) {
		close_others(guard);
		run(guard);
		_exit(EXIT_SUCCESS);
	}
	close(guard->fds[READY]);
	if (pid < 0)
		return err;
	/* The pipe ends when it holds only what it needs, so not the door's lock, and can do no more than it has to. */
	failed = read(ready, &none, 1);
	return failed ? -EPERM : 0;
}

int guard_start(int memory, int events, uint64_t kills)
{
	struct guard guard = { .fds = { [MEMORY] = memory, [EVENTS] = events }, .kills = kills };
	int life[2], ready[2], err;

	guard.fds[STATUS] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (guard.fds[STATUS] < 0)
		return -errno;
	if (pipe2(life, O_CLOEXEC)) {
		err = -errno;
		goto close_status;
	}
	if (pipe2(ready, O_CLOEXEC)) {
		err = -errno;
		goto close_life;
	}
	guard.fds[LIFE] = life[0];
	guard.fds[READY] = ready[1];
	err = start(&guard, ready[0]);
	close(ready[0]);
	close(life[0]);
	if (err)
		close(life[1]); /* else it stays open for as long as this process lives */
	goto close_status;
close_life:
	close(life[0]);
	close(life[1]);
close_status:
	close(guard.fds[STATUS]);
	return err;
}
