// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Control messages on a stream, whole, in pieces, over the limit, and garbage: over a real socket and loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/control.h"
#include "daemon/frame.h"
#include "daemon/stream.h"

#define LIMIT 256

/* A listener, one accepted control, and the raw socket at its other end. */
struct fixture {
	uv_loop_t loop;
	uv_pipe_t listener;
	char path[64];
	int raw;
	struct control *control;
	unsigned int messages;
	unsigned int pings;
	unsigned int sent;
	bool ended, malformed;
	bool close_at_message;
};

static void on_message(void *ctx, const Ramster__Message *message)
{
	struct fixture *f = ctx;

	f->messages++;
	f->pings += message->body_case == RAMSTER__MESSAGE__BODY_PING;
	if (f->close_at_message) {
		control_close(f->control);
		f->control = NULL;
	}
}

static void on_ended(void *ctx, const char *why, enum control_end end)
{
	struct fixture *f = ctx;

	f->ended = true;
	f->malformed = end == CONTROL_MALFORMED;
	control_close(f->control);
	f->control = NULL;
}

static void on_sent(void *ctx)
{
	struct fixture *f = ctx;

	f->sent++;
}

static const struct control_events events = { .message = on_message, .sent = on_sent, .ended = on_ended };

static void on_connection(uv_stream_t *stream, int status)
{
	struct fixture *f = stream->data;

	f->control = control_accept(&transport_unix, stream, NULL, LIMIT, &events, f);
}

/* Lets everything that waits be handled. */
static void settle(struct fixture *f)
{
	for (unsigned int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/test_control.%d", getpid());
	strcpy(address.sun_path, f->path);
	unlink(f->path);
	uv_loop_init(&f->loop);
	uv_pipe_init(&f->loop, &f->listener, 0);
	f->listener.data = f;
	if (uv_pipe_bind(&f->listener, f->path) || uv_listen((uv_stream_t *)&f->listener, 1, on_connection))
		return -1;
	f->raw = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(f->raw, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	settle(f);
	*state = f;
	return f->control ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	control_close(f->control);
	uv_close((uv_handle_t *)&f->listener, NULL);
	close(f->raw);
	settle(f);
	ret = uv_loop_close(&f->loop);
	unlink(f->path);
	free(f);
	return ret;
}

static void put(struct fixture *f, const void *bytes, size_t len)
{
	assert_int_equal(send(f->raw, bytes, len, MSG_NOSIGNAL), len);
	settle(f);
}

/* A frame that holds Ping. Returns its length. */
static size_t make_ping(uint8_t *bytes)
{
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Ping ping = RAMSTER__PING__INIT;
	size_t len;

	message.body_case = RAMSTER__MESSAGE__BODY_PING;
	message.ping = &ping;
	len = ramster__message__pack(&message, bytes + FRAME_HEADER);
	frame_header(bytes, len);
	return FRAME_HEADER + len;
}

static void test_whole(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[64];
	size_t len = make_ping(bytes);

	put(f, bytes, len);
	assert_int_equal(f->pings, 1);
	make_ping(bytes + len);
	put(f, bytes, 2 * len);
	assert_int_equal(f->pings, 3);
	assert_false(f->ended);
}

static void test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[64];
	size_t len = make_ping(bytes);

	for (unsigned int round = 0; round < 3; round++)
		for (size_t i = 0; i < len; i++) {
			assert_int_equal(f->pings, round);
			put(f, bytes + i, 1);
		}
	assert_int_equal(f->pings, 3);
}

static void test_cut(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[64];
	size_t len = make_ping(bytes);

	put(f, bytes, len - 1);
	shutdown(f->raw, SHUT_WR);
	settle(f);
	assert_int_equal(f->messages, 0);
	assert_true(f->ended);
	assert_false(f->malformed);
}

static void test_zero_length(void **state)
{
	struct fixture *f = *state;

	put(f, "\0\0\0", 4);
	assert_true(f->ended && f->malformed);
}

static void test_limit(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[FRAME_HEADER + LIMIT];
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Refuse refuse = RAMSTER__REFUSE__INIT;
	char reason[LIMIT + 1] = "";
	size_t len;

	message.body_case = RAMSTER__MESSAGE__BODY_REFUSE;
	message.refuse = &refuse;
	refuse.reason = reason;
	while (ramster__message__get_packed_size(&message) < LIMIT)
		strcat(reason, "x");
	len = ramster__message__pack(&message, bytes + FRAME_HEADER);
	assert_int_equal(len, LIMIT);
	frame_header(bytes, len);
	put(f, bytes, FRAME_HEADER + len);
	assert_int_equal(f->messages, 1);
	assert_false(f->ended);
	frame_header(bytes, LIMIT + 1);
	put(f, bytes, FRAME_HEADER);
	assert_true(f->ended && f->malformed);
}

static void test_garbage(void **state)
{
	struct fixture *f = *state;

	put(f, "\0\0\0\3\377\377\377", 7);
	assert_int_equal(f->messages, 0);
	assert_true(f->ended && f->malformed);
}

static void test_unknown_body(void **state)
{
	struct fixture *f = *state;

	put(f, "\0\0\0\3\372\7\0", 7); /* field 127, of length 0 */
	assert_int_equal(f->messages, 0);
	assert_true(f->ended && f->malformed);
}

static void test_http(void **state)
{
	struct fixture *f = *state;

	put(f, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_true(f->ended && f->malformed);
}

static void test_close_in_event(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[64];
	size_t len = make_ping(bytes);

	make_ping(bytes + len);
	f->close_at_message = true;
	put(f, bytes, 2 * len);
	assert_int_equal(f->messages, 1);
	assert_null(f->control);
}

static void test_send(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[256];
	struct frame_reader reader = { .limit = LIMIT };
	const uint8_t *frame;
	Ramster__Message *message;
	ssize_t got;

	control_refuse(f->control, "not today");
	settle(f);
	got = recv(f->raw, bytes, sizeof(bytes), 0);
	assert_true(got > FRAME_HEADER);
	assert_int_equal(frame_push(&reader, bytes, got), 0);
	assert_int_equal(frame_next(&reader, &frame), got - FRAME_HEADER);
	message = ramster__message__unpack(NULL, got - FRAME_HEADER, frame);
	assert_non_null(message);
	assert_int_equal(message->body_case, RAMSTER__MESSAGE__BODY_REFUSE);
	assert_string_equal(message->refuse->reason, "not today");
	ramster__message__free_unpacked(message, NULL);
	frame_free(&reader);
}

/* Not before the last byte has left, and once. */
static void test_sent(void **state)
{
	struct fixture *f = *state;
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Refuse refuse = RAMSTER__REFUSE__INIT;
	char bytes[65536];

	message.body_case = RAMSTER__MESSAGE__BODY_REFUSE;
	message.refuse = &refuse;
	refuse.reason = calloc(1, STREAM_QUEUE_MAX / 2); /* more than the socket takes */
	memset(refuse.reason, 'x', STREAM_QUEUE_MAX / 2 - 1);
	assert_int_equal(control_send(f->control, &message), 0);
	refuse.reason[0] = 0;
	assert_int_equal(control_send(f->control, &message), 0);
	settle(f);
	assert_int_equal(f->sent, 0);
	while (!f->sent) {
		assert_true(recv(f->raw, bytes, sizeof(bytes), 0) > 0);
		settle(f);
	}
	while (recv(f->raw, bytes, sizeof(bytes), 0) > 0)
		settle(f);
	assert_int_equal(f->sent, 1);
	free(refuse.reason);
}

/* A reader that never reads is cut off instead of filling our memory. */
static void test_slow_reader(void **state)
{
	struct fixture *f = *state;
	Ramster__Message message = RAMSTER__MESSAGE__INIT;
	Ramster__Refuse refuse = RAMSTER__REFUSE__INIT;
	char *reason = calloc(1, 65536);
	int ret = 0;

	message.body_case = RAMSTER__MESSAGE__BODY_REFUSE;
	message.refuse = &refuse;
	refuse.reason = memset(reason, 'x', 65535);
	for (unsigned int i = 0; i < 2 * STREAM_QUEUE_MAX / 65536 && !ret; i++)
		ret = control_send(f->control, &message);
	assert_true(ret < 0);
	free(reason);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),	   TEST(test_byte_by_byte), TEST(test_cut),	     TEST(test_zero_length),
		TEST(test_limit),	   TEST(test_garbage),	    TEST(test_unknown_body), TEST(test_http),
		TEST(test_close_in_event), TEST(test_send),	    TEST(test_sent),	     TEST(test_slow_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
