// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * badmember.c - a process in RAMster's group of corosync that is no ramsterd.
 *
 * `badmember GROUP COUNT`: joins the group, says "joined", multicasts so many messages of random bytes as fast as corosync
 * takes them, says "sent", and stays in the group until its input ends. Exit status: 0, or 1 if corosync refuses anything.
 */
#include <corosync/cpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 20000

static cpg_handle_t handle;

static void check(const char *what, cs_error_t error)
{
	if (error == CS_OK)
		return;
	fprintf(stderr, "badmember: %s: %s\n", what, cs_strerror(error));
	exit(1);
}

static void deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t node, uint32_t pid, void *bytes, size_t len)
{
}

/* Takes in what the group says, so that corosync goes on; and waits where it cannot take any more. */
static void yield(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	check("dispatch", cpg_dispatch(handle, CS_DISPATCH_ALL));
	nanosleep(&pause, NULL);
}

static void join(const char *name)
{
	struct cpg_name group;
	cs_error_t error;

	group.length = snprintf(group.value, sizeof(group.value), "%s", name);
	while ((error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		yield();
	check("join", error);
	puts("joined");
	fflush(stdout);
}

static void send_one(void)
{
	static unsigned char bytes[LONGEST];
	struct iovec iov = { .iov_base = bytes, .iov_len = rand() % 8 ? rand() % 200 : rand() % LONGEST };
	cs_error_t error;

	for (size_t i = 0; i < iov.iov_len; i++)
		bytes[i] = rand();
	while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1)) == CS_ERR_TRY_AGAIN)
		yield();
	check("multicast", error);
}

int main(int argc, char **argv)
{
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = deliver };
	char byte;

	if (argc != 3) {
		fprintf(stderr, "usage: badmember GROUP COUNT\n");
		return 2;
	}
	check("connect", cpg_initialize(&handle, &callbacks));
	join(argv[1]);
	for (long i = 0; i < atol(argv[2]); i++)
		send_one();
	puts("sent");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
