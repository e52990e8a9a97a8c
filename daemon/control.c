// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * control - a connection that carries Messages.
 *
 * An event may close the control it came from, in the middle of a buffer with more messages; @busy keeps the struct
 * until the buffer's end is reached.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/control.h"
#include "daemon/frame.h"

struct control {
	const struct transport_ops *ops;
	struct transport *transport; /* NULL once closed */
	const struct control_events *events;
	void *ctx;
	struct frame_reader reader;
	bool busy; /* on_received() is below us on the stack */
};

static void control_free(struct control *c)
{
	frame_free(&c->reader);
	free(c);
}

static void on_opened(void *ctx)
{
	struct control *c = ctx;

	c->events->opened(c->ctx);
}

static void on_sent(void *ctx)
{
	struct control *c = ctx;

	if (c->events->sent)
		c->events->sent(c->ctx);
}

static void on_ended(void *ctx, const char *why, enum transport_end end)
{
	struct control *c = ctx;

	c->events->ended(c->ctx, why, end == TRANSPORT_UNPROVEN ? CONTROL_UNPROVEN : CONTROL_LOST);
}

/* Handles one frame; returns what is wrong with it, or NULL. */
static const char *deliver(struct control *c, const uint8_t *bytes, size_t len)
{
	Ramster__Message *message = ramster__message__unpack(NULL, len, bytes);
	const char *wrong = NULL;

	if (!message)
		return "a frame that is no message";
	if (message->body_case == RAMSTER__MESSAGE__BODY__NOT_SET)
		wrong = "a message without a body that this version knows";
	else
		c->events->message(c->ctx, message);
	ramster__message__free_unpacked(message, NULL);
	return wrong;
}

static void on_received(void *ctx, const uint8_t *bytes, size_t len)
{
	struct control *c = ctx;
	const char *wrong = NULL;
	const uint8_t *frame;
	int64_t n;

	if (frame_push(&c->reader, bytes, len)) {
		c->events->ended(c->ctx, "out of memory", CONTROL_LOST);
		return;
	}
	c->busy = true;
	while (c->transport && !wrong) {
		n = frame_next(&c->reader, &frame);
		if (!n)
			break;
		wrong = n < 0 ? "a frame of length 0 or over the limit" : deliver(c, frame, n);
	}
	c->busy = false;
	if (!c->transport)
		control_free(c);
	else if (wrong)
		c->events->ended(c->ctx, wrong, CONTROL_MALFORMED);
}

static const struct transport_events transport_events = {
	.opened = on_opened,
	.received = on_received,
	.sent = on_sent,
	.ended = on_ended,
};

static struct control *control_new(const struct transport_ops *ops, uint32_t limit, const struct control_events *events,
				   void *ctx)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ops = ops;
	c->events = events;
	c->ctx = ctx;
	c->reader.limit = limit;
	return c;
}

struct control *control_connect(const struct transport_ops *ops, uv_loop_t *loop, const struct transport_target *target,
				const struct control_events *events, void *ctx, int *error)
{
	struct control *c = control_new(ops, FRAME_LIMIT_PEER, events, ctx);

	*error = -ENOMEM;
	if (!c)
		return NULL;
	c->transport = ops->connect(loop, target, &transport_events, c, error);
	if (!c->transport) {
		free(c);
		return NULL;
	}
	return c;
}

struct control *control_accept(const struct transport_ops *ops, uv_stream_t *listener, const struct auth *auth,
			       uint32_t limit, const struct control_events *events, void *ctx)
{
	struct control *c = control_new(ops, limit, events, ctx);

	if (!c)
		return NULL;
	c->transport = ops->accept(listener, auth, &transport_events, c);
	if (!c->transport) {
		free(c);
		return NULL;
	}
	return c;
}

void control_hand_over(struct control *c, const struct control_events *events, void *ctx)
{
	c->events = events;
	c->ctx = ctx;
}

int control_send(struct control *c, const Ramster__Message *message)
{
	size_t len = ramster__message__get_packed_size(message);
	uint8_t *bytes = malloc(FRAME_HEADER + len);
	int ret;

	if (!bytes)
		return -ENOMEM;
	frame_header(bytes, len);
	ramster__message__pack(message, bytes + FRAME_HEADER);
	ret = c->ops->send(c->transport, bytes, FRAME_HEADER + len);
	free(bytes);
	return ret;
}

static void refuse_with(struct control *c, const char *reason, bool denied)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Refuse refuse = RAMSTER__REFUSE__INIT;

	refuse.reason = (char *)reason;
	refuse.denied = denied;
	message.body_case = RAMSTER__MESSAGE__BODY_REFUSE;
	message.refuse = &refuse;
	control_send(c, &message);
}

void control_refuse(struct control *c, const char *reason)
{
	refuse_with(c, reason, false);
}

void control_deny(struct control *c, const char *reason)
{
	refuse_with(c, reason, true);
}

struct in_addr control_remote(struct control *c)
{
	struct in_addr address;

	c->ops->remote(c->transport, &address);
	return address;
}

int control_socket(struct control *c)
{
	return c->ops->socket(c->transport);
}

int control_node(struct control *c)
{
	return c->ops->node(c->transport);
}

const char *control_key(struct control *c)
{
	return c->ops->key(c->transport);
}

void control_close(struct control *c)
{
	if (!c)
		return;
	c->ops->close(c->transport);
	c->transport = NULL;
	if (!c->busy)
		control_free(c);
}
