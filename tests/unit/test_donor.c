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
	sidedoor_reply_fn reply;
	void *ctx;
} calls[CALLS];
static unsigned int calls_len; /* that wait for answer() */

static const struct lender_status lender = { .instance = LENDER, .port = 1 };
static struct conf_node self = { .lend = CONF_LEND_SIZE };
static struct conf conf = { .quota = CONF_NO_QUOTA };
static struct ramsterd d = { .self = &self, .conf = &conf };
static struct peer peers[2];
static bool draining;
static uint64_t now_ms;
static unsigned int expelled; /* EXPEL that the lender was asked */
static unsigned int full; /* grants with FULL that were sent */
static unsigned int released; /* leases that the lender was told to end */

/* ---- What donor.c calls ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
	return now_ms;
}

void log_print(int priority, const char *format, ...)
{
}

void ramsterd_random(void *bytes, size_t len)
{
	memset(bytes, 0, len);
}

bool lend_borrowing(const struct ramsterd *daemon)
{
	return false;
}

void peer_send(struct peer *peer, const Ramster__Message *message)
{
	full += message->body_case == RAMSTER__MESSAGE__BODY_LEASE_GRANT &&
		message->lease_grant->error == RAMSTER__LEASE_GRANT__ERROR__FULL;
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
	return &lender;
}

int sidedoor_call(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx)
{
	assert_true(calls_len < CALLS);
	if (request->command == LENDER_RELEASE)
		released += request->count;
	expelled += request->command == LENDER_EXPEL;
	calls[calls_len++] = (struct call){ .reply = reply, .ctx = ctx };
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

		if (call->reply)
			call->reply(call->ctx, error, error == -ENOTCONN ? NULL : &reply);
	}
}

static void answer(int error)
{
	answer_with(error, 0);
}

static const char *ask_list(struct peer *peer)
{
	Ramster__ListLeases list = RAMSTER__LIST_LEASES__INIT;

	return donor_on_list(d.donor, peer, &list);
}

static const char *ask_leases(struct peer *peer)
{
	Ramster__LeaseRequest request = RAMSTER__LEASE_REQUEST__INIT;

	request.owner_instance = peer->offer.owner_instance;
	request.count = 1;
	request.extent_size = R2NET_EXTENT_MIN;
	return donor_on_request(d.donor, peer, &request);
}

static const char *return_leases(struct peer *peer, unsigned int count)
{
	static Ramster__Lease lease = RAMSTER__LEASE__INIT, *leases[EMPTY_MAX];
	Ramster__LeaseReturn ret = RAMSTER__LEASE_RETURN__INIT;

	for (unsigned int i = 0; i < count; i++)
		leases[i] = &lease;
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
	full = released = expelled = 0;
	now_ms = 0;
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

static void test_many_requests(void **state)
{
	for (unsigned int i = 0; i < OPEN_MAX / 2; i++)
		assert_null(ask_leases(&peers[0]));
	assert_non_null(ask_leases(&peers[0]));
	assert_int_equal(calls_len, OPEN_MAX);
	answer(-ENOTCONN);
	assert_null(ask_leases(&peers[0]));
}

static void test_empty_leases(void **state)
{
	assert_non_null(return_leases(&peers[0], EMPTY_MAX));
	assert_int_equal(calls_len, 0);
	assert_null(return_leases(&peers[0], REAL_MAX));
	assert_int_equal(calls_len, (REAL_MAX + LENDER_MAX_LEASES - 1) / LENDER_MAX_LEASES);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain_overtakes_a_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_in_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
