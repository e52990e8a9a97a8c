// SPDX-License-Identifier: GPL-2.0-or-later
/* A reload never loses sight of this node's pages: reload.c with files and a module of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/auth.h"
#include "daemon/configfs.h"
#include "daemon/donor.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/reload.h"
#include "daemon/settings.h"

#define FILE_NAME "test_reload.conf"

static struct ramsterd d;
static struct kernel_peer module_peer; /* node 1 */
static char key_file[64];
static unsigned int errors, made, freed, retired, removed;

/* ---- What reload.c calls ---- */

void log_print(int priority, const char *format, ...)
{
	errors += priority == LOG_ERR;
}

int configfs_fill(const struct conf *conf, const struct conf_node *self)
{
	return 0;
}

const char *configfs_set_parameters(const struct conf *conf)
{
	return NULL;
}

bool donor_over_quota(const struct donor *donor, const struct conf_node *node, char text[DONOR_TEXT_LEN])
{
	return false;
}

uint64_t donor_held(const struct donor *donor, unsigned int node)
{
	return 0;
}

void donor_key_retired(struct donor *donor)
{
	retired++;
}

void donor_node_removed(struct donor *donor, uint32_t node)
{
	assert_null(d.peers[node]);
	removed++;
}

void lend_renew(struct ramsterd *daemon)
{
}

int settings_assign(struct conf *conf, unsigned int self, char *const *assignments, size_t count,
		    char error[CONF_ERROR_LEN])
{
	return 0;
}

int link_set_deadlines(struct peer *peer)
{
	return 0;
}

void ramsterd_tick_soon(struct ramsterd *daemon)
{
}

void ramsterd_read_kernel(struct ramsterd *daemon)
{
}

struct peer *peer_new(struct ramsterd *daemon, const struct conf_node *node)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	peer->node = *node;
	made++;
	return peer;
}

void peer_keys_changed(struct peer *peer)
{
}

void peer_free(struct peer *peer)
{
	freed++;
	free(peer);
}

/* ---- The scene ---- */

static void add_node(FILE *file, const char *name, unsigned int number, const char *address, unsigned int port)
{
	fprintf(file, "node:\n\tname = %s\n\tnumber = %u\n\taddress = %s\n\tport = %u\n\tcluster = demo\n", name,
		number, address, port);
}

/* Node 0, which is this one, and node 1, unless @name is NULL. */
static void write_file(const char *name, const char *address, unsigned int port)
{
	FILE *file = fopen(FILE_NAME, "w");

	assert_non_null(file);
	fputs("cluster:\n\tname = demo\n", file);
	add_node(file, "n0", 0, "10.0.0.1", 7700);
	if (name)
		add_node(file, name, 1, address, port);
	fclose(file);
}

static int setup(void **state)
{
	char error[CONF_ERROR_LEN];
	struct conf *conf;

	write_file("n1", "10.0.0.2", 7700);
	memset(&d, 0, sizeof(d));
	d.node_name = "n0";
	conf = reload_load(FILE_NAME, d.node_name, &d.self, error);
	if (!conf || reload_first(&d, conf))
		return -1;
	reload_peers(&d);
	errors = made = freed = retired = removed = 0;
	module_peer = (struct kernel_peer){ .node = 1, .lender_instance = 100, .state = RAMSTER_PEER_UP, .pages = 5 };
	d.view.instance = 7;
	d.view.peers = &module_peer;
	d.view.peers_len = 1;
	return 0;
}

static int teardown(void **state)
{
	free(d.peers[1]);
	free(d.conf);
	free(d.loaded);
	unlink(FILE_NAME);
	return 0;
}

/* ---- Tests ---- */

static void test_refused(void **state)
{
	const struct conf *before = d.conf;

	write_file(NULL, NULL, 0);
	reload(&d, FILE_NAME);
	write_file("n1", "10.0.0.3", 7700);
	reload(&d, FILE_NAME);
	write_file("n2", "10.0.0.2", 7700);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 3);
	assert_ptr_equal(d.conf, before);
	assert_int_equal(freed, 0);
}

static void test_nothing_is_there(void **state)
{
	module_peer.pages = 0;
	write_file("n1", "10.0.0.3", 7700);
	reload(&d, FILE_NAME);
	assert_int_equal(made, 1);
	module_peer.pages = 5;
	module_peer.state = RAMSTER_PEER_DEAD;
	write_file(NULL, NULL, 0);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 0);
	assert_null(d.peers[1]);
	assert_int_equal(removed, 2);
}

/* Its lender is the same one. */
static void test_another_port(void **state)
{
	write_file("n1", "10.0.0.2", 7800);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 0);
	assert_int_equal(d.peers[1]->node.port, 7800);
}

static void write_keys(char first, char second)
{
	FILE *file;

	unlink(key_file);
	file = fopen(key_file, "w");
	assert_non_null(file);
	fprintf(file, "ramster authkey 1\n");
	for (const char *c = (char[]){ first, second, 0 }; *c; c++) {
		fputs("key ", file);
		for (unsigned int i = 0; i < 2 * AUTHKEY_LEN; i++)
			fputc(*c, file);
		fputc('\n', file);
	}
	fclose(file);
	assert_int_equal(chmod(key_file, 0400), 0);
}

static unsigned int retired_by(char first, char second)
{
	unsigned int before = retired;

	write_keys(first, second);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 0);
	return retired - before;
}

static void start_with_key(struct auth *auth)
{
	char error[AUTHKEY_ERROR_LEN];

	snprintf(key_file, sizeof(key_file), "/tmp/test_reload.%d", getpid());
	write_keys('a', 0);
	assert_int_equal(authkeys_load(key_file, &auth->keys, error), 0);
	d.auth = auth;
	strcpy(d.conf->authkey, key_file);
}

/* Only a key that is no longer in the file is. */
static void test_keys(void **state)
{
	struct auth auth = { 0 };
	FILE *file;

	module_peer.pages = 0;
	start_with_key(&auth);
	file = fopen(FILE_NAME, "w");
	assert_non_null(file);
	fprintf(file, "cluster:\n\tname = demo\n\tauthkey = %s\n", key_file);
	add_node(file, "n0", 0, "10.0.0.1", 7700);
	fclose(file);

	assert_int_equal(retired_by('a', 0), 0);
	assert_int_equal(retired_by('b', 'a'), 0);
	assert_int_equal(retired_by('a', 'b'), 0);
	assert_int_equal(retired_by('b', 0), 1);
	assert_int_equal(retired_by('c', 0), 1);
	unlink(key_file);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 1);
	assert_int_equal(retired, 2);
}

/* A key that was taken out is of no use from then on, also where the nodes cannot be as the file says. */
static void test_keys_of_a_refused_reload(void **state)
{
	struct auth auth = { 0 };

	start_with_key(&auth);
	write_file(NULL, NULL, 0); /* its pages are there, and the file has another authkey */
	write_keys('b', 0);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 1);
	assert_int_equal(retired, 1);
	assert_int_equal(freed, 0);
	unlink(FILE_NAME);
	write_keys('c', 0);
	reload(&d, FILE_NAME);
	assert_int_equal(errors, 2);
	assert_int_equal(retired, 2);
	unlink(key_file);
	reload(&d, FILE_NAME); /* each of both is said */
	assert_int_equal(errors, 4);
	assert_int_equal(retired, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_of_a_refused_reload, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
