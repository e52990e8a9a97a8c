// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keygen - `ramster keygen`. It does not ask ramsterd: the file has to be copied to other nodes before it is of use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/authkey.h"
#include "tools/ramster/keygen.h"

static int complain(const char *what)
{
	fprintf(stderr, "ramster: %s\n", what);
	return EXIT_FAILURE;
}

/* Puts a new key before those that there are. */
static int add_key(struct authkeys *keys)
{
	int ret;

	keys->keys[1] = keys->keys[0];
	ret = authkey_make(&keys->keys[0]);
	if (ret)
		return complain("the system gives no random numbers");
	keys->len++;
	return EXIT_SUCCESS;
}

static int change(const struct keygen_options *o, struct authkeys *keys)
{
	char error[AUTHKEY_ERROR_LEN + 64];

	if (!o->rotate && !o->retire)
		return add_key(keys);
	if (authkeys_load(o->path, keys, error))
		return complain(error);
	if (o->retire && keys->len < 2) {
		snprintf(error, sizeof(error), "%s has one key only, %s: there is none to retire", o->path,
			 keys->keys[0].id);
		return complain(error);
	}
	if (o->rotate && keys->len == AUTHKEY_MAX) {
		snprintf(error, sizeof(error),
			 "%s has an older key still, %s: first `ramster keygen --retire`, on all nodes", o->path,
			 keys->keys[1].id);
		return complain(error);
	}
	if (o->rotate)
		return add_key(keys);
	keys->len--;
	return EXIT_SUCCESS;
}

static void report(const struct keygen_options *o, const struct authkeys *keys)
{
	printf("%s: key %s", o->path, keys->keys[0].id);
	if (keys->len > 1)
		printf(", and still %s", keys->keys[1].id);
	printf(".\nCopy it to every node, owned by root and with mode 0400, and there: systemctl reload ramsterd\n");
	if (o->rotate)
		printf("When `ramster status` names both keys on every node: ramster keygen --retire\n");
	if (!o->rotate && !o->retire)
		printf("(Where ramsterd does not run yet: systemctl start ramsterd.)\n");
}

int keygen_run(const struct keygen_options *o)
{
	char error[AUTHKEY_ERROR_LEN];
	struct authkeys keys = { 0 };
	int status = change(o, &keys);

	if (!status && authkeys_save(o->path, &keys, o->force || o->rotate || o->retire, error))
		status = complain(error);
	if (!status)
		report(o, &keys);
	authkeys_wipe(&keys);
	return status;
}
