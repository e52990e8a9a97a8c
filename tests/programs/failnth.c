// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * failnth.c - runs a command again and again, with the first allocation that its process makes in the kernel failing, then
 * with the second, and so on until there are no more.
 *
 * `failnth [--undo SHELL] [--from N] COMMAND [ARGUMENT]...`: SHELL, with no allocation failing, takes back what a run that
 * went well has done. The kernel must have fault injection, set up so that it fails any allocation that it is told to
 * (tests/multinode/test_inject.py). Prints "points=N failed=N": allocations, and runs that ended otherwise than with 0.
 * Exit status: 0; 1 if the last run, in which nothing failed, did not go well; 2 for bad arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINTS_MAX 20000 /* a command that needs more does not end */

static void run_failing(char **command, unsigned int nth)
{
	char text[16];
	int fd = open("/proc/self/fail-nth", O_WRONLY), null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (fd < 0 || write(fd, text, snprintf(text, sizeof(text), "%u", nth)) < 0)
		_exit(EXIT_FAILURE);
	execvp(command[0], command);
	_exit(EXIT_FAILURE);
}

/* How many allocations were still to come until one would have failed. */
static unsigned int left(pid_t pid)
{
	char path[48];
	unsigned int left = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", (int)pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%u", &left) != 1) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	return left;
}

/* Runs it with the @nth allocation failing; *@untouched: there were not that many. Returns whether it went well. */
static int attempt(char **command, unsigned int nth, int *untouched)
{
	siginfo_t end;
	pid_t pid = fork();

	if (!pid)
		run_failing(command, nth);
	if (pid < 0 || waitid(P_PID, pid, &end, WEXITED | WNOWAIT)) {
		perror("failnth");
		exit(EXIT_FAILURE);
	}
	*untouched = left(pid) > 0;
	waitpid(pid, NULL, 0);
	return end.si_code == CLD_EXITED && !end.si_status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "undo", required_argument, NULL, 'u' },
						 { "from", required_argument, NULL, 'f' },
						 { NULL, 0, NULL, 0 } };
	const char *undo = NULL;
	unsigned int nth = 1, failed = 0;
	int option, untouched, well;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'u')
			undo = optarg;
		else if (option == 'f')
			nth = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind == argc || !nth) {
		fprintf(stderr, "usage: failnth [--undo SHELL] [--from N] COMMAND [ARGUMENT]...\n");
		return 2;
	}
	for (;; nth++) {
		well = attempt(argv + optind, nth, &untouched);
		if (well && undo && system(undo)) {
			fprintf(stderr, "failnth: with allocation %u failing: cannot be taken back\n", nth);
			return 1;
		}
		if (untouched || nth == POINTS_MAX)
			break;
		failed += !well;
	}
	printf("points=%u failed=%u\n", nth - 1, failed);
	return untouched && well ? 0 : 1;
}
