// SPDX-License-Identifier: GPL-2.0-or-later
/* The module forgets its peers only when nothing is with them: release.c with a module of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/configfs.h"
#include "daemon/kernel.h"
#include "daemon/log.h"
#include "daemon/release.h"

static struct kernel_peer peer;
static uint64_t under_way; /* pages that get there once the module was told to keep nothing */
static uint32_t kept;
static unsigned int deaths, clears;
static int read_error;

/* ---- What release.c calls ---- */

uv_loop_t *uv_default_loop(void)
{
	return NULL;
}

void log_print(int priority, const char *format, ...)
{
}

struct kernel *kernel_new(uv_loop_t *loop, const struct kernel_events *events, void *ctx)
{
	return (struct kernel *)&peer;
}

void kernel_free(struct kernel *kernel)
{
}

int kernel_view_read(struct kernel *kernel, struct kernel_view *view)
{
	view->peers = &peer;
	view->peers_len = 1;
	return read_error;
}

void kernel_view_clear(struct kernel_view *view)
{
}

int kernel_lease_keep(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t keep)
{
	kept = keep;
	peer.leaving = keep ? 0 : peer.extents;
	peer.pages += under_way;
	under_way = 0;
	return 0;
}

int kernel_peer_dead(struct kernel *kernel, uint32_t node, uint64_t lender_instance)
{
	assert_int_equal(kept, 0);
	deaths++;
	return 0;
}

int configfs_clear(void)
{
	clears++;
	return 0;
}

/* ---- Tests ---- */

static int setup(void **state)
{
	peer = (struct kernel_peer){ .node = 1, .state = RAMSTER_PEER_UP, .extents = 4 };
	under_way = 0;
	kept = UINT32_MAX;
	deaths = clears = 0;
	read_error = 0;
	return 0;
}

static void test_nothing_there(void **state)
{
	assert_int_equal(release(), 0);
	assert_int_equal(deaths, 1);
	assert_int_equal(clears, 1);
}

static void test_pages_there(void **state)
{
	peer.pages = 1;
	assert_int_equal(release(), -EBUSY);
	assert_int_equal(kept, UINT32_MAX);
	assert_int_equal(deaths + clears, 0);
}

static void test_pages_under_way(void **state)
{
	under_way = 1;
	assert_int_equal(release(), -EBUSY);
	assert_int_equal(kept, UINT32_MAX);
	assert_int_equal(deaths + clears, 0);
}

static void test_no_module(void **state)
{
	read_error = -ENOENT;
	assert_int_equal(release(), 0);
	read_error = -ETIMEDOUT;
	assert_int_equal(release(), -ETIMEDOUT);
	assert_int_equal(deaths + clears, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_there, setup),
		cmocka_unit_test_setup(test_pages_there, setup),
		cmocka_unit_test_setup(test_pages_under_way, setup),
		cmocka_unit_test_setup(test_no_module, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
