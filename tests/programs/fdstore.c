// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fdstore - a service manager for one service, whose descriptors it keeps: as systemd with Restart=always and
 * FileDescriptorStoreMax, on nodes that have none.
 *
 *   fdstore COMMAND...
 *
 * The command is started again whenever it ends. SIGHUP restarts it (SIGTERM), SIGUSR1 kills it (SIGKILL); SIGUSR2 is a
 * restart that only happens with SIGCONT. SIGTERM and SIGINT stop it, and then fdstore ends with its exit status.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/fds.h"

struct manager {
	struct fds fds;
	sigset_t signals;
	char **command;
	pid_t pid; /* 0: it does not run */
	bool stopping, waiting; /* waiting: not started before SIGCONT */
	int status; /* of the command's end */
};

static void start(struct manager *m)
{
	m->pid = fork();
	if (!m->pid) {
		sigprocmask(SIG_UNBLOCK, &m->signals, NULL);
		setpgid(0, 0); /* signals to fdstore's group are for fdstore */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fds_give(&m->fds))
			execvp(m->command[0], m->command);
		perror(m->command[0]);
		_exit(127);
	}
	fprintf(stderr, "fdstore: started %d with %u descriptors\n", m->pid, m->fds.count);
}

static void on_child(struct manager *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != m->pid)
			continue;
		fds_receive(&m->fds);
		fprintf(stderr, "fdstore: %d ended with %u descriptors kept\n", pid, m->fds.count);
		m->pid = 0;
		m->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (!m->stopping && !m->waiting)
			start(m);
	}
}

static void on_signal(struct manager *m, int number)
{
	switch (number) {
	case SIGCHLD:
		on_child(m);
		break;
	case SIGCONT:
		m->waiting = false;
		if (!m->pid)
			start(m);
		break;
	case SIGUSR1:
		if (m->pid)
			kill(m->pid, SIGKILL);
		break;
	default:
		m->stopping = number == SIGTERM || number == SIGINT;
		m->waiting = number == SIGUSR2;
		if (m->pid)
			kill(m->pid, SIGTERM);
	}
}

int main(int argc, char **argv)
{
	static const int numbers[] = { SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };
	struct manager m = { .command = argv + 1 };
	struct signalfd_siginfo info;
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	unsigned int i;

	if (argc < 2) {
		fputs("Usage: fdstore COMMAND...\n", stderr);
		return 2;
	}
	sigemptyset(&m.signals);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&m.signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &m.signals, NULL);
	fds[0].fd = signalfd(-1, &m.signals, SFD_CLOEXEC);
	if (fds[0].fd < 0 || !fds_open(&m.fds)) {
		perror("fdstore");
		return 1;
	}
	fds[1].fd = m.fds.socket;
	start(&m);
	while (!m.stopping || m.pid) {
		poll(fds, 2, -1);
		if (fds[1].revents)
			fds_receive(&m.fds);
		if (fds[0].revents && read(fds[0].fd, &info, sizeof(info)) == sizeof(info))
			on_signal(&m, info.ssi_signo);
	}
	return m.status;
}
