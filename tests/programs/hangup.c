// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hangup.c - ends all TCP connections of a process, as a network that resets them does; it does not know why.
 *
 * Prints how many there were. Exit status 0, 2 for bad arguments, 3 if the process cannot be reached.
 */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether that was a connection of TCP. */
static int hang_up(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), type_len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) || type != SOCK_STREAM ||
	    getpeername(fd, (struct sockaddr *)&peer, &len) || peer.ss_family != AF_INET)
		return 0;
	return !shutdown(fd, SHUT_RDWR);
}

static int hang_up_all(DIR *fds, int process)
{
	struct dirent *entry;
	int ended = 0, fd;

	while ((entry = readdir(fds))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = syscall(SYS_pidfd_getfd, process, atoi(entry->d_name), 0);
		if (fd < 0)
			continue; /* it was closed meanwhile */
		ended += hang_up(fd);
		close(fd);
	}
	return ended;
}

int main(int argc, char **argv)
{
	int pid = argc == 2 ? atoi(argv[1]) : 0, process;
	char path[64];
	DIR *fds;

	if (pid <= 0) {
		fprintf(stderr, "usage: hangup PID\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	process = syscall(SYS_pidfd_open, pid, 0);
	fds = opendir(path);
	if (process < 0 || !fds) {
		fprintf(stderr, "hangup: %d: %s\n", pid, strerror(errno));
		return 3;
	}
	printf("%d\n", hang_up_all(fds, process));
	closedir(fds);
	return 0;
}
