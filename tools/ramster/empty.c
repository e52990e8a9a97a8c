// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * empty - `ramster drain` and `ramster evict`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/ramster/client.h"
#include "tools/ramster/empty.h"
#include "tools/ramster/print.h"
#include "tools/ramster/ramster.h"

#define LOOK_MS 500
#define STALLED_LOOKS 20 /* without progress, after which it is said why */
#define DONE_LOOKS 2 /* in a row that see nothing left */
#define UNKNOWN UINT64_MAX

/* Asks once. NULL, reported and with the exit status in *@status, if that fails. */
static Ramster__Message *ask(int fd, const struct empty_options *o, Ramster__EmptyRequest__Action action, int *status)
{
	Ramster__EmptyRequest request = RAMSTER__EMPTY_REQUEST__INIT;
	struct client_error error;
	Ramster__Message *message;

	request.evict = o->evict;
	request.node = (char *)(o->node ? o->node : "");
	request.action = action;
	request.force = o->force;
	message = client_empty(fd, &request, &error);
	if (!message) {
		*status = error.status;
		fprintf(stderr, "ramster: %s\n", error.text);
		return NULL;
	}
	if (!*message->empty_reply->error)
		return message;
	fprintf(stderr, "ramster: %s\n", message->empty_reply->error);
	*status = EXIT_USAGE;
	client_free(message);
	return NULL;
}

static uint64_t left(const struct empty_options *o, const Ramster__EmptyReply *reply)
{
	if (!reply->known)
		return UNKNOWN;
	return o->evict ? reply->pages * PRINT_PAGE : reply->lent;
}

static const char *reason(const struct empty_options *o, const Ramster__EmptyReply *reply)
{
	if (o->evict && !reply->room)
		return " (local RAM is full: add a backing device, or end programs)";
	return " (no progress: see `ramster nodes` and the owners' logs)";
}

static void show(const struct empty_options *o, const Ramster__EmptyReply *reply, bool stalled)
{
	char amount[PRINT_AMOUNT_LEN];
	bool terminal = isatty(STDOUT_FILENO);

	if (o->json) {
		printf("{\"active\": %s, \"known\": %s, \"lent\": %" PRIu64 ", \"pages\": %" PRIu64 "}\n",
		       reply->active ? "true" : "false", reply->known ? "true" : "false", reply->lent, reply->pages);
		fflush(stdout);
		return;
	}
	printf("%s%s: ", terminal ? "\r\033[K" : "", o->evict ? "evict" : o->node);
	if (reply->known)
		printf("%s left%s", print_bytes(amount, left(o, reply)), stalled ? reason(o, reply) : "");
	else
		printf("not known what is left: its ramsterd or its ramster-lender does not answer");
	fputs(terminal ? "" : "\n", stdout);
	fflush(stdout);
}

/* Shows progress until nothing is left, for certain, and nothing more can come. */
static int watch(int fd, const struct empty_options *o)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	uint64_t before = UNKNOWN, now;
	unsigned int looks = 0, done = 0;
	bool active, began = false, cancelled;
	Ramster__Message *message;
	int status;

	for (;;) {
		message = ask(fd, o, RAMSTER__EMPTY_REQUEST__ACTION__LOOK, &status);
		if (!message)
			return status;
		now = left(o, message->empty_reply);
		active = message->empty_reply->active;
		looks = now < before ? 0 : looks + 1;
		if (now != before || looks % STALLED_LOOKS == 0)
			show(o, message->empty_reply, looks >= STALLED_LOOKS);
		before = now;
		client_free(message);
		began |= now != UNKNOWN && active;
		done = !now && active ? done + 1 : 0;
		cancelled = now != UNKNOWN && !active && (began || looks > STALLED_LOOKS);
		if (done == DONE_LOOKS || cancelled)
			break;
		nanosleep(&pause, NULL);
	}
	if (!o->json && isatty(STDOUT_FILENO))
		putchar('\n');
	if (cancelled) {
		fprintf(stderr, "ramster: it was cancelled\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int empty_run(const char *socket, const struct empty_options *o)
{
	Ramster__EmptyRequest__Action action =
		o->cancel ? RAMSTER__EMPTY_REQUEST__ACTION__CANCEL : RAMSTER__EMPTY_REQUEST__ACTION__START;
	struct client_error error;
	int fd = client_connect(socket, &error), status;
	Ramster__Message *message;

	if (fd < 0) {
		fprintf(stderr, "ramster: %s\n", error.text);
		return error.status;
	}
	message = ask(fd, o, action, &status);
	if (message) {
		client_free(message);
		status = o->cancel || o->no_wait ? EXIT_SUCCESS : watch(fd, o);
	}
	close(fd);
	return status;
}
