// SPDX-License-Identifier: GPL-2.0-or-later
/* watch - see watch.h. */
#include "daemon/log.h"
#include "daemon/ramsterd.h"
#include "daemon/watch.h"

/* Donors can have any of these change as often as they like. */
static struct log_limit limit = LOG_LIMIT(20, 6000);

const struct conf_node *watch_lone_donor(const struct ramsterd *d)
{
	const struct kernel_peer *lone = NULL;

	for (unsigned int i = 0; i < d->view.peers_len; i++) {
		const struct kernel_peer *p = &d->view.peers[i];

		if (p->state == RAMSTER_PEER_DEAD || !p->extents)
			continue;
		if (lone)
			return NULL;
		lone = p;
	}
	return lone && lone->pages && d->conf->nodes_len > 2 ? conf_node_by_number(d->conf, lone->node) : NULL;
}

void watch_tick(struct ramsterd *d)
{
	unsigned long long missing = kernel_view_counter(&d->view, "pages_missing_copy");
	unsigned long long disk = kernel_view_counter(&d->view, "pages_backing");
	const struct conf_node *lone = watch_lone_donor(d);

	if (missing && !d->watch.missing)
		log_limited(&limit, LOG_WARNING,
			    "%llu remote pages lack a copy: until it is made again the death of a donor may lose them",
			    missing);
	else if (!missing && d->watch.missing)
		log_limited(&limit, LOG_INFO, "every remote page has its copies again");
	if (disk && !d->watch.disk)
		log_limited(&limit, LOG_WARNING, "pages go to disk: neither this node nor its peers have RAM for them");
	else if (!disk && d->watch.disk)
		log_limited(&limit, LOG_INFO, "no page is on disk any more");
	if (lone && !d->watch.lone)
		log_limited(&limit, LOG_WARNING, "all remote pages are with %s alone: no other node lends", lone->name);
	else if (!lone && d->watch.lone)
		log_limited(&limit, LOG_INFO, "remote pages are with more than one donor again, or with none");
	d->watch = (struct watch){ .missing = missing, .disk = disk, .lone = lone };
}
