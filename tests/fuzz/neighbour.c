// SPDX-License-Identifier: GPL-2.0-or-later
/* neighbour - see neighbour.h. */
#include <errno.h>

#include "daemon/attribute.h"
#include "daemon/peer.h"
#include "proto/r2net.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/neighbour.h"

struct neighbour neighbour;

int link_admit(struct peer *peer, const uint8_t *token, uint64_t lender_instance, uint16_t port)
{
	check(lender_instance && port && token);
	if (neighbour.link_fails)
		return -ECONNREFUSED;
	peer->link.lender_instance = lender_instance;
	return 0;
}

void link_moved(struct peer *peer, uint64_t lender_instance, uint16_t port)
{
}

bool link_ready(const struct peer *peer, uint64_t lender_instance)
{
	return neighbour.link_ready;
}

void link_reset(struct peer *peer)
{
	peer->link = (struct link){ 0 };
}

bool link_tick(struct peer *peer, bool wanted)
{
	return neighbour.token_wanted;
}

void link_try_soon(struct peer *peer)
{
}

const char *kernel_error(const struct kernel *kernel)
{
	return "";
}

static void check_leases(const struct ramster_nl_lease *leases, unsigned int count)
{
	check(count >= 1 && count <= RAMSTER_NL_MAX_LEASES);
	for (unsigned int i = 0; i < count; i++)
		check(leases[i].extent && leases[i].generation);
}

int kernel_lease_add(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t extent_size,
		     const struct ramster_nl_lease *leases, unsigned int count)
{
	check(node < NEIGHBOUR_NODES && lender_instance && extent_size == neighbour.extent_size);
	check_leases(leases, count);
	if (neighbour.module_fails)
		return -EIO;
	neighbour.peer = (struct kernel_peer){ .node = node,
					       .state = RAMSTER_PEER_UP,
					       .lender_instance = lender_instance,
					       .extents = count,
					       .space = count * neighbour.extent_size };
	return 0;
}

int kernel_lease_get(struct kernel *kernel, struct kernel_lease **leases, unsigned int *len)
{
	*len = 0;
	*leases = NULL;
	if (neighbour.module_fails)
		return -EIO;
	*leases = calloc(3, sizeof(**leases));
	for (; *len < 3; ++*len)
		(*leases)[*len] = (struct kernel_lease){ .node = neighbour.peer.node,
							 .lender_instance = neighbour.peer.lender_instance,
							 .lease = { 2 - *len, 1 } };
	return 0;
}

int kernel_lease_keep(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t keep)
{
	check(node < R2NET_MAX_NODES && lender_instance == neighbour.peer.lender_instance);
	return neighbour.module_fails ? -EIO : 0;
}

int kernel_lease_return(struct kernel *kernel, uint32_t node, uint64_t lender_instance, unsigned int count,
			struct ramster_nl_lease *leases, unsigned int *len)
{
	check(count >= 1 && count <= RAMSTER_NL_MAX_LEASES);
	if (neighbour.module_fails)
		return -EIO;
	*len = count > neighbour.peer.extents ? neighbour.peer.extents : count;
	for (unsigned int i = 0; i < *len; i++)
		leases[i] = (struct ramster_nl_lease){ 1 + i, 1 };
	return 0;
}

int kernel_peer_dead(struct kernel *kernel, uint32_t node, uint64_t lender_instance)
{
	check(node == neighbour.peer.node && lender_instance == neighbour.peer.lender_instance);
	neighbour.peer.state = RAMSTER_PEER_DEAD;
	return neighbour.module_fails ? -EIO : 0;
}

/* The module's low-water mark. */
int attribute_read(const char *path, char *value, size_t size)
{
	if (neighbour.much_spare)
		return -ENOENT;
	snprintf(value, size, "128");
	return 0;
}

uint64_t kernel_view_counter(const struct kernel_view *view, const char *name)
{
	return 0;
}

const struct kernel_peer *kernel_view_peer(const struct kernel_view *view, uint32_t node, uint64_t lender_instance)
{
	const struct kernel_peer *p = view->peers;

	return view->peers_len && p->node == node && p->lender_instance == lender_instance ? p : NULL;
}
