// SPDX-License-Identifier: GPL-2.0-or-later
/* A peer's questions to the lender are bounded, whatever it sends: donor.c with a lender and peers of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/donor.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/revoke.h"

#define LENDER 100
#define CALLS 1000
#define OPEN_MAX 256
#define EMPTY_MAX 32000 /* leases without a value that fit into a message */
#define REAL_MAX 10900 /* leases with values */

static struct call {
	uint32_t command, owner;
	sidedoor_reply_fn reply;
	void *ctx;
} calls[CALLS];
static unsigned int calls_len; /* that wait for answer() */

static const struct lender_status lender = { .instance = LENDER, .port = 1 };
static struct conf_node self = { .lend = CONF_LEND_SIZE };
static struct conf conf = { .quota = CONF_NO_QUOTA, .extent_size = 2 * R2NET_EXTENT_MIN };
static struct ramsterd d = { .self = &self, .conf = &conf };
static struct peer peers[2];
static bool draining;
static uint64_t now_ms;
static unsigned int expelled; /* EXPEL of node 0 that the lender was asked */
static unsigned int full; /* grants with FULL that were sent */
static unsigned int released; /* leases that the lender was told to end */
static uint64_t released_extents; /* their sum */
static unsigned int ended; /* leases of node 0, as answer_first() says of EXPEL */
static unsigned int admitted; /* ADMIT of node 0 */
static struct lender_request last; /* ADMIT or EXPEL of node 0 */
static uint8_t granted[R2NET_TOKEN_LEN]; /* the token that was sent last */
static bool no_lender;
static uint32_t cursor; /* of the next answer */
static unsigned int leases_asked; /* of the lender, last */

/* ---- What donor.c calls ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
	return now_ms;
}

void log_print(int priority, const char *format, ...)
{
}

void log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
}

void ramsterd_random(void *bytes, size_t len)
{
	static uint8_t value;

	memset(bytes, ++value, len);
}

bool lend_borrowing(const struct ramsterd *daemon)
{
	return false;
}

void peer_send(struct peer *peer, const Ramster__Message *message)
{
	const Ramster__LeaseGrant *grant = message->lease_grant;

	if (message->body_case != RAMSTER__MESSAGE__BODY_LEASE_GRANT)
		return;
	full += grant->error == RAMSTER__LEASE_GRANT__ERROR__FULL;
	if (!grant->error)
		memcpy(granted, grant->token.data, grant->token.len);
}

bool revoke_draining(const struct revoke *revoke)
{
	return draining;
}

bool revoke_wanted(const struct revoke *revoke)
{
	return false;
}

void revoke_begin(struct revoke *revoke)
{
}

void revoke_count(struct revoke *revoke, uint32_t owner, uint64_t bytes)
{
}

void revoke_decide(struct revoke *revoke)
{
}

const struct lender_status *sidedoor_status(const struct sidedoor *door)
{
	return no_lender ? NULL : &lender;
}

int sidedoor_call(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx)
{
	if (no_lender)
		return -ENOTCONN;
	assert_true(calls_len < CALLS);
	for (uint32_t i = 0; request->command == LENDER_RELEASE && i < request->count; i++, released++)
		released_extents += request->leases[i].extent;
	if (request->command == LENDER_RELEASE)
		assert_true(request->count && request->count <= LENDER_TURN_LEASES);
	if (request->command == LENDER_LEASE)
		leases_asked = request->count;
	expelled += request->command == LENDER_EXPEL && !request->owner;
	admitted += request->command == LENDER_ADMIT && !request->owner;
	if ((request->command == LENDER_ADMIT || request->command == LENDER_EXPEL) && !request->owner)
		last = *request;
	calls[calls_len++] = (struct call){ request->command, request->owner, .reply = reply, .ctx = ctx };
	return 0;
}

/* ---- The scene ---- */

/* @count: leases of each answer */
static void answer_with(int error, unsigned int count)
{
	struct lender_reply reply = { .status = lender, .count = count };

	for (unsigned int i = 0; i < count; i++)
		reply.leases[i] = (struct lender_lease){ .size = R2NET_EXTENT_MIN, .owner = 0, .instance = 10 };

	while (calls_len) {
		const struct call *call = &calls[--calls_len];

		reply.count = call->command == LENDER_EXPEL ? 0 : count;
		if (call->reply)
			call->reply(call->ctx, error, error == -ENOTCONN ? NULL : &reply);
	}
}

static void answer(int error)
{
	answer_with(error, 0);
}

/* Only the question that has waited for the longest. */
static void answer_first(void)
{
	const struct call call = calls[0];
	const struct lender_reply reply = { .status = lender,
					    .cursor = cursor,
					    .count = call.command == LENDER_EXPEL && !call.owner ? ended : 0 };

	memmove(calls, calls + 1, --calls_len * sizeof(calls[0]));
	call.reply(call.ctx, 0, &reply);
}

static const char *ask_list(struct peer *peer)
{
	Ramster__ListLeases list = RAMSTER__LIST_LEASES__INIT;

	return donor_on_list(d.donor, peer, &list);
}

static const char *ask_many(struct peer *peer, uint32_t count, uint32_t size)
{
	Ramster__LeaseRequest request = RAMSTER__LEASE_REQUEST__INIT;

	request.owner_instance = peer->offer.owner_instance;
	request.count = count;
	request.extent_size = size;
	return donor_on_request(d.donor, peer, &request);
}

static const char *ask_leases(struct peer *peer)
{
	return ask_many(peer, 1, R2NET_EXTENT_MIN);
}

static const char *return_leases(struct peer *peer, unsigned int count)
{
	static Ramster__Lease lease[EMPTY_MAX], *leases[EMPTY_MAX];
	Ramster__LeaseReturn ret = RAMSTER__LEASE_RETURN__INIT;

	for (unsigned int i = 0; i < count; i++) {
		lease[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		lease[i].extent = i + 1;
		leases[i] = &lease[i];
	}
	ret.owner_instance = peer->offer.owner_instance;
	ret.lender_instance = LENDER;
	ret.leases = leases;
	ret.n_leases = count;
	return donor_on_return(d.donor, peer, &ret);
}

static int setup(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		peers[i] =
			(struct peer){ .d = &d, .node.number = i, .state = PEER_UP, .member = true, .session = i + 1 };
		peers[i].offer.owner_instance = 10 + i;
		d.peers[i] = &peers[i];
	}
	draining = false;
	no_lender = false;
	full = released = expelled = admitted = ended = 0;
	released_extents = 0;
	now_ms = cursor = 0;
	conf.hold_time_ms = 60000;
	d.donor = donor_new(&d);
	return d.donor ? 0 : -1;
}

static int teardown(void **state)
{
	answer(-ENOTCONN);
	donor_free(d.donor);
	return 0;
}

/* ---- Tests ---- */

static void test_many_lists(void **state)
{
	for (unsigned int i = 0; i < OPEN_MAX; i++)
		assert_null(ask_list(&peers[0]));
	assert_non_null(ask_list(&peers[0]));
	assert_non_null(ask_leases(&peers[0]));
	assert_non_null(return_leases(&peers[0], 1));
	assert_int_equal(calls_len, OPEN_MAX);

	assert_null(ask_list(&peers[1])); /* it has its own */
	peers[0].session = 3; /* a new connection does not change that */
	assert_non_null(ask_list(&peers[0]));
	answer(0);
	assert_null(ask_list(&peers[0]));
}

/* One on a connection. Those of former ones count as long as they are open. */
static void test_many_requests(void **state)
{
	assert_null(ask_leases(&peers[0]));
	assert_non_null(ask_leases(&peers[0]));
	assert_null(ask_leases(&peers[1]));
	answer(0);
	assert_null(ask_many(&peers[0], 0, R2NET_EXTENT_MIN));
	assert_non_null(ask_many(&peers[0], 0, R2NET_EXTENT_MIN));
	answer(0);
	for (unsigned int i = 0; i < OPEN_MAX / 2; i++) {
		peers[0].session += 2;
		assert_null(ask_leases(&peers[0]));
	}
	peers[0].session += 2;
	assert_non_null(ask_leases(&peers[0]));
	assert_int_equal(calls_len, OPEN_MAX);
	answer(-ENOTCONN);
	assert_null(ask_leases(&peers[0]));
}

/* The lender has no more to clear in one go than for an owner that asks as ours do. */
static void test_large_request(void **state)
{
	static const struct {
		uint32_t count, size, asked;
	} cases[] = {
		{ 1, 2, 1 }, { 8, 2, 8 }, { 64, 2, 8 }, { 64, 1, 16 }, { 64, 4, 4 }, { 64, 32, 1 },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(ask_many(&peers[0], cases[i].count, cases[i].size * R2NET_EXTENT_MIN));
		assert_int_equal(leases_asked, cases[i].asked);
		answer(0);
	}
}

static void test_impossible_request(void **state)
{
	assert_non_null(ask_many(&peers[0], LENDER_MAX_LEASES + 1, R2NET_EXTENT_MIN));
	assert_non_null(ask_many(&peers[0], 1, 0));
	assert_non_null(ask_many(&peers[0], 1, R2NET_EXTENT_MIN + 1));
	assert_non_null(ask_many(&peers[0], 1, R2NET_EXTENT_MAX + R2NET_EXTENT_MIN));
	assert_int_equal(calls_len, 0);
}

static void test_empty_leases(void **state)
{
	assert_non_null(return_leases(&peers[0], EMPTY_MAX));
	assert_int_equal(calls_len, 0);
	assert_null(return_leases(&peers[0], REAL_MAX));
	assert_int_equal(calls_len, (REAL_MAX + LENDER_MAX_LEASES - 1) / LENDER_MAX_LEASES);
}

/* Other owners wait for a few leases at a time. */
static void test_returns_take_turns(void **state)
{
	assert_null(return_leases(&peers[0], 20));
	assert_int_equal(calls_len, 1);
	for (unsigned int turn = 1; turn <= 3; turn++) {
		assert_int_equal(released, turn < 3 ? turn * LENDER_TURN_LEASES : 20);
		answer_first();
	}
	assert_int_equal(released_extents, 20 * 21 / 2);
	assert_int_equal(calls_len, 0);
	assert_null(return_leases(&peers[0], 20));
	answer(-ENOTCONN);
	assert_int_equal(calls_len, 0);
}

/* However questions end, all of a peer's are free again. */
static void test_all_come_back(void **state)
{
	static const int errors[] = { 0, -EINVAL, -ENOTCONN };

	for (unsigned int i = 0; i < 3 * OPEN_MAX; i++) {
		assert_null(ask_list(&peers[0]));
		assert_null(ask_leases(&peers[0]));
		assert_null(return_leases(&peers[0], 100));
		donor_lender_came(d.donor);
		if (i % 2)
			peers[0].session++;
		answer(errors[i % 3]);
	}
}

/* What the lender was asked for before a drain began comes after it: nobody gets it. */
static void test_drain_overtakes_a_lease(void **state)
{
	assert_null(ask_leases(&peers[0]));
	draining = true;
	answer_with(0, 3);
	assert_int_equal(full, 1);
	assert_int_equal(released, 3);
}

/* After a standstill of this node the owner may be back before it is next seen to be up. */
static void test_back_in_time(void **state)
{
	donor_lender_came(d.donor);
	now_ms = 60000;
	answer_with(0, 3);
	assert_int_equal(expelled, 0);
	peers[0].state = PEER_IDLE;
	donor_lender_came(d.donor);
	answer_with(0, 3);
	assert_int_equal(expelled, 1);
}

static void assert_last(uint32_t command, uint32_t owner, uint64_t instance)
{
	assert_int_equal(last.command, command);
	assert_int_equal(last.owner, owner);
	assert_int_equal(last.instance, instance);
}

/* The lender has another token at once, which is what the owner gets from then on. */
static void test_key_retired(void **state)
{
	uint8_t before[R2NET_TOKEN_LEN];

	assert_null(ask_leases(&peers[0]));
	answer_with(0, 1);
	memcpy(before, granted, sizeof(before));
	donor_key_retired(d.donor);
	assert_int_equal(admitted, 2);
	assert_last(LENDER_ADMIT, 0, 10);
	assert_memory_not_equal(last.token, before, sizeof(before));
	answer(0);
	donor_tick(d.donor);
	assert_int_equal(admitted, 2);
	assert_null(ask_leases(&peers[0]));
	answer_with(0, 1);
	assert_memory_equal(granted, last.token, sizeof(granted));
	assert_memory_not_equal(granted, before, sizeof(granted));
}

/* A lender that goes on with the tokens it had gets others when it comes, or says that it did not take them. */
static void test_key_retired_without_lender(void **state)
{
	uint8_t before[R2NET_TOKEN_LEN];

	assert_null(ask_leases(&peers[0]));
	memcpy(before, last.token, sizeof(before));
	answer_with(0, 1);
	no_lender = true;
	donor_key_retired(d.donor);
	assert_int_equal(admitted, 1);
	no_lender = false;
	donor_lender_came(d.donor);
	assert_int_equal(admitted, 2);
	answer(-ENOTCONN);
	donor_tick(d.donor);
	assert_int_equal(admitted, 3);
	assert_last(LENDER_ADMIT, 0, 10);
	assert_memory_not_equal(last.token, before, sizeof(before));
}

/* An owner that only the lender knows, because this ramsterd is younger than the lease. */
static void test_key_retired_of_unknown_owner(void **state)
{
	peers[0].state = PEER_IDLE;
	donor_key_retired(d.donor);
	assert_int_equal(admitted, 0);
	answer_with(0, 3);
	assert_int_equal(admitted, 1);
	assert_last(LENDER_ADMIT, 0, 10);
}

static void look_after_hold_time(void)
{
	now_ms = 60000;
	for (unsigned int i = 0; i < 3; i++) {
		donor_lender_came(d.donor);
		answer(0);
	}
}

/* Who has a token of a former ramsterd, and neither leases nor a word since, keeps it no longer than others keep theirs. */
static void test_token_from_before(void **state)
{
	peers[0].state = PEER_IDLE;
	donor_lender_came(d.donor);
	answer(0);
	assert_int_equal(admitted, 0);
	look_after_hold_time();
	assert_int_equal(admitted, 1);
	assert_int_equal(expelled, 1);
	assert_int_not_equal(last.instance, 10);
}

/* It is replaced at once when a key is retired, or its owner is taken out, unless that has leases. */
static void test_token_from_before_ends_at_once(void **state)
{
	struct peer *owner = d.peers[0];

	owner->state = PEER_IDLE;
	donor_key_retired(d.donor);
	answer(0);
	assert_int_equal(admitted, 1);
	assert_int_not_equal(last.instance, 10);
	owner->state = PEER_UP;
	assert_null(ask_leases(owner)); /* it is told the next one */
	assert_int_equal(admitted, 2);
	assert_last(LENDER_ADMIT, 0, 10);
	answer(0);

	donor_free(d.donor);
	d.donor = donor_new(&d);
	d.peers[0] = NULL;
	donor_node_removed(d.donor, 0);
	answer(0);
	assert_int_equal(admitted, 3);
	assert_int_not_equal(last.instance, 10);
}

static void test_node_removed(void **state)
{
	assert_null(ask_leases(&peers[0]));
	answer(0);
	d.peers[0] = NULL;
	donor_node_removed(d.donor, 0);
	assert_int_equal(expelled, 1);
	assert_last(LENDER_EXPEL, 0, 10);
}

/* With leases it has until hold_time, without them its token ends then, too; once. */
static void test_tokens_end(void **state)
{
	assert_null(ask_leases(&peers[0]));
	answer(0);
	peers[0].state = PEER_IDLE;
	now_ms = 59000;
	donor_lender_came(d.donor);
	answer(0);
	assert_int_equal(expelled, 0);
	look_after_hold_time();
	assert_int_equal(expelled, 1);
	assert_last(LENDER_EXPEL, 0, 10);
}

/* Node 0, which had a token, was away for hold_time. */
static void expulsion_begins(void)
{
	assert_null(ask_leases(&peers[0]));
	answer(0);
	peers[0].state = PEER_IDLE;
	now_ms = 60000;
	donor_lender_came(d.donor);
	answer_first();
}

/* Who comes back while it is being expelled is admitted behind that, and its request is answered. */
static void test_back_while_expelled(void **state)
{
	expulsion_begins();
	assert_int_equal(expelled, 1);
	peers[0].state = PEER_UP;
	memset(granted, 0, sizeof(granted));
	assert_null(ask_leases(&peers[0]));
	answer_first();
	answer_with(0, 1);
	assert_memory_equal(granted, last.token, sizeof(granted));
}

/* A lender that never comes to the end of a list is not asked for more of it. */
static void test_lists_go_forward(void **state)
{
	for (unsigned int audit = 0; audit < 2; audit++) {
		if (audit)
			donor_lender_came(d.donor);
		else
			assert_null(ask_list(&peers[0]));
		for (cursor = 64; cursor <= 128; cursor += 64) {
			answer_first();
			assert_int_equal(calls_len, 1);
		}
		cursor = 128;
		answer_first();
		assert_int_equal(calls_len, 0);
	}
	cursor = 0;
	donor_lender_came(d.donor);
	assert_int_equal(calls_len, 1); /* the next walk begins */
}

/* Returns whether it was one that expels node 0. */
static bool answer_next(void)
{
	bool was = calls[0].command == LENDER_EXPEL && !calls[0].owner;

	answer_first();
	return was;
}

/* The lender ends leases a few at a time, and is asked again until none is left, by one question at a time. */
static void test_expulsion_takes_turns(void **state)
{
	expulsion_begins();
	ended = LENDER_TURN_LEASES;
	for (unsigned int turn = 1; turn <= 3; turn++) {
		assert_int_equal(expelled, turn);
		donor_lender_came(d.donor);
		while (!answer_next())
			;
	}
	assert_int_equal(expelled, 4);
	peers[0].state = PEER_UP; /* it is back, and keeps the others */
	while (calls_len)
		answer_next();
	assert_int_equal(expelled, 4);
}

/* A lender that says for ever that there were more is not asked for ever. */
static void test_expulsion_has_an_end(void **state)
{
	expulsion_begins();
	ended = LENDER_TURN_LEASES;
	while (calls_len && expelled < 100000)
		answer_next();
	assert_in_range(expelled, 30000, 40000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_impossible_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_returns_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain_overtakes_a_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_retired, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_retired_without_lender, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_retired_of_unknown_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token_from_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token_from_before_ends_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_node_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tokens_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_while_expelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expulsion_takes_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expulsion_has_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_go_forward, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
