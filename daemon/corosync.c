// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * corosync - the connection to this node's corosync.
 *
 * One session at a time: a handle of libcpg and one of libquorum. A thread makes it, because each call that corosync has to
 * answer may wait for ever; the thread also ends the session before, for the same reason. What the loop calls later, to
 * dispatch and to send, does not wait.
 */
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/corosync.h"

#define THREAD_STACK (256U << 10) /* all our memory is locked */
#define JOIN_TRIES 50 /* while corosync's membership changes nobody can join */
#define JOIN_PAUSE_MS 100
#define DISPATCH_MAX 64 /* events handled before others have their turn */

struct session {
	bool have_cpg, have_quorum;
	cpg_handle_t cpg;
	quorum_handle_t quorum;
	int cpg_fd, quorum_fd;
	uint32_t node; /* as corosync numbers us */
	const char *failed; /* the step that failed, or NULL */
	cs_error_t error; /* of it */
};

struct corosync {
	uv_loop_t *loop;
	const struct corosync_events *events;
	void *ctx;
	struct cpg_name group;
	uint32_t expected; /* our nodeid */
	uv_timer_t retry;
	unsigned int retry_ms;
	uv_thread_t thread;
	uv_async_t done; /* the thread is */
	bool trying; /* the thread has @old and @next */
	struct session old, next;
	struct session session; /* in use while @open */
	bool open;
	uv_poll_t *cpg_poll, *quorum_poll;
	unsigned int handles; /* of the loop's, still to be closed before this is freed */
};

/* ---- In the thread ---- */

static void close_session(struct session *s)
{
	if (s->have_cpg)
		cpg_finalize(s->cpg);
	if (s->have_quorum)
		quorum_finalize(s->quorum);
	s->have_cpg = false;
	s->have_quorum = false;
}

static bool ok(struct session *s, const char *step, cs_error_t error)
{
	if (error == CS_OK)
		return true;
	s->failed = step;
	s->error = error;
	return false;
}

static cs_error_t join(struct corosync *c, struct session *s)
{
	const struct timespec pause = { .tv_nsec = JOIN_PAUSE_MS * 1000000L };
	cs_error_t error;

	for (unsigned int i = 0; i < JOIN_TRIES; i++) {
		error = cpg_join(s->cpg, &c->group);
		if (error != CS_ERR_TRY_AGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	return error;
}

static void on_members(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members, size_t len,
		       const struct cpg_address *left, size_t left_len, const struct cpg_address *joined,
		       size_t joined_len);
static void on_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t node, uint32_t pid, void *bytes,
		       size_t len);
static void on_quorum(quorum_handle_t handle, uint32_t quorate, uint64_t ring, uint32_t len, uint32_t *nodes);

static bool open_cpg(struct corosync *c, struct session *s)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1,
				      .cpg_deliver_fn = on_message,
				      .cpg_confchg_fn = on_members };

	if (!ok(s, "no connection: is it running?",
		cpg_model_initialize(&s->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model, c)))
		return false;
	s->have_cpg = true;
	return ok(s, "no nodeid", cpg_local_get(s->cpg, &s->node)) &&
	       ok(s, "no events", cpg_fd_get(s->cpg, &s->cpg_fd));
}

static bool open_quorum(struct corosync *c, struct session *s)
{
	quorum_model_v0_data_t model = { .model = QUORUM_MODEL_V0, .quorum_notify_fn = on_quorum };
	uint32_t type;

	if (!ok(s, "no connection for quorum",
		quorum_model_initialize(&s->quorum, QUORUM_MODEL_V0, (quorum_model_data_t *)&model, &type, c)))
		return false;
	s->have_quorum = true;
	return ok(s, "no events of quorum", quorum_fd_get(s->quorum, &s->quorum_fd)) &&
	       ok(s, "quorum cannot be followed", quorum_trackstart(s->quorum, CS_TRACK_CHANGES | CS_TRACK_CURRENT));
}

static void open_session(void *arg)
{
	struct corosync *c = arg;
	struct session *s = &c->next;

	close_session(&c->old);
	*s = (struct session){ 0 };
	if (!open_cpg(c, s) || !open_quorum(c, s) ||
	    (s->node == c->expected && !ok(s, "the group cannot be joined", join(c, s))))
		close_session(s);
	uv_async_send(&c->done);
}

/* ---- Events of corosync ---- */

static void on_members(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members, size_t len,
		       const struct cpg_address *left, size_t left_len, const struct cpg_address *joined,
		       size_t joined_len)
{
	struct group_process processes[CPG_MEMBERS_MAX];
	struct corosync *c;

	if (cpg_context_get(handle, (void **)&c) != CS_OK)
		return;
	if (len > CPG_MEMBERS_MAX)
		len = CPG_MEMBERS_MAX;
	for (size_t i = 0; i < len; i++)
		processes[i] = (struct group_process){ .node = members[i].nodeid, .pid = members[i].pid };
	for (size_t i = 0; i < left_len; i++)
		if (left[i].reason == CPG_REASON_NODEDOWN)
			c->events->node_left(c->ctx, left[i].nodeid);
	c->events->members(c->ctx, processes, len, joined_len);
}

static void on_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t node, uint32_t pid, void *bytes,
		       size_t len)
{
	struct corosync *c;

	if (cpg_context_get(handle, (void **)&c) == CS_OK)
		c->events->message(c->ctx, (struct group_process){ .node = node, .pid = pid }, bytes, len);
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, uint64_t ring, uint32_t len, uint32_t *nodes)
{
	const void *context;
	const struct corosync *c;

	if (quorum_context_get(handle, &context) != CS_OK)
		return;
	c = context;
	c->events->quorum(c->ctx, quorate, nodes, len);
}

/* ---- The connection ---- */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void close_poll(uv_poll_t **poll)
{
	if (*poll)
		uv_close((uv_handle_t *)*poll, on_poll_closed);
	*poll = NULL;
}

static void on_retry(uv_timer_t *timer);

static void try_later(struct corosync *c)
{
	uv_timer_start(&c->retry, on_retry, c->retry_ms, 0);
	c->retry_ms = c->retry_ms * 2 < COROSYNC_RETRY_MAX_MS ? c->retry_ms * 2 : COROSYNC_RETRY_MAX_MS;
}

static void end(struct corosync *c, const char *failed, cs_error_t error)
{
	char why[COROSYNC_WHY_LEN];

	close_poll(&c->cpg_poll);
	close_poll(&c->quorum_poll);
	if (c->open)
		c->old = c->session;
	c->open = false;
	/* CS_ERR_LIBRARY says no more than that it did not work. */
	snprintf(why, sizeof(why), "%s%s%s", failed, error == CS_ERR_LIBRARY ? "" : ": ",
		 error == CS_ERR_LIBRARY ? "" : cs_strerror(error));
	try_later(c);
	c->events->closed(c->ctx, why);
}

/* Nothing that an event leads to ends the session, so that it lasts until this does it. */
static void on_cpg_readable(uv_poll_t *poll, int status, int events)
{
	struct corosync *c = poll->data;
	cs_error_t error = CS_OK;

	for (unsigned int i = 0; i < DISPATCH_MAX && error == CS_OK; i++)
		error = cpg_dispatch(c->session.cpg, CS_DISPATCH_ONE_NONBLOCKING);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN)
		end(c, "the connection ended", error);
}

static void on_quorum_readable(uv_poll_t *poll, int status, int events)
{
	struct corosync *c = poll->data;
	cs_error_t error = CS_OK;

	for (unsigned int i = 0; i < DISPATCH_MAX && error == CS_OK; i++)
		error = quorum_dispatch(c->session.quorum, CS_DISPATCH_ONE_NONBLOCKING);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN)
		end(c, "the connection for quorum ended", error);
}

static uv_poll_t *watch(struct corosync *c, int fd, uv_poll_cb readable)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	if (!poll || uv_poll_init(c->loop, poll, fd)) {
		free(poll);
		return NULL;
	}
	poll->data = c;
	uv_poll_start(poll, UV_READABLE | UV_DISCONNECT, readable);
	return poll;
}

static void on_done(uv_async_t *async)
{
	struct corosync *c = async->data;

	uv_thread_join(&c->thread);
	c->trying = false;
	if (c->next.failed) {
		end(c, c->next.failed, c->next.error);
		return;
	}
	c->session = c->next;
	c->open = true;
	c->cpg_poll = watch(c, c->session.cpg_fd, on_cpg_readable);
	c->quorum_poll = watch(c, c->session.quorum_fd, on_quorum_readable);
	if (!c->cpg_poll || !c->quorum_poll) {
		end(c, "no events", CS_ERR_NO_MEMORY);
		return;
	}
	c->retry_ms = COROSYNC_RETRY_MIN_MS;
	c->events->opened(c->ctx, c->session.node);
}

static void on_retry(uv_timer_t *timer)
{
	static const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = THREAD_STACK };
	struct corosync *c = timer->data;

	c->trying = true;
	if (!uv_thread_create_ex(&c->thread, &options, open_session, c))
		return;
	c->trying = false;
	end(c, "no thread", CS_ERR_NO_RESOURCES);
}

struct corosync *corosync_new(uv_loop_t *loop, const char *group, uint32_t node, const struct corosync_events *events,
			      void *ctx)
{
	struct corosync *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = loop;
	c->events = events;
	c->ctx = ctx;
	c->expected = node;
	c->group.length = snprintf(c->group.value, sizeof(c->group.value), "%s", group);
	c->retry_ms = COROSYNC_RETRY_MIN_MS;
	uv_timer_init(loop, &c->retry);
	c->retry.data = c;
	uv_async_init(loop, &c->done, on_done);
	c->done.data = c;
	c->handles = 2;
	uv_timer_start(&c->retry, on_retry, 0, 0);
	return c;
}

void corosync_give_up(struct corosync *c, const char *why)
{
	if (c->open)
		end(c, why, CS_ERR_LIBRARY);
}

static void on_closed(uv_handle_t *handle)
{
	struct corosync *c = handle->data;

	if (!--c->handles)
		free(c);
}

void corosync_free(struct corosync *c)
{
	if (!c)
		return;
	close_poll(&c->cpg_poll);
	close_poll(&c->quorum_poll);
	uv_timer_stop(&c->retry);
	if (c->trying)
		return; /* the thread may wait for corosync, and we must not wait for it */
	uv_close((uv_handle_t *)&c->retry, on_closed);
	uv_close((uv_handle_t *)&c->done, on_closed);
}

int corosync_send(struct corosync *c, const void *bytes, size_t len)
{
	const struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	cs_error_t error;

	if (!c->open || c->session.node != c->expected)
		return -ENOTCONN;
	error = cpg_mcast_joined(c->session.cpg, CPG_TYPE_AGREED, &iov, 1);
	if (error == CS_OK)
		return 0;
	return error == CS_ERR_TRY_AGAIN ? -EAGAIN : -ENOTCONN;
}
