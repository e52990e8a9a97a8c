// SPDX-License-Identifier: GPL-2.0-or-later
/* What an owner keeps and gives back: giveback.c with a clock, a module and donors of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/attribute.h"
#include "daemon/giveback.h"
#include "daemon/log.h"
#include "daemon/peer.h"

#define MIB (1ULL << 20)
#define EXTENT (4 * MIB)
#define OWNER 7ULL /* our module's instance */
#define OLD 100ULL /* lenders of the donor */
#define NEW 101ULL
#define ALL UINT32_MAX

static struct ramsterd d;
static struct conf conf;
static struct peer donor;
static struct kernel_peer module_peer; /* the donor, as the module sees it */
static uint64_t now_ms;
static uint32_t kept; /* what the module was told last */
static unsigned int keeps; /* how often */
static unsigned int returned, empty; /* leases; those that the module has to give */

/* ---- What giveback.c calls ---- */

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

void ramsterd_tick_soon(struct ramsterd *daemon)
{
}

bool ramsterd_second(const struct ramsterd *daemon, uint64_t *at_ms)
{
	bool passed = now_ms - *at_ms >= 1000;

	if (passed)
		*at_ms = now_ms;
	return passed;
}

int attribute_read(const char *path, char *value, size_t len)
{
	return -1;
}

bool peer_is_usable(const struct peer *peer)
{
	return peer->member && peer->state == PEER_UP;
}

const char *kernel_error(const struct kernel *kernel)
{
	return "";
}

int kernel_lease_keep(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t keep)
{
	assert_int_equal(node, module_peer.node);
	assert_int_equal(lender_instance, module_peer.lender_instance);
	kept = keep;
	keeps++;
	return 0;
}

int kernel_lease_return(struct kernel *kernel, uint32_t node, uint64_t lender_instance, unsigned int count,
			struct ramster_nl_lease *leases, unsigned int *len)
{
	assert_in_range(count, 1, RAMSTER_NL_MAX_LEASES);
	*len = count < empty ? count : empty;
	memset(leases, 0, *len * sizeof(*leases));
	empty -= *len;
	return 0;
}

const struct kernel_peer *kernel_view_peer(const struct kernel_view *view, uint32_t node, uint64_t lender_instance)
{
	for (unsigned int i = 0; i < view->peers_len; i++)
		if (view->peers[i].node == node && view->peers[i].lender_instance == lender_instance)
			return &view->peers[i];
	return NULL;
}

void lease_send_return(struct peer *peer, uint64_t lender_instance, const struct ramster_nl_lease *from,
		       unsigned int count)
{
	assert_int_equal(lender_instance, peer->offer.lender_instance);
	returned += count;
}

struct placement_donor lease_as_donor(const struct peer *peer)
{
	return (struct placement_donor){ .node = peer->node.number, .weight = 1 };
}

uint32_t lease_random(void *ctx)
{
	return 0;
}

/* ---- The scene ---- */

static void tick_after(uint64_t ms)
{
	now_ms += ms;
	giveback_keep(&d);
	giveback_tend(&donor);
	giveback_tick(&d);
}

static void hear_revoke(uint64_t owner, uint64_t lender, uint32_t keep)
{
	Ramster__LeaseRevoke revoke = RAMSTER__LEASE_REVOKE__INIT;

	revoke.owner_instance = owner;
	revoke.lender_instance = lender;
	revoke.keep = keep;
	giveback_on_revoke(&donor, &revoke);
}

/* Another lender answers there. */
static void come(uint64_t lender)
{
	donor.offer.lender_instance = lender;
	module_peer.lender_instance = lender;
}

/* A donor that is up, of which the module has leases. */
static int setup(void **state)
{
	memset(&d, 0, sizeof(d));
	conf.extent_size = EXTENT;
	now_ms = 100000;
	kept = 12345;
	keeps = returned = empty = 0;
	module_peer = (struct kernel_peer){ .node = 1, .state = RAMSTER_PEER_UP, .extents = 100 };
	donor = (struct peer){ .d = &d, .node.number = 1, .state = PEER_UP, .member = true };
	d.conf = &conf;
	d.view.instance = OWNER;
	d.view.peers = &module_peer;
	d.view.peers_len = 1;
	d.peers[1] = &donor;
	come(OLD);
	return 0;
}

/* ---- Tests ---- */

static void test_revoke(void **state)
{
	tick_after(1000);
	assert_int_equal(kept, ALL);
	hear_revoke(OWNER, OLD, 5);
	tick_after(10);
	assert_int_equal(kept, 5);
	tick_after(1000);
	assert_int_equal(keeps, 2);
	hear_revoke(OWNER + 1, OLD, 3); /* of a module that is gone */
	tick_after(10);
	assert_int_equal(kept, 5);
	giveback_forget(&donor);
	tick_after(10);
	assert_int_equal(kept, ALL);
}

/* What is said of a lender before it is offered holds from then on, and not for the one before it. */
static void test_revoke_before_the_offer(void **state)
{
	hear_revoke(OWNER, OLD, 5);
	tick_after(10);
	hear_revoke(OWNER, NEW, 3);
	tick_after(10);
	assert_int_equal(kept, ALL);
	come(NEW);
	tick_after(10);
	assert_int_equal(kept, 3);
}

static void test_new_lender_is_not_revoked(void **state)
{
	hear_revoke(OWNER, OLD, 0);
	tick_after(10);
	assert_int_equal(kept, 0);
	come(NEW);
	tick_after(10);
	assert_int_equal(kept, ALL);
}

/* Without quorum, say. */
static void test_no_member(void **state)
{
	donor.member = false;
	hear_revoke(OWNER, OLD, 5);
	module_peer.leaving = empty = 3;
	tick_after(10);
	assert_int_equal(kept, 5);
	assert_int_equal(returned, 3);
}

/* Pages come home from a node that is down, and from one that is not configured any more. */
static void test_evict_needs_nobody(void **state)
{
	donor.state = PEER_IDLE;
	donor.member = false;
	giveback_evict(&d, true);
	tick_after(10);
	assert_int_equal(kept, 0);
	giveback_evict(&d, false);
	tick_after(10);
	assert_int_equal(kept, ALL);
	d.peers[1] = NULL;
	tick_after(10);
	assert_int_equal(kept, 0);
	module_peer.state = RAMSTER_PEER_DEAD;
	giveback_evict(&d, false);
	tick_after(10);
	assert_int_equal(keeps, 3);
}

/* Events bring a hundred ticks in a second, and each return is an event. */
static void test_spare_by_seconds(void **state)
{
	module_peer.space = 100 * EXTENT;
	empty = 100;
	for (unsigned int i = 0; i < 2900; i++)
		tick_after(10);
	assert_int_equal(returned, 0);
	for (unsigned int i = 0; i < 300; i++)
		tick_after(10);
	assert_in_range(returned, 8, 12);
}

/* A donor ends the connection of who asks too much at once. */
static void test_many_revoked(void **state)
{
	hear_revoke(OWNER, OLD, 0);
	module_peer.leaving = empty = 5000;
	tick_after(1000);
	tick_after(10);
	assert_int_equal(returned, 1024);
	for (unsigned int i = 0; i < 4; i++)
		tick_after(1000);
	assert_int_equal(returned, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_revoke, setup),
		cmocka_unit_test_setup(test_revoke_before_the_offer, setup),
		cmocka_unit_test_setup(test_new_lender_is_not_revoked, setup),
		cmocka_unit_test_setup(test_no_member, setup),
		cmocka_unit_test_setup(test_evict_needs_nobody, setup),
		cmocka_unit_test_setup(test_spare_by_seconds, setup),
		cmocka_unit_test_setup(test_many_revoked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
