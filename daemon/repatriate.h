/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repatriate - brings this node's remote pages home, slowly, when it has had RAM to spare for a while.
 */
#ifndef _RAMSTER_REPATRIATE_H
#define _RAMSTER_REPATRIATE_H

#include <stdbool.h>
#include <stdint.h>

struct ramsterd;

#define REPATRIATE_CALM_SECONDS 10
#define REPATRIATE_PAGES_MIN 256 /* asked for in a second */
#define REPATRIATE_SHARE 32 /* of the remote pages in a second, if that is more */

struct repatriate {
	uint64_t stores; /* of the module, a second ago */
	unsigned int calm; /* seconds without a store and with memory to spare */
	uint64_t at_ms; /* of the last of them */
};

/**
 * repatriate_decide - how many pages to bring home now. Pure; one call a second
 * @stores: the module's counter of that name
 * @remote: remote pages
 * @total, @available: memory of the node, bytes
 *
 * None while pages are being stored, or less than a quarter of the memory is available.
 */
uint32_t repatriate_decide(struct repatriate *r, uint64_t stores, uint64_t remote, uint64_t total, uint64_t available);

/* Each tick; a second counts once. The module's view is fresh. */
void repatriate_tick(struct ramsterd *d);

#endif
