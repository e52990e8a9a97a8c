/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keygen - `ramster keygen`: makes the file with the cluster's keys, and changes the keys in it.
 */
#ifndef _RAMSTER_KEYGEN_H
#define _RAMSTER_KEYGEN_H

#include <stdbool.h>

struct keygen_options {
	const char *path;
	bool force; /* make a new key even if there is a file; one of the three at most */
	bool rotate; /* add a newer key */
	bool retire; /* drop the older one */
};

/* Returns the exit status. */
int keygen_run(const struct keygen_options *options);

#endif
