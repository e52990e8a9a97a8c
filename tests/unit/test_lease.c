// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An owner's dealings with donors that are slow, broken or hostile: lease.c with a clock, a module and peers of our own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/giveback.h"
#include "daemon/log.h"
#include "daemon/peer.h"

#define MIB (1ULL << 20)
#define EXTENT (4 * MIB)
#define DONORS 2
#define LENDER(node) (100ULL + (node))

/* What a peer was sent, by kind. */
struct sent {
	unsigned int lists, requests, extents, returns, returned;
};

static struct ramsterd d;
static struct conf conf;
static struct peer peers[DONORS];
static struct sent sent[DONORS];
static uint64_t now_ms;
static bool link_is_ready, token_wanted;
static unsigned int tried_soon;
static int admit_error, get_error;
static unsigned int module_has; /* leases, extents 1 ... of donor 0 */
static unsigned int added; /* leases that it was given */
static unsigned int deaths; /* of lenders, that it was told of */
static unsigned int limited, unlimited; /* lines of the log */

/* ---- What lease.c calls ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
	return now_ms;
}

void log_print(int priority, const char *format, ...)
{
	unlimited += priority < LOG_DEBUG;
}

void log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
	limited += priority < LOG_DEBUG && limit == &peers[0].log_limit;
}

void ramsterd_random(void *bytes, size_t len)
{
	memset(bytes, 0, len);
}

void ramsterd_tick_soon(struct ramsterd *daemon)
{
}

void peer_send(struct peer *peer, const Ramster__Message *message)
{
	struct sent *s = &sent[peer->node.number];

	switch (message->body_case) {
	case RAMSTER__MESSAGE__BODY_LIST_LEASES:
		s->lists++;
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_REQUEST:
		s->requests++;
		s->extents += message->lease_request->count;
		break;
	case RAMSTER__MESSAGE__BODY_LEASE_RETURN:
		s->returns++;
		s->returned += message->lease_return->n_leases;
		break;
	default:
		fail();
	}
}

int link_admit(struct peer *peer, const uint8_t *token, uint64_t lender_instance, uint16_t port)
{
	return admit_error;
}

bool link_tick(struct peer *peer, bool wanted)
{
	return token_wanted;
}

bool link_ready(const struct peer *peer, uint64_t lender_instance)
{
	return link_is_ready;
}

void link_try_soon(struct peer *peer)
{
	tried_soon++;
}

void link_moved(struct peer *peer, uint64_t lender_instance, uint16_t port)
{
}

void link_reset(struct peer *peer)
{
}

const char *kernel_error(const struct kernel *kernel)
{
	return "";
}

int kernel_lease_add(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t extent_size,
		     const struct ramster_nl_lease *leases, unsigned int count)
{
	added += count;
	return 0;
}

/* In no order, and with leases of another lender and of another node among them. */
int kernel_lease_get(struct kernel *kernel, struct kernel_lease **leases, unsigned int *len)
{
	if (get_error)
		return get_error;
	*len = 3 * module_has;
	*leases = *len ? calloc(*len, sizeof(**leases)) : NULL;
	for (unsigned int i = 0; i < *len; i++)
		(*leases)[i] = (struct kernel_lease){
			.node = i % 3 == 1,
			.lender_instance = LENDER(0) + (i % 3 == 2),
			.lease = { .extent = module_has - i / 3 + 1000 * (i % 3), .generation = 1 },
		};
	return 0;
}

void giveback_keep(struct ramsterd *daemon)
{
}

void giveback_tend(struct peer *peer)
{
}

void giveback_forget(struct peer *peer)
{
}

void giveback_tick(struct ramsterd *daemon)
{
}

bool peer_is_usable(const struct peer *peer)
{
	return peer->member && peer->state == PEER_UP;
}

int kernel_peer_dead(struct kernel *kernel, uint32_t node, uint64_t lender_instance)
{
	deaths++;
	return 0;
}

uint64_t kernel_view_counter(const struct kernel_view *view, const char *name)
{
	return 0;
}

const struct kernel_peer *kernel_view_peer(const struct kernel_view *view, uint32_t node, uint64_t lender_instance)
{
	return NULL;
}

/* ---- The scene ---- */

/* A list of @count leases, extents @first ..., of generation 1. */
static const char *hear_list(struct peer *peer, unsigned int first, unsigned int count, bool last)
{
	Ramster__LeaseList list = RAMSTER__LEASE_LIST__INIT;
	Ramster__Lease *leases = calloc(count + 1, sizeof(*leases)), **pointers = calloc(count + 1, sizeof(*pointers));
	const char *wrong;

	for (unsigned int i = 0; i < count; i++) {
		leases[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		leases[i].extent = first + i;
		leases[i].generation = 1;
		pointers[i] = &leases[i];
	}
	list.lender_instance = LENDER(peer->node.number);
	list.leases = pointers;
	list.n_leases = count;
	list.last = last;
	wrong = lease_on_list(peer, &list);
	free(leases);
	free(pointers);
	return wrong;
}

/* @size: of each lease, bytes */
static void hear_grant(struct peer *peer, unsigned int count, uint32_t size)
{
	Ramster__LeaseGrant grant = RAMSTER__LEASE_GRANT__INIT;
	Ramster__Lease leases[RAMSTER_NL_MAX_LEASES], *pointers[RAMSTER_NL_MAX_LEASES];
	uint8_t token[R2NET_TOKEN_LEN] = { 0 };

	for (unsigned int i = 0; i < count; i++) {
		leases[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		leases[i].extent = i + 1;
		leases[i].generation = 1;
		leases[i].size = size;
		pointers[i] = &leases[i];
	}
	grant.leases = pointers;
	grant.n_leases = count;
	grant.extent_size = size;
	grant.token.data = token;
	grant.token.len = sizeof(token);
	grant.lender_instance = LENDER(peer->node.number);
	grant.data_port = 1;
	lease_on_grant(peer, &grant);
}

static void tick_after(uint64_t ms)
{
	now_ms += ms;
	lease_tick(&d);
}

/* Donor 0 has been listed; donor 1 is up, but lends nothing yet. */
static int setup(void **state)
{
	memset(&d, 0, sizeof(d));
	memset(peers, 0, sizeof(peers));
	now_ms = 100000;
	link_is_ready = true;
	token_wanted = false;
	tried_soon = 0;
	admit_error = get_error = 0;
	module_has = 0;
	added = 0;
	deaths = limited = unlimited = 0;
	conf.hold_time_ms = 60000;
	conf.extent_size = EXTENT;
	d.conf = &conf;
	d.view.instance = 1;
	for (unsigned int i = 0; i < DONORS; i++) {
		peers[i] = (struct peer){ .d = &d, .node.number = i, .state = PEER_UP, .member = true };
		peers[i].offer.lender_instance = LENDER(i);
		d.peers[i] = &peers[i];
	}
	peers[0].offer.free = 1000 * EXTENT;
	lease_tick(&d);
	for (unsigned int i = 0; i < DONORS; i++)
		hear_list(&peers[i], 1, 0, true);
	memset(sent, 0, sizeof(sent));
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < DONORS; i++)
		lease_reset(&peers[i]);
	return 0;
}

/* ---- Tests ---- */

static void test_silent_donor_is_not_counted_on(void **state)
{
	d.view.need = 8 * EXTENT;
	tick_after(1000);
	assert_int_equal(sent[0].extents, 8);
	peers[1].offer.free = 1000 * EXTENT;
	tick_after(1000);
	assert_int_equal(sent[1].extents, 0);
	tick_after(10000);
	assert_int_equal(sent[1].extents, 8);
	assert_int_equal(sent[0].requests, 1);

	hear_grant(&peers[0], 8, EXTENT); /* late, and welcome */
	assert_int_equal(added, 8);
	assert_int_equal(sent[0].returned, 0);
}

static void test_grant_that_the_module_refuses_is_listed(void **state)
{
	admit_error = -ENOENT;
	d.view.need = 8 * EXTENT;
	tick_after(1000);
	hear_grant(&peers[0], 8, EXTENT);
	assert_int_equal(added, 0);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
	hear_list(&peers[0], 1, 8, true);
	assert_int_equal(sent[0].returned, 8);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
}

static void test_impossible_grant_is_listed(void **state)
{
	d.view.need = 8 * EXTENT;
	tick_after(1000);
	hear_grant(&peers[0], 8, EXTENT / 2);
	assert_int_equal(added, 0);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
}

static void test_token_alone_keeps_the_grant(void **state)
{
	link_is_ready = false;
	d.view.need = 8 * EXTENT;
	tick_after(1000);
	hear_grant(&peers[0], 8, EXTENT);
	token_wanted = true;
	tick_after(1000);
	assert_int_equal(sent[0].requests, 2);
	link_is_ready = true;
	hear_grant(&peers[0], 0, EXTENT);
	assert_int_equal(added, 8);
}

static void test_lender_that_was_away_is_listed(void **state)
{
	peers[0].offer.lender_instance = 0;
	lease_offer_changed(&peers[0]);
	peers[0].offer.lender_instance = LENDER(0);
	lease_offer_changed(&peers[0]);
	assert_int_equal(tried_soon, 1); /* it may be the same, with all that it had */
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
	hear_list(&peers[0], 1, 0, true);
	lease_offer_changed(&peers[0]);
	assert_int_equal(tried_soon, 1);
}

static void test_waiting_grant_is_not_lost(void **state)
{
	link_is_ready = false;
	d.view.need = 8 * EXTENT;
	tick_after(1000);
	hear_grant(&peers[0], 8, EXTENT);
	peers[0].offer.lender_instance = 0;
	lease_offer_changed(&peers[0]);
	peers[0].offer.lender_instance = LENDER(0);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 0);
	link_is_ready = true;
	lease_link_changed(&peers[0]);
	assert_int_equal(added, 8);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
}

static void ask_for_list(struct peer *peer)
{
	peer->offer.lender_instance = 0;
	lease_offer_changed(peer);
	peer->offer.lender_instance = LENDER(peer->node.number);
	tick_after(1000);
}

/* A list that cannot be used is asked for again, but not with every event. */
static void test_useless_list(void **state)
{
	Ramster__LeaseList nobody = RAMSTER__LEASE_LIST__INIT;

	nobody.last = true;
	ask_for_list(&peers[0]);
	get_error = -ENOMEM;
	hear_list(&peers[0], 1, 8, true);
	tick_after(10);
	assert_int_equal(sent[0].lists, 1);
	tick_after(2000);
	assert_int_equal(sent[0].lists, 2);
	assert_null(lease_on_list(&peers[0], &nobody)); /* of no lender, though one is offered */
	tick_after(10);
	assert_int_equal(sent[0].lists, 2);
	get_error = 0;
	tick_after(2000);
	hear_list(&peers[0], 1, 8, true);
	assert_int_equal(sent[0].returned, 8);
}

static void test_list_without_end(void **state)
{
	unsigned int parts = 0;
	const char *wrong;

	ask_for_list(&peers[0]);
	do
		wrong = hear_list(&peers[0], 1, 4096, false);
	while (!wrong && ++parts < 1000);
	assert_non_null(wrong);
	assert_int_equal(parts, (1 << 18) / 4096);
}

static void test_reconcile(void **state)
{
	module_has = 100;
	ask_for_list(&peers[0]);
	hear_list(&peers[0], 51, 30, false);
	hear_list(&peers[0], 81, 30, true);
	assert_int_equal(sent[0].returned, 10);
	tick_after(1000);
	assert_int_equal(sent[0].lists, 1);
}

static void test_many_lost_come_back_in_parts(void **state)
{
	unsigned int left = 5000;

	ask_for_list(&peers[0]);
	while (left) {
		unsigned int lists = sent[0].lists, returns = sent[0].returns, returned = sent[0].returned;

		assert_null(hear_list(&peers[0], 1, left, true));
		assert_true(sent[0].returns - returns <= 16);
		assert_true(sent[0].returned > returned);
		left -= sent[0].returned - returned;
		tick_after(10);
		assert_int_equal(sent[0].lists, lists + !!left);
	}
}

/* It is forgotten when nothing is left there, as the module says after it was told to keep nothing; or after hold_time. */
static void test_node_that_is_not_configured(void **state)
{
	struct kernel_peer unknown = { .node = 5, .lender_instance = 105, .state = RAMSTER_PEER_UP, .used = 3 };

	d.view.peers = &unknown;
	d.view.peers_len = 1;
	tick_after(1000);
	assert_int_equal(deaths, 0);
	d.kept[5] = (struct kept){ .lender = 105, .keep = 0, .at_ms = now_ms };
	tick_after(1000);
	assert_int_equal(deaths, 0);
	unknown.used = 0;
	unknown.extents = 1;
	tick_after(10);
	assert_int_equal(deaths, 0); /* it is not said yet that nothing new gets there */
	unknown.leaving = 1;
	tick_after(1000);
	assert_int_equal(deaths, 1);
	unknown.used = 3;
	tick_after(58000);
	assert_int_equal(deaths, 2);
	unknown.lender_instance = 106;
	tick_after(1000);
	assert_int_equal(deaths, 2);
	d.view.peers_len = 0;
}

/* Whatever a donor does again and again is said with its limit. */
static void test_log_is_limited(void **state)
{
	struct kernel_peer former = { .node = 0, .lender_instance = 99, .state = RAMSTER_PEER_UP, .pages = 1 };
	Ramster__LeaseGrant refusal = RAMSTER__LEASE_GRANT__INIT;

	d.view.need = 8 * EXTENT;
	tick_after(1000);
	hear_grant(&peers[0], 8, EXTENT / 2); /* impossible */
	assert_int_equal(limited, 1);
	tick_after(3000);
	hear_list(&peers[0], 1, 8, true); /* leases that nobody has */
	assert_int_equal(limited, 2);
	tick_after(3000);
	refusal.error = RAMSTER__LEASE_GRANT__ERROR__QUOTA;
	lease_on_grant(&peers[0], &refusal);
	assert_int_equal(limited, 3);
	tick_after(3000);
	link_is_ready = false;
	hear_grant(&peers[0], 8, EXTENT);
	tick_after(10000); /* nobody is at the port that it told */
	assert_int_equal(limited, 4);
	d.view.peers = &former;
	d.view.peers_len = 1;
	tick_after(1000);
	assert_int_equal(deaths, 1);
	assert_int_equal(limited, 5);
	assert_int_equal(unlimited, 0);
	d.view.peers_len = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_donor_is_not_counted_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grant_that_the_module_refuses_is_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_impossible_grant_is_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token_alone_keeps_the_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lender_that_was_away_is_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_grant_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_useless_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reconcile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lost_come_back_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_node_that_is_not_configured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_is_limited, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
