// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sidedoor - ramsterd's end of the lender's side door.
 *
 * One request is at the lender at a time and the others wait here, so that a send never blocks. Owners take turns: each
 * has one request in a round, however many it causes. The first request on each connection is STATUS; only its answer
 * makes the lender known.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/sidedoor.h"

#define RETRY_MS 1000
#define ANSWER_TICKS 5 /* of RETRY_MS, without an answer: the lender hangs */
#define WORK_TICKS 60 /* the same for a call that has much to do */

struct call {
	struct call *next;
	uint64_t round; /* never less than that of the one before */
	struct lender_request request;
	sidedoor_reply_fn reply;
	void *ctx;
};

struct sidedoor {
	uv_loop_t *loop;
	const char *path;
	uint32_t node;
	const struct sidedoor_events *events;
	void *ctx;
	uv_timer_t retry;
	uv_poll_t *poll; /* NULL while not connected */
	int fd;
	bool known; /* it answered STATUS */
	bool complained; /* of the failure that lasts */
	struct call *first; /* calls without an answer; the first is at the lender */
	uint64_t round; /* of the call that came to the lender last */
	uint64_t rounds[R2NET_MAX_NODES]; /* of each owner's last call; at @node, of what no owner causes */
	unsigned int waited; /* for its answer: ticks, so that a standstill of our own does not count */
	struct lender_status status;
};

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Takes the first call from the queue; NULL if there is none. */
static struct call *take_first(struct sidedoor *door)
{
	struct call *call = door->first;

	if (!call)
		return NULL;
	door->first = call->next;
	return call;
}

/* A token may be in it. */
static void free_call(struct call *call)
{
	explicit_bzero(&call->request, sizeof(call->request));
	free(call);
}

/* Why the lender cannot be used, said once until it can. */
static void complain(struct sidedoor *door, const char *why)
{
	if (!door->complained)
		log_info("no lender at %s: %s (this node lends nothing until ramster-lender runs)", door->path, why);
	door->complained = true;
}

static void hang_up(struct sidedoor *door)
{
	bool known = door->known;
	struct call *call;

	uv_poll_stop(door->poll);
	uv_close((uv_handle_t *)door->poll, on_poll_closed);
	close(door->fd);
	door->poll = NULL;
	door->known = false;
	while ((call = take_first(door))) {
		if (call->reply)
			call->reply(call->ctx, -ENOTCONN, NULL);
		free_call(call);
	}
	if (known)
		door->events->closed(door->ctx);
}

/* Sends the first request of the queue. */
static void send_first(struct sidedoor *door)
{
	const struct call *call = door->first;

	door->waited = 0;
	if (call)
		door->round = call->round;
	/* A failure here comes to on_readable() as an end of the connection. */
	if (call && send(door->fd, &call->request, sizeof(call->request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("%s: %s", door->path, strerror(errno));
}

static void take_status(struct sidedoor *door, const struct lender_status *status)
{
	bool changed = memcmp(&door->status, status, sizeof(*status));
	bool first = !door->known;

	door->status = *status;
	door->known = true;
	if (first) {
		log_info("lender at %s answers: data port %u, %u MiB lent", door->path, status->port,
			 (unsigned int)(status->lent >> 20));
		door->complained = false;
		door->events->opened(door->ctx);
	} else if (changed) {
		door->events->changed(door->ctx);
	}
}

static bool fits(const struct call *call, const struct lender_reply *reply)
{
	switch (call->request.command) {
	case LENDER_LEASE:
	case LENDER_LIST:
		return reply->count <= LENDER_MAX_LEASES;
	case LENDER_OWNERS:
		return reply->count <= LENDER_MAX_OWNERS;
	default:
		return true;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct sidedoor *door = poll->data;
	struct call *call = door->first;
	struct lender_reply reply;
	ssize_t len;

	len = recv(door->fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len != sizeof(reply) || !call || !fits(call, &reply)) {
		complain(door,
			 len ? len < 0 ? strerror(errno) : "it speaks another protocol" : "it closed the connection");
		hang_up(door);
		return;
	}
	if (reply.status.donor != door->node) {
		complain(door, "it was started with another --node than this node's number");
		hang_up(door);
		return;
	}
	take_first(door);
	send_first(door);
	take_status(door, &reply.status);
	if (call->reply)
		call->reply(call->ctx, reply.error, &reply);
	free_call(call);
}

/* The owner whose turn it takes, or this node. */
static uint32_t who_causes(const struct sidedoor *door, const struct lender_request *request)
{
	switch (request->command) {
	case LENDER_ADMIT:
	case LENDER_LEASE:
	case LENDER_RELEASE:
	case LENDER_EXPEL:
	case LENDER_LIST:
		return request->owner < R2NET_MAX_NODES ? request->owner : door->node;
	default:
		return door->node;
	}
}

static void insert(struct sidedoor *door, struct call *call)
{
	uint64_t *last = &door->rounds[who_causes(door, &call->request)];
	struct call **link = &door->first;

	call->round = *last = *last < door->round ? door->round : *last + 1;
	while (*link && (*link)->round <= call->round)
		link = &(*link)->next;
	call->next = *link;
	*link = call;
}

static int queue(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx)
{
	struct call *call = malloc(sizeof(*call));
	bool first = !door->first;

	if (!call)
		return -ENOMEM;
	call->request = *request;
	call->request.protocol = LENDER_PROTOCOL;
	call->reply = reply;
	call->ctx = ctx;
	insert(door, call);
	if (first)
		send_first(door);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Leases are cleared before they are given, and wait for their pins before they end. */
static unsigned int patience(const struct call *call)
{
	switch (call->request.command) {
	case LENDER_LEASE:
	case LENDER_RELEASE:
	case LENDER_EXPEL:
		return WORK_TICKS;
	default:
		return ANSWER_TICKS;
	}
}

/* Each second while connected: every answer brings the status, so it is asked for when nothing else is. */
static void look_after(struct sidedoor *door)
{
	const struct lender_request request = { .command = LENDER_STATUS };

	if (!door->first) {
		queue(door, &request, NULL, NULL);
	} else if (++door->waited > patience(door->first)) {
		complain(door, "it does not answer");
		hang_up(door);
	}
}

static void on_retry(uv_timer_t *timer)
{
	const struct lender_request request = { .command = LENDER_STATUS };
	struct sidedoor *door = timer->data;

	if (door->poll) {
		look_after(door);
		return;
	}
	door->fd = dial(door->path);
	if (door->fd < 0) {
		complain(door, strerror(-door->fd));
		return;
	}
	door->poll = calloc(1, sizeof(*door->poll));
	if (!door->poll || uv_poll_init(door->loop, door->poll, door->fd)) {
		free(door->poll);
		door->poll = NULL;
		close(door->fd);
		return;
	}
	door->poll->data = door;
	if (uv_poll_start(door->poll, UV_READABLE, on_readable) || queue(door, &request, NULL, NULL))
		hang_up(door);
}

struct sidedoor *sidedoor_new(uv_loop_t *loop, const char *path, uint32_t node, const struct sidedoor_events *events,
			      void *ctx)
{
	struct sidedoor *door = calloc(1, sizeof(*door));

	if (!door)
		return NULL;
	door->loop = loop;
	door->path = path;
	door->node = node;
	door->events = events;
	door->ctx = ctx;
	uv_timer_init(loop, &door->retry);
	door->retry.data = door;
	uv_timer_start(&door->retry, on_retry, 0, RETRY_MS);
	return door;
}

int sidedoor_call(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx)
{
	return door->known ? queue(door, request, reply, ctx) : -ENOTCONN;
}

const struct lender_status *sidedoor_status(const struct sidedoor *door)
{
	return door->known ? &door->status : NULL;
}

pid_t sidedoor_pid(const struct sidedoor *door)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return door->known && !getsockopt(door->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? cred.pid : 0;
}

static void on_retry_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void sidedoor_free(struct sidedoor *door)
{
	static const struct sidedoor_events silence;

	if (!door)
		return;
	door->known = false;
	door->events = &silence;
	if (door->poll)
		hang_up(door);
	uv_close((uv_handle_t *)&door->retry, on_retry_closed);
}
