// SPDX-License-Identifier: GPL-2.0-or-later
/* A node of corosync's group cannot fill the log: membership_corosync.c with a corosync and peers of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/corosync.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/membership.h"

#define NODE(number)                                                                                                   \
	"node:\nname = n" number "\nnumber = " number "\naddress = 10.0.0.1" number "\nport = 7700\ncluster = demo\n"

static const char file[] = "cluster:\nname = demo\nmembership = corosync\n" NODE("1") NODE("2");

static const struct corosync_events *events;
static struct roll *roll;
static struct conf conf;
static struct peer peer; /* node 2 */
static struct ramsterd d = { .conf = &conf, .membership = &membership_corosync };
static unsigned int limited, unlimited; /* lines of the log; of the first, those within the peer's limit */

/* ---- What membership_corosync.c calls ---- */

void log_print(int priority, const char *format, ...)
{
	unlimited++;
}

void log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
	limited += limit == &peer.log_limit;
}

void log_printable(char *text)
{
}

uint64_t uv_now(const uv_loop_t *loop)
{
	return 100000;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb call, uint64_t after_ms, uint64_t every_ms)
{
	return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
	return 1;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
	closed(handle);
}

struct corosync *corosync_new(uv_loop_t *loop, const char *group, uint32_t node, const struct corosync_events *told,
			      void *ctx)
{
	events = told;
	roll = ctx;
	return (struct corosync *)&events; /* not looked at */
}

void corosync_free(struct corosync *corosync)
{
}

void corosync_give_up(struct corosync *corosync, const char *why)
{
}

int corosync_send(struct corosync *corosync, const void *bytes, size_t len)
{
	return 0;
}

struct offer lend_offer(const struct ramsterd *daemon)
{
	return (struct offer){ 0 };
}

void peer_set_member(struct peer *p, bool member)
{
	p->member = member;
}

void peer_take_offer(struct peer *p, const struct offer *offer)
{
}

void ramsterd_read_kernel(struct ramsterd *daemon)
{
}

int kernel_peer_away(struct kernel *kernel, uint32_t node, uint64_t lender_instance)
{
	return 0;
}

const char *kernel_error(const struct kernel *kernel)
{
	return "";
}

/* ---- The scene ---- */

static const struct group_process processes[] = { { 1, 11 }, { 2, 12 } };

/* @i: its place in cluster.conf */
static void say_who(unsigned int i)
{
	uint8_t message[GROUP_MESSAGE_MAX];

	events->message(roll, processes[i], message,
			group_message(&conf, &conf.nodes[i], &(struct offer){ 0 }, message));
}

/* Both nodes are there. */
static int setup(void **state)
{
	static const uint32_t nodes[] = { 1, 2 };
	char error[CONF_ERROR_LEN];

	if (conf_parse("test", file, strlen(file), &conf, error))
		return -1;
	peer = (struct peer){ .d = &d, .node = conf.nodes[1], .state = PEER_UP };
	d.self = &conf.nodes[0];
	d.peers[2] = &peer;
	if (membership_corosync.start(&d))
		return -1;
	events->opened(roll, 1);
	events->quorum(roll, true, nodes, 2);
	events->members(roll, processes, 2, true);
	say_who(0);
	say_who(1);
	assert_true(peer.member);
	limited = unlimited = 0;
	return 0;
}

static int teardown(void **state)
{
	membership_corosync.stop(&d);
	return 0;
}

/* ---- Tests ---- */

static void test_nonsense_now_and_then(void **state)
{
	for (unsigned int i = 0; i < 100; i++) {
		events->message(roll, processes[1], "x", 1);
		assert_false(peer.member);
		say_who(1);
		assert_true(peer.member);
	}
	assert_int_equal(limited, 200);
	assert_int_equal(unlimited, 0);
}

static void test_coming_and_going(void **state)
{
	static const uint32_t nodes[] = { 1, 2 };

	for (unsigned int i = 0; i < 100; i++) {
		events->members(roll, processes, 1, false);
		events->members(roll, processes, 2, true);
		say_who(1);
		events->quorum(roll, i % 2, nodes, 1);
		events->members(roll, processes, 1, false);
		events->quorum(roll, true, nodes, 2);
		events->members(roll, processes, 2, true);
		say_who(1);
	}
	assert_true(limited >= 400);
	assert_int_equal(unlimited, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nonsense_now_and_then, setup, teardown),
		cmocka_unit_test_setup_teardown(test_coming_and_going, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
