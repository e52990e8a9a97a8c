// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client - asks ramsterd over its unix socket.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/frame.h"
#include "tools/ramster/client.h"
#include "tools/ramster/ramster.h"

__attribute__((format(printf, 3, 4))) static void fail(struct client_error *error, int status, const char *format, ...)
{
	va_list args;

	error->status = status;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
}

int client_connect(const char *path, struct client_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = CLIENT_TIMEOUT_S };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		fail(error, EXIT_UNREACHABLE, "the socket's path is longer than %zu bytes",
		     sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)); /* also of connect() */
	}
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (errno == EACCES)
		fail(error, EXIT_DENIED, "asking ramsterd at %s needs root, or its group (ramster)", path);
	else
		fail(error, EXIT_UNREACHABLE,
		     "cannot reach ramsterd at %s: %s (is it running? systemctl start ramsterd)", path,
		     strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int put(int fd, const Ramster__Message *message)
{
	size_t len = ramster__message__get_packed_size(message), sent = 0;
	uint8_t *bytes;
	ssize_t n = 0;

	if (len > FRAME_LIMIT_PEER)
		return -E2BIG;
	bytes = malloc(FRAME_HEADER + len);
	if (!bytes)
		return -ENOMEM;
	ramster__message__pack(message, bytes + FRAME_HEADER);
	frame_header(bytes, len);
	for (len += FRAME_HEADER; sent < len && n >= 0; sent += n)
		n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
	n = n < 0 ? -errno : 0;
	free(bytes);
	return n;
}

/* Reads one frame and unpacks it. Returns NULL with errno set. */
static Ramster__Message *receive(int fd)
{
	struct frame_reader reader = { .limit = FRAME_LIMIT_TOOL };
	Ramster__Message *message = NULL;
	const uint8_t *frame;
	uint8_t bytes[16384];
	ssize_t got;
	int64_t len;

	while (!(len = frame_next(&reader, &frame))) {
		got = recv(fd, bytes, sizeof(bytes), 0);
		if (got <= 0) {
			len = got ? -errno : -ECONNRESET;
			break;
		}
		len = frame_push(&reader, bytes, got);
		if (len)
			break;
	}
	if (len > 0) {
		message = ramster__message__unpack(NULL, len, frame);
		len = message ? 0 : -EBADMSG;
	}
	frame_free(&reader);
	errno = -len;
	return message;
}

/* Asks a question that is answered by a message with this body. */
static Ramster__Message *ask(int fd, const Ramster__Message *question, int body, struct client_error *error)
{
	Ramster__Message *message = NULL;
	int ret = put(fd, question);

	if (!ret) {
		message = receive(fd);
		ret = -errno;
	}
	if (message && (int)message->body_case == body)
		return message;
	if (message && message->body_case == RAMSTER__MESSAGE__BODY_REFUSE)
		fail(error, message->refuse->denied ? EXIT_DENIED : EXIT_UNREACHABLE, "ramsterd refuses: %.200s",
		     message->refuse->reason);
	else if (message)
		fail(error, EXIT_UNREACHABLE, "ramsterd is of another version than this ramster");
	else
		fail(error, EXIT_UNREACHABLE, "ramsterd does not answer: %s (see its log: journalctl -u ramsterd)",
		     ret == -EAGAIN ? "time is over" : strerror(-ret));
	client_free(message);
	return NULL;
}

Ramster__Message *client_status(int fd, struct client_error *error)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__StatusRequest request = RAMSTER__STATUS_REQUEST__INIT;

	message.body_case = RAMSTER__MESSAGE__BODY_STATUS_REQUEST;
	message.status_request = &request;
	return ask(fd, &message, RAMSTER__MESSAGE__BODY_STATUS, error);
}

Ramster__Message *client_set(int fd, char **assignments, size_t count, struct client_error *error)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__SetRequest request = RAMSTER__SET_REQUEST__INIT;

	request.assignments = assignments;
	request.n_assignments = count;
	message.body_case = RAMSTER__MESSAGE__BODY_SET_REQUEST;
	message.set_request = &request;
	return ask(fd, &message, RAMSTER__MESSAGE__BODY_SET_REPLY, error);
}

Ramster__Message *client_empty(int fd, Ramster__EmptyRequest *request, struct client_error *error)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;

	message.body_case = RAMSTER__MESSAGE__BODY_EMPTY_REQUEST;
	message.empty_request = request;
	return ask(fd, &message, RAMSTER__MESSAGE__BODY_EMPTY_REPLY, error);
}

void client_free(Ramster__Message *message)
{
	if (message)
		ramster__message__free_unpacked(message, NULL);
}

uint64_t client_counter(const Ramster__Status *status, const char *name)
{
	for (size_t i = 0; i < status->n_counters; i++)
		if (!strcmp(status->counters[i]->name, name))
			return status->counters[i]->value;
	return 0;
}
