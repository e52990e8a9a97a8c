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
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lender/guard.h"
#include "daemon/lender/oom.h"
#include "daemon/log.h"

#define SIGKILL_PENDING 0x100ULL /* in ShdPnd of /proc/PID/status */
#define LOOK_MS 1 /* between two looks whether a kill was counted and the signal has come */
#define LOOKS 100

struct guard {
	int life; /* readable when the lender has ended */
	int memory, events;
	uint64_t kills;
	pid_t lender;
};

static bool is_dying(pid_t pid)
{
	unsigned long long pending = 0;
	char path[64], line[256];
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return errno == ENOENT || errno == ESRCH;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "ShdPnd: %llx", &pending) == 1)
			break;
	fclose(status);
	return pending & SIGKILL_PENDING;
}

/* Waits until the lender ends, or begins to by a kill that was counted. Returns whether one was. */
static bool wait_end(const struct guard *guard)
{
	struct pollfd fds[] = { { .fd = guard->life }, { .fd = guard->events, .events = POLLPRI } };
	uint64_t now;
	unsigned int looks = 0;

	for (;;) {
		poll(fds, 2, looks ? LOOK_MS : -1);
		if (!oom_kills(guard->events, &now))
			now = UINT64_MAX; /* in doubt nothing is kept */
		if (fds[0].revents)
			return now != guard->kills;
		/* Other events come just before a kill, and the kernel tells of changes every 10 ms at most. */
		if (fds[1].revents)
			looks = LOOKS;
		else if (looks)
			looks--;
		if (now != guard->kills && is_dying(guard->lender))
			return true;
	}
}

static void run(const struct guard *guard)
{
	struct stat st = { 0 };

	prctl(PR_SET_NAME, "lender-guard");
	mlockall(MCL_CURRENT | MCL_ONFAULT);
	if (!wait_end(guard))
		return;
	fstat(guard->memory, &st);
	if (ftruncate(guard->memory, 0))
		log_err("lent memory cannot be given back: the kernel may kill others for it");
	else
		log_warn("the kernel ended the lender for want of memory: %llu MiB that were lent are given back",
			 (unsigned long long)st.st_blocks * 512 >> 20);
}

/* Of all descriptors only those that the guard needs: above all not the door's lock. */
static void close_others(const struct guard *guard)
{
	int fd, most = guard->life > guard->memory ? guard->life : guard->memory;

	if (guard->events > most)
		most = guard->events;
	for (fd = STDERR_FILENO + 1; fd < most; fd++)
		if (fd != guard->life && fd != guard->memory && fd != guard->events)
			close(fd);
	close_range(most + 1, ~0U, 0);
}

int guard_start(int memory, int events, uint64_t kills)
{
	struct guard guard = { .memory = memory, .events = events, .kills = kills, .lender = getpid() };
	int life[2], ready[2], err;
	pid_t pid;
	char none;

	if (pipe2(life, O_CLOEXEC))
		return -errno;
	if (pipe2(ready, O_CLOEXEC)) {
		err = -errno;
		close(life[0]);
		close(life[1]);
		return err;
	}
	guard.life = life[0];
	pid = fork();
	err = -errno;
	if (!pid) {
		close_others(&guard);
		run(&guard);
		_exit(EXIT_SUCCESS);
	}
	close(ready[1]);
	/* The guard writes nothing: the pipe ends when it has closed what it does not need, and does not hold the door's lock. */
	if (pid > 0)
		err = read(ready[0], &none, 1) ? -errno : 0;
	close(ready[0]);
	if (!err) {
		close(life[0]);
		return 0; /* the other end stays open for as long as this process lives */
	}
	close(life[1]);
	close(life[0]);
	return err;
}
