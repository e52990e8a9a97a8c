/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neighbour.h - the module, the lender and the data connections of a fuzzed ramsterd: in the place of kernel.c, sidedoor.c and link.c, they are as the
 * fuzzer says, and are to be asked only for what their interfaces allow.
 */
#ifndef _TESTS_FUZZ_NEIGHBOUR_H
#define _TESTS_FUZZ_NEIGHBOUR_H

#include "daemon/kernel.h"

#define NEIGHBOUR_NODES 3 /* of cluster.conf */

struct neighbour {
	struct kernel_peer peer; /* the one that the module has */
	uint32_t extent_size; /* of cluster.conf */
	bool module_fails; /* whatever it is asked */
	bool link_fails, link_ready, token_wanted;
	bool door_fails; /* the lender's */
	bool much_spare; /* by the module's low-water mark */
};

extern struct neighbour neighbour;

#endif
