/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel - the module's generic netlink (proto/ramster_nl.h), or its absence: a node without the module still lends.
 *
 * Commands are answered at once by the module, so they are plain calls. They return 0 or -errno; kernel_error() then
 * says more. Events come on the loop.
 */
#ifndef _RAMSTER_KERNEL_H
#define _RAMSTER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/ramster_nl.h"

#define KERNEL_NAME_LEN 48
#define KERNEL_MAX_COUNTERS 128

struct kernel;

struct kernel_events {
	void (*need)(void *ctx);
	void (*conn_down)(void *ctx, uint32_t node, uint32_t conn);
	void (*peer)(void *ctx, uint32_t node, uint32_t state);
	void (*lost)(void *ctx, uint32_t node, uint64_t pages);
	void (*vacated)(void *ctx);
};

struct kernel_counter {
	char name[KERNEL_NAME_LEN];
	uint64_t value;
};

struct kernel_peer {
	uint32_t node;
	uint32_t state; /* enum ramster_nl_peer_state */
	uint64_t lender_instance;
	uint32_t extents; /* leases */
	uint32_t spare; /* of these, that wait for those of another donor */
	uint32_t leaving; /* of these, that are to be given back */
	uint32_t conns, rtt_us;
	uint64_t space, used; /* bytes */
	uint64_t pages;
};

struct kernel_conn {
	uint32_t node, conn, role, inflight;
	uint64_t lender_instance;
	uint64_t tx_bytes, rx_bytes;
};

struct kernel_lease {
	uint32_t node;
	uint32_t extent_size;
	uint64_t lender_instance;
	struct ramster_nl_lease lease;
};

/* What the module said last. The arrays are owned by the view and freed by kernel_view_clear(). */
struct kernel_view {
	uint64_t instance; /* 0: there is no module, for certain */
	uint64_t need; /* bytes */
	uint32_t frontends; /* enum ramster_nl_frontend bits */
	unsigned int counters_len, peers_len, conns_len;
	struct kernel_counter counters[KERNEL_MAX_COUNTERS];
	struct kernel_peer *peers;
	struct kernel_conn *conns;
};

/* Never fails for want of the module. Returns NULL if memory is short. */
struct kernel *kernel_new(uv_loop_t *loop, const struct kernel_events *events, void *ctx);

/* Closes the sockets; the module goes on as it is. */
void kernel_free(struct kernel *kernel);

/**
 * kernel_view_read - read the module's state anew
 *
 * Looks for the module if it was absent. Returns 0; -ENOENT if there is none (the view is then cleared); or another
 * -errno, with the view as it was.
 */
int kernel_view_read(struct kernel *kernel, struct kernel_view *view);
void kernel_view_clear(struct kernel_view *view);

/* The incarnation of a node with that lender instance, the living one if there is one, or NULL. */
const struct kernel_peer *kernel_view_peer(const struct kernel_view *view, uint32_t node, uint64_t lender_instance);

/* The value of a counter, or 0. */
uint64_t kernel_view_counter(const struct kernel_view *view, const char *name);

int kernel_peer_set(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t deadline_ms,
		    uint32_t slow_deadline_ms);
int kernel_peer_dead(struct kernel *kernel, uint32_t node, uint64_t lender_instance);
int kernel_peer_away(struct kernel *kernel, uint32_t node, uint64_t lender_instance);

/* @fd stays the caller's, who closes it in any case. */
int kernel_conn_add(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t conn, uint32_t role,
		    uint32_t window, int fd);

/* @count: 1 ... RAMSTER_NL_MAX_LEASES */
int kernel_lease_add(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t extent_size,
		     const struct ramster_nl_lease *leases, unsigned int count);

/* All leases. *leases is the caller's to free(). */
int kernel_lease_get(struct kernel *kernel, struct kernel_lease **leases, unsigned int *len);

/* Gives up to @count empty extents back. *len: how many of leases[RAMSTER_NL_MAX_LEASES] were filled in. */
int kernel_lease_return(struct kernel *kernel, uint32_t node, uint64_t lender_instance, unsigned int count,
			struct ramster_nl_lease *leases, unsigned int *len);

/* All but @keep leases are emptied, to be given back; UINT32_MAX: none. */
int kernel_lease_keep(struct kernel *kernel, uint32_t node, uint64_t lender_instance, uint32_t keep);

/* Brings up to @pages remote pages home. */
int kernel_home(struct kernel *kernel, uint32_t pages);

/* Says which control group the lender runs in. @fd: of its cgroup2 directory; it stays the caller's. */
int kernel_lent_group(struct kernel *kernel, int fd);

/* What the last failed command said: the module's own words if it had some, else errno's. */
const char *kernel_error(const struct kernel *kernel);

#endif
