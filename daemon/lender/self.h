/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * self - what this lender is, and what it has served.
 *
 * The identity is written before the first thread starts and only read afterwards. The counters are relaxed atomics:
 * each is exact by itself, two of them read together may be a request apart. Nothing is decided by them.
 */
#ifndef _RAMSTER_LENDER_SELF_H
#define _RAMSTER_LENDER_SELF_H

#include <stdatomic.h>
#include <stdint.h>

struct self {
	uint32_t node; /* our node number */
	uint32_t port; /* TCP port of the data wire */
	uint64_t instance; /* of this run, or of the one that it goes on for; never 0 */
};

struct counters {
	_Atomic uint64_t read_items, read_bytes; /* R2NET_OK, even if the answer was lost */
	_Atomic uint64_t write_items, write_bytes; /* likewise */
	_Atomic uint64_t
		refused_hello; /* connections that did not get past HELLO, for whatever reason but bad frames */
	_Atomic uint64_t malformed; /* frames that ended their connection, those cut short included */
	_Atomic uint64_t stale, range; /* items answered R2NET_ESTALE, R2NET_ERANGE */
	_Atomic uint32_t connections; /* past HELLO and open */
};

extern struct self self;
extern struct counters counters;

#define count_add(field, n) atomic_fetch_add_explicit(&counters.field, (n), memory_order_relaxed)
#define count_get(field) atomic_load_explicit(&counters.field, memory_order_relaxed)

#endif
