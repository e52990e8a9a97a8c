/* SPDX-License-Identifier: GPL-2.0 */
/*
 * counters.h - what the module counts, for people. Statistics never steer.
 *
 * Event counters are per CPU and only ever grow: each is exact once the CPUs are quiet, and may lack the last few events
 * while they are not. Gauges are read from whoever owns the quantity. The names are the ABI (docs/abi.md): they appear
 * in debugfs, in sysfs and in netlink.
 */
#ifndef _RAMSTER_COUNTERS_H
#define _RAMSTER_COUNTERS_H

#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/types.h>

#define RAMSTER_EVENTS(X)                                                                                              \
	X(stores) /* pages taken */                                                                                    \
	X(stores_same) /* of these, pages of one repeated word */                                                      \
	X(stores_raw) /* of these, pages that did not compress and are kept whole */                                   \
	X(stores_lent) /* of these, pages of this node's lender, which stay here */                                    \
	X(stores_refused) /* pages not taken: no room or no memory; each try counts */                                 \
	X(stores_huge) /* huge pages not taken */                                                                      \
	X(stores_backing) /* pages sent to swapdev's backing device at once, for want of room elsewhere */             \
	X(writeback_pages) /* pages written to the backing device because they were the coldest */                     \
	X(writeback_remote) /* of these, pages that were with peers */                                                 \
	X(writethrough_pages) /* pages written to the backing device so that peers may have them */                    \
	X(stores_deferred) /* swapdev writes that went on in the worker */                                             \
	X(loads_local) /* pages decompressed from local RAM */                                                         \
	X(loads_same) /* pages filled with a word */                                                                   \
	X(loads_remote) /* pages that waited for a peer's answer */                                                    \
	X(loads_hedged) /* of these, pages that a second peer answered first */                                        \
	X(loads_prefetched) /* pages found in a copy that was fetched ahead */                                         \
	X(loads_backing) /* pages read from swapdev's backing device */                                                \
	X(loads_brought_up) /* of these, pages that were read before, and are local from then on */                    \
	X(loads_empty) /* swapdev reads of pages never written: zeroes */                                              \
	X(loads_failed) /* loads that ended in a read error */                                                         \
	X(invalidates) /* pages freed by their front end */                                                            \
	X(remotify_pages) /* pages now in a peer's RAM because a WRITE was acknowledged */                             \
	X(remotify_writes) /* WRITE messages sent */                                                                   \
	X(remotify_items) /* pages in them */                                                                          \
	X(remotify_stale) /* pages freed or rewritten while their WRITE was under way */                               \
	X(remotify_failed) /* pages whose WRITE failed; they stay local */                                             \
	X(prefetch_pages) /* pages asked for ahead */                                                                  \
	X(prefetch_dropped) /* copies fetched ahead that had to go, or became the page */                              \
	X(reads) /* READ messages sent */                                                                              \
	X(reads_hedged) /* of these, to a second peer because the first was slow */                                    \
	X(tx_bytes) /* bytes sent to peers, headers included */                                                        \
	X(rx_bytes) /* bytes received from peers, headers included */                                                  \
	X(requests_retried) /* READs sent again after their connection failed */                                       \
	X(requests_timed_out) /* requests failed at their peer's deadline */                                           \
	X(requests_refused) /* READs failed at once because their peer was late or dead */                             \
	X(late_peers) /* times that a peer passed its deadline */                                                      \
	X(connections_failed) /* connections that ended, for whatever reason */                                        \
	X(malformed_answers) /* answers that ended their connection */                                                 \
	X(bad_seals) /* pages that came back with other bytes than were sent, or with older ones */                    \
	X(stale_slots) /* items that the lender answered with ESTALE, ERANGE */                                        \
	X(pages_lost) /* remote pages that went with their lender or its lease */                                      \
	X(pages_home) /* remote pages brought home */                                                                  \
	X(extents_moved) /* extents whose bytes were copied to another lender */

enum ramster_event {
#define X(name) COUNT_##name,
	RAMSTER_EVENTS(X)
#undef X
		RAMSTER_NR_EVENTS
};

DECLARE_PER_CPU(unsigned long[RAMSTER_NR_EVENTS], ramster_events);

/* Any context. */
#define count(name) this_cpu_inc(ramster_events[COUNT_##name])
#define count_add(name, n) this_cpu_add(ramster_events[COUNT_##name], (n))

enum ramster_latency {
	LATENCY_LOAD, /* any load, from the front end's call to the page's last byte */
	LATENCY_REMOTE, /* of these, the ones that waited for a peer */
	RAMSTER_NR_LATENCIES
};

/* Any context. Resolution: 12.5 % of the value, 1 us at the least; the last bucket holds all above 8 s. */
void latency_count(enum ramster_latency which, ktime_t start);

/**
 * counter_read - one counter by its position
 * @i: 0, 1, ...
 * @name: where its name is left
 * @value: where its value is left
 *
 * Returns false past the last one. May sleep: some gauges walk an index.
 */
bool counter_read(unsigned int i, const char **name, u64 *value);

/* May sleep. Creates /sys/kernel/debug/ramster and /sys/kernel/ramster. */
int counters_init(void);
void counters_exit(void);

#endif
