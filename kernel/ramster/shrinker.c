// SPDX-License-Identifier: GPL-2.0
/*
 * shrinker.c - under memory pressure copies are dropped at once, and the coldest zpages are sent to peers.
 */
#include <linux/shrinker.h>

#include "remotify.h"
#include "shrinker.h"
#include "zcache.h"

static struct shrinker *shrinker;

static unsigned long shrinker_count(struct shrinker *unused, struct shrink_control *sc)
{
	u64 nr = remotify_old_copies();

	/* Memory is short all the time on a node that swaps; zpages below the mark are worth their RAM even then. */
	if (zcache_above_low())
		nr += zcache_pages();
	return nr ?: SHRINK_EMPTY;
}

static unsigned long shrinker_scan(struct shrinker *unused, struct shrink_control *sc)
{
	return remotify_shrink(sc->nr_to_scan) ?: SHRINK_STOP;
}

int ramster_shrinker_init(void)
{
	shrinker = shrinker_alloc(0, "ramster");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrinker_count;
	shrinker->scan_objects = shrinker_scan;
	shrinker_register(shrinker);
	return 0;
}

void ramster_shrinker_exit(void)
{
	shrinker_free(shrinker);
}
