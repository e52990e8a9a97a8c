// SPDX-License-Identifier: GPL-2.0-or-later
/* watch - see watch.h. */
#include "daemon/log.h"
#include "daemon/ramsterd.h"
#include "daemon/watch.h"

void watch_tick(struct ramsterd *d)
{
	unsigned long long missing = kernel_view_counter(&d->view, "pages_missing_copy");
	unsigned long long disk = kernel_view_counter(&d->view, "pages_backing");

	if (missing && !d->watch.missing)
		log_warn("%llu remote pages lack a copy: until it is made again the death of a donor may lose them",
			 missing);
	else if (!missing && d->watch.missing)
		log_info("every remote page has its copies again");
	if (disk && !d->watch.disk)
		log_warn("pages go to disk: neither this node nor its peers have RAM for them");
	else if (!disk && d->watch.disk)
		log_info("no page is on disk any more");
	d->watch = (struct watch){ .missing = missing, .disk = disk };
}
