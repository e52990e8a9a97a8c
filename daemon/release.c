// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * release - makes the module forget peers and nodes.
 *
 * Pages may be on their way to a peer when it is asked. So it is first told to keep no lease, and asked again.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/configfs.h"
#include "daemon/kernel.h"
#include "daemon/log.h"
#include "daemon/release.h"

#define SETTLE_READS 100 /* of the module, a hundredth of a second apart */

static uint64_t remote_pages(const struct kernel_view *view)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < view->peers_len; i++)
		pages += view->peers[i].pages;
	return pages;
}

/* Whether the module has taken it that nothing is to be with peers: no slot is in use, and none will be. */
static bool settled(const struct kernel_view *view)
{
	for (unsigned int i = 0; i < view->peers_len; i++) {
		const struct kernel_peer *p = &view->peers[i];

		if (p->state != RAMSTER_PEER_DEAD && (p->used || p->leaving < p->extents))
			return false;
	}
	return true;
}

/* Tells the module to keep no leases, or all again. */
static void keep(struct kernel *kernel, const struct kernel_view *view, uint32_t leases)
{
	for (unsigned int i = 0; i < view->peers_len; i++)
		if (view->peers[i].state != RAMSTER_PEER_DEAD)
			kernel_lease_keep(kernel, view->peers[i].node, view->peers[i].lender_instance, leases);
}

/* Sees to it that no page is with peers, and that none gets there any more. Returns 0, -EBUSY if there are some, or -errno. */
static int hold_home(struct kernel *kernel, struct kernel_view *view)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int ret = remote_pages(view) ? -EBUSY : 0;

	if (ret)
		return ret;
	keep(kernel, view, 0);
	for (unsigned int i = 0; i < SETTLE_READS && !ret && !settled(view); i++) {
		nanosleep(&pause, NULL);
		ret = kernel_view_read(kernel, view);
	}
	if (!ret && remote_pages(view))
		ret = -EBUSY;
	if (ret)
		keep(kernel, view, UINT32_MAX);
	return ret;
}

int release(void)
{
	struct kernel *kernel = kernel_new(uv_default_loop(), NULL, NULL);
	struct kernel_view view = { 0 };
	int ret = kernel ? kernel_view_read(kernel, &view) : -ENOMEM;

	if (!ret)
		ret = hold_home(kernel, &view);
	if (ret == -EBUSY)
		log_err("%llu pages are with peers: swapoff first", (unsigned long long)remote_pages(&view));
	else if (ret && ret != -ENOENT)
		log_err("the module does not answer: %s", strerror(-ret));
	for (unsigned int i = 0; !ret && i < view.peers_len; i++)
		if (view.peers[i].state != RAMSTER_PEER_DEAD)
			kernel_peer_dead(kernel, view.peers[i].node, view.peers[i].lender_instance);
	if (!ret)
		ret = configfs_clear();
	kernel_view_clear(&view);
	kernel_free(kernel);
	return ret == -ENOENT ? 0 : ret;
}
