// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repatriate - brings this node's remote pages home when it has had RAM to spare for a while.
 */
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/ramsterd.h"
#include "daemon/repatriate.h"

#define SPARE_SHARE 4 /* of all memory: with less available there is none to spare */

uint32_t repatriate_decide(struct repatriate *r, uint64_t stores, uint64_t remote, uint64_t total, uint64_t available)
{
	bool calm = stores == r->stores && available >= total / SPARE_SHARE;
	uint64_t pages = remote / REPATRIATE_SHARE;

	r->stores = stores;
	r->calm = calm ? r->calm + 1 : 0;
	if (r->calm <= REPATRIATE_CALM_SECONDS || !remote)
		return 0;
	if (r->calm == REPATRIATE_CALM_SECONDS + 1)
		log_debug("there is memory to spare: %llu remote pages come home", (unsigned long long)remote);
	if (pages < REPATRIATE_PAGES_MIN)
		pages = REPATRIATE_PAGES_MIN;
	return pages < UINT32_MAX ? pages : UINT32_MAX;
}

void repatriate_tick(struct ramsterd *d)
{
	uint64_t total = 0, available = 0;
	uint32_t pages;

	if (!d->view.instance || !ramsterd_second(d, &d->repatriate.at_ms))
		return;
	lend_read_memory(&total, &available);
	pages = repatriate_decide(&d->repatriate, kernel_view_counter(&d->view, "stores"),
				  kernel_view_counter(&d->view, "pages_remote"), total, available);
	if (pages && kernel_home(d->kernel, pages))
		log_err("the module brings no pages home: %s", kernel_error(d->kernel));
}
