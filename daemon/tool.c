// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool - the unix socket on which `ramster` asks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/access.h"
#include "daemon/acceptor.h"
#include "daemon/control.h"
#include "daemon/empty.h"
#include "daemon/frame.h"
#include "daemon/log.h"
#include "daemon/set_reply.h"
#include "daemon/status.h"
#include "daemon/tool.h"

#define BACKLOG 16

struct tool {
	struct ramsterd *d;
	uv_pipe_t pipe;
	struct acceptor *acceptor;
	char path[108];
	gid_t group; /* whose members may look; ACCESS_NO_GROUP */
	struct client *first, **last; /* the one that has been quiet for the longest first */
	unsigned int clients;
};

struct client {
	struct tool *tool;
	struct client *next, **link; /* in the tool's list */
	struct control *control;
	bool answering; /* the answer has not left yet */
};

static void list_add(struct client *client)
{
	client->next = NULL;
	client->link = client->tool->last;
	*client->link = client;
	client->tool->last = &client->next;
	client->tool->clients++;
}

static void list_remove(struct client *client)
{
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	else
		client->tool->last = client->link;
	client->tool->clients--;
}

static void drop(struct client *client)
{
	control_close(client->control);
	list_remove(client);
	free(client);
}

static int answer_status(struct client *client)
{
	Ramster__Message answer = RAMSTER__MESSAGE__INIT;
	struct status *status = status_gather(client->tool->d);
	int ret;

	if (!status)
		return -ENOMEM;
	answer.body_case = RAMSTER__MESSAGE__BODY_STATUS;
	answer.status = (Ramster__Status *)status_message(status);
	ret = control_send(client->control, &answer);
	status_free(status);
	return ret;
}

static int answer_set(struct client *client, const Ramster__SetRequest *request)
{
	Ramster__Message answer = RAMSTER__MESSAGE__INIT;
	struct set_reply *reply = set_reply_make(client->tool->d, request);
	int ret;

	if (!reply)
		return -ENOMEM;
	answer.body_case = RAMSTER__MESSAGE__BODY_SET_REPLY;
	answer.set_reply = (Ramster__SetReply *)set_reply_message(reply);
	ret = control_send(client->control, &answer);
	set_reply_free(reply);
	return ret;
}

static int answer_empty(struct client *client, const Ramster__EmptyRequest *request)
{
	Ramster__Message answer = RAMSTER__MESSAGE__INIT;
	Ramster__EmptyReply reply = RAMSTER__EMPTY_REPLY__INIT;
	char error[EMPTY_ERROR_LEN];

	empty_answer(client->tool->d, request, &reply, error);
	answer.body_case = RAMSTER__MESSAGE__BODY_EMPTY_REPLY;
	answer.empty_reply = &reply;
	return control_send(client->control, &answer);
}

/* What a message would change; NULL: it only looks. */
static const char *change(const Ramster__Message *message)
{
	if (message->body_case == RAMSTER__MESSAGE__BODY_SET_REQUEST && message->set_request->n_assignments)
		return "changing settings needs root";
	if (message->body_case == RAMSTER__MESSAGE__BODY_EMPTY_REQUEST &&
	    message->empty_request->action != RAMSTER__EMPTY_REQUEST__ACTION__LOOK)
		return "emptying a node needs root";
	return NULL;
}

/* Whether the client may ask for that. If not, that is said and logged. */
static bool may(struct client *client, const Ramster__Message *message)
{
	static struct log_limit limit = LOG_LIMIT(5, 10000);
	const char *reason = change(message);
	enum access_right right;
	uid_t user;

	right = access_of(control_socket(client->control), client->tool->group, &user);
	if (right == ACCESS_CHANGE || (right == ACCESS_LOOK && !reason))
		return true;
	if (!reason)
		reason = "looking needs root, or the group that ramsterd was given";
	log_limited(&limit, LOG_WARNING, "%s: user %d refused: %s", client->tool->path, (int)user, reason);
	control_deny(client->control, reason);
	return false;
}

/* One at a time: else who asks without end would keep the loop from all else, and memory full of answers. */
static void on_message(void *ctx, const Ramster__Message *message)
{
	struct client *client = ctx;
	int ret = -EPROTO;

	if (client->answering || !may(client, message)) {
		drop(client);
		return;
	}
	client->answering = true;
	list_remove(client);
	list_add(client);
	switch (message->body_case) {
	case RAMSTER__MESSAGE__BODY_STATUS_REQUEST:
		ret = answer_status(client);
		break;
	case RAMSTER__MESSAGE__BODY_SET_REQUEST:
		ret = answer_set(client, message->set_request);
		break;
	case RAMSTER__MESSAGE__BODY_EMPTY_REQUEST:
		ret = answer_empty(client, message->empty_request);
		break;
	default:
		control_refuse(client->control, "only StatusRequest, SetRequest and EmptyRequest are answered here");
	}
	if (ret)
		drop(client);
}

static void on_sent(void *ctx)
{
	struct client *client = ctx;

	client->answering = false;
}

static void on_ended(void *ctx, const char *why, enum control_end end)
{
	drop(ctx);
}

static const struct control_events events = {
	.message = on_message,
	.sent = on_sent,
	.ended = on_ended,
};

/* Whoever is quiet must not keep others out: where there is no place, the one that has been so for the longest goes. */
static bool take(void *ctx)
{
	struct tool *tool = ctx;
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return false;
	client->tool = tool;
	client->control =
		control_accept(&transport_unix, (uv_stream_t *)&tool->pipe, NULL, FRAME_LIMIT_PEER, &events, client);
	if (!client->control) {
		free(client);
		return false;
	}
	if (tool->clients == TOOL_CLIENTS)
		drop(tool->first);
	list_add(client);
	return true;
}

/* Whether somebody answers at the path; if not, what is there is removed. */
static bool taken(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	answered = fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (!answered && errno == ECONNREFUSED)
		unlink(path);
	if (fd >= 0)
		close(fd);
	return answered;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void tool_close(struct tool *tool)
{
	acceptor_free(tool->acceptor);
	tool->pipe.data = tool;
	uv_close((uv_handle_t *)&tool->pipe, on_closed);
}

/* For root, and for members of the group where there is one. Nobody can connect yet. */
static int open_to(const char *path, gid_t group)
{
	if (group == ACCESS_NO_GROUP)
		return chmod(path, 0600) ? -errno : 0;
	return chown(path, -1, group) || chmod(path, 0660) ? -errno : 0;
}

struct tool *tool_new(struct ramsterd *d, const char *path, gid_t group)
{
	struct tool *tool;
	int ret;

	if (taken(path)) {
		log_err("%s: another ramsterd answers there (stop it, or choose another --socket)", path);
		return NULL;
	}
	tool = calloc(1, sizeof(*tool));
	if (!tool)
		return NULL;
	tool->d = d;
	tool->group = group;
	tool->last = &tool->first;
	snprintf(tool->path, sizeof(tool->path), "%s", path);
	uv_pipe_init(d->loop, &tool->pipe, 0);
	ret = uv_pipe_bind(&tool->pipe, path);
	if (!ret)
		ret = open_to(path, group);
	if (!ret)
		tool->acceptor = acceptor_new((uv_stream_t *)&tool->pipe, BACKLOG, take, tool, &ret);
	if (!ret)
		return tool;
	log_err("%s: cannot listen: %s", path, uv_strerror(ret));
	tool_close(tool);
	return NULL;
}

void tool_free(struct tool *tool)
{
	if (!tool)
		return;
	unlink(tool->path);
	while (tool->first)
		drop(tool->first);
	tool_close(tool);
}
