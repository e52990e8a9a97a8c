// SPDX-License-Identifier: GPL-2.0
/*
 * counters.c - sums the per-CPU counters, reads the gauges, and shows both in debugfs and sysfs.
 */
#include <linux/debugfs.h>
#include <linux/kobject.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>

#include "backing.h"
#include "counters.h"
#include "extent.h"
#include "seal.h"
#include "tmem.h"
#include "zcache.h"

DEFINE_PER_CPU(unsigned long[RAMSTER_NR_EVENTS], ramster_events);

static const char *const event_names[] = {
#define X(name) #name,
	RAMSTER_EVENTS(X)
#undef X
};

/*
 * A latency of n microseconds falls into a bucket by its highest bit and the three bits after it.
 */
#define LATENCY_SUB_BITS 3
#define LATENCY_MAX_BITS 23
#define LATENCY_BUCKETS ((LATENCY_MAX_BITS - LATENCY_SUB_BITS + 2) << LATENCY_SUB_BITS)

static DEFINE_PER_CPU(unsigned int[RAMSTER_NR_LATENCIES][LATENCY_BUCKETS], latencies);

static unsigned int latency_bucket(u64 us)
{
	unsigned int shift;

	if (us < (1 << LATENCY_SUB_BITS))
		return us;
	us = min_t(u64, us, (1ULL << LATENCY_MAX_BITS) - 1);
	shift = fls64(us) - LATENCY_SUB_BITS - 1;
	return ((shift + 1) << LATENCY_SUB_BITS) + ((us >> shift) & ((1 << LATENCY_SUB_BITS) - 1));
}

/* The smallest value beyond the bucket. */
static u64 latency_bucket_end(unsigned int bucket)
{
	unsigned int shift = bucket >> LATENCY_SUB_BITS, sub = bucket & ((1 << LATENCY_SUB_BITS) - 1);

	if (!shift)
		return bucket + 1;
	return (u64)((1 << LATENCY_SUB_BITS) + sub + 1) << (shift - 1);
}

void latency_count(enum ramster_latency which, ktime_t start)
{
	this_cpu_inc(latencies[which][latency_bucket(ktime_us_delta(ktime_get(), start))]);
}

/* The value in microseconds below which @percent of the latencies lie; 0 if there are none. */
static u64 latency_percentile(enum ramster_latency which, unsigned int percent)
{
	u64 total = 0, seen = 0;
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu)
		for (i = 0; i < LATENCY_BUCKETS; i++)
			total += READ_ONCE(per_cpu(latencies, cpu)[which][i]);
	for (i = 0; i < LATENCY_BUCKETS && total; i++) {
		for_each_possible_cpu(cpu)
			seen += READ_ONCE(per_cpu(latencies, cpu)[which][i]);
		if (seen * 100 >= total * percent)
			return latency_bucket_end(i);
	}
	return 0;
}

static u64 load_p50(void)
{
	return latency_percentile(LATENCY_LOAD, 50);
}

static u64 load_p99(void)
{
	return latency_percentile(LATENCY_LOAD, 99);
}

static u64 remote_load_p50(void)
{
	return latency_percentile(LATENCY_REMOTE, 50);
}

static u64 remote_load_p99(void)
{
	return latency_percentile(LATENCY_REMOTE, 99);
}

/* RAM that remote pages cost their owner: the extents' tables, and their share of the index's nodes. */
static u64 bookkeeping_bytes(void)
{
	return extent_table_bytes() + tmem_remote_index_bytes();
}

static u64 bookkeeping_per_page_milli(void)
{
	u64 pages = extent_pages();

	return pages ? div64_u64(bookkeeping_bytes() * 1000, pages) : 0;
}

static u64 pages_backing(void)
{
	u64 all = backing_pages(), written = tmem_written_pages();

	return all - min(all, written);
}

static u64 sealed(void)
{
	return seal_is_on();
}

static const struct {
	const char *name;
	u64 (*read)(void);
} gauges[] = {
	{ "sealed", sealed },
	{ "pages_local", zcache_pages },
	{ "pages_clean", zcache_clean_pages },
	{ "pages_same", tmem_same_pages },
	{ "pages_remote", extent_pages },
	{ "pages_missing_copy", extent_pages_missing },
	{ "pages_backing", pages_backing },
	{ "pages_written_through", tmem_written_pages },
	{ "zpage_bytes", zcache_zpage_bytes },
	{ "local_bytes", zcache_local_bytes },
	{ "local_limit_bytes", zcache_limit_bytes },
	{ "remote_used_bytes", extent_used_bytes },
	{ "remote_space_bytes", extent_space_bytes },
	{ "remote_moving_bytes", extent_moving_bytes },
	{ "bookkeeping_bytes", bookkeeping_bytes },
	{ "bookkeeping_per_page_milli", bookkeeping_per_page_milli },
	{ "load_p50_us", load_p50 },
	{ "load_p99_us", load_p99 },
	{ "remote_load_p50_us", remote_load_p50 },
	{ "remote_load_p99_us", remote_load_p99 },
};

bool counter_read(unsigned int i, const char **name, u64 *value)
{
	int cpu;

	if (i < RAMSTER_NR_EVENTS) {
		*name = event_names[i];
		*value = 0;
		for_each_possible_cpu(cpu)
			*value += READ_ONCE(per_cpu(ramster_events, cpu)[i]);
		return true;
	}
	i -= RAMSTER_NR_EVENTS;
	if (i < ARRAY_SIZE(gauges)) {
		*name = gauges[i].name;
		*value = gauges[i].read();
		return true;
	}
	return false;
}

static int counters_show(struct seq_file *m, void *unused)
{
	const char *name;
	unsigned int i;
	u64 value;

	for (i = 0; counter_read(i, &name, &value); i++)
		seq_printf(m, "%s %llu\n", name, value);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int latency_show(struct seq_file *m, void *unused)
{
	u64 load, remote;
	unsigned int i;
	int cpu;

	seq_puts(m, "below_us loads remote_loads\n");
	for (i = 0; i < LATENCY_BUCKETS; i++) {
		load = 0;
		remote = 0;
		for_each_possible_cpu(cpu) {
			load += READ_ONCE(per_cpu(latencies, cpu)[LATENCY_LOAD][i]);
			remote += READ_ONCE(per_cpu(latencies, cpu)[LATENCY_REMOTE][i]);
		}
		if (load || remote)
			seq_printf(m, "%llu %llu %llu\n", latency_bucket_end(i), load, remote);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency);

/* All counters in one file, so that a reader gets them of about one moment. */
static ssize_t counters_sysfs_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const char *name;
	unsigned int i;
	int len = 0;
	u64 value;

	for (i = 0; counter_read(i, &name, &value); i++)
		len += sysfs_emit_at(buf, len, "%s %llu\n", name, value);
	return len;
}

static struct kobj_attribute counters_attr = __ATTR(counters, 0444, counters_sysfs_show, NULL);
static struct kobject *ramster_kobj;
static struct dentry *ramster_debugfs;

int counters_init(void)
{
	int err;

	ramster_kobj = kobject_create_and_add("ramster", kernel_kobj);
	if (!ramster_kobj)
		return -ENOMEM;
	err = sysfs_create_file(ramster_kobj, &counters_attr.attr);
	if (err) {
		kobject_put(ramster_kobj);
		return err;
	}
	ramster_debugfs = debugfs_create_dir("ramster", NULL);
	debugfs_create_file("counters", 0444, ramster_debugfs, NULL, &counters_fops);
	debugfs_create_file("latency", 0444, ramster_debugfs, NULL, &latency_fops);
	return 0;
}

void counters_exit(void)
{
	debugfs_remove_recursive(ramster_debugfs);
	sysfs_remove_file(ramster_kobj, &counters_attr.attr);
	kobject_put(ramster_kobj);
}
