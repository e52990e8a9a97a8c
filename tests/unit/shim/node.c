// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>
#include <linux/workqueue.h>

#include "compress.h"
#include "counters.h"
#include "extent.h"
#include "fetch.h"
#include "node.h"
#include "seal.h"
#include "zcache.h"

void node_up(const char *allocator, const char *compressor)
{
	shim_totalram_pages = 1UL << 20;
	shim_assert(!shim_allocated());
	shim_assert(!compress_init());
	shim_assert(!zcache_init(allocator));
	shim_assert(!zcache_set_compressor(compressor));
	shim_assert(!zcache_set_limits(50, 50));
	shim_assert(!seal_init(true));
	shim_assert(!extent_init());
	shim_assert(!fetch_init());
	shim_assert(!counters_init());
}

void node_down(void)
{
	shim_run_work();
	fetch_stop();
	counters_exit();
	fetch_exit();
	extent_exit();
	seal_exit();
	zcache_exit();
	compress_exit();
	shim_assert(!shim_allocated());
}

u64 node_counter(const char *name)
{
	const char *have;
	unsigned int i;
	u64 value;

	for (i = 0; counter_read(i, &have, &value); i++)
		if (!strcmp(have, name))
			return value;
	shim_die(__FILE__, __LINE__, name);
}
