// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - the module's parameters, start and end.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/suspend.h>

#include "compress.h"
#include "counters.h"
#include "extent.h"
#include "move.h"
#include "fetch.h"
#include "frontswap.h"
#include "lent.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"
#include "remotify.h"
#include "seal.h"
#include "shrinker.h"
#include "swapdev.h"
#include "tmem.h"
#include "zcache.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static char *allocator = "zsmalloc";
module_param(allocator, charp, 0444);
MODULE_PARM_DESC(allocator, "where zpages live: zsmalloc (default) or zbud");

/* Parameters that are set before the module is ready are applied when it is, and are of no use once it goes. */
static enum { STARTING, READY, GOING } stage; /* under kernel_param_lock() */
static char compressor[16] = "lzo";
static unsigned int remotify_percent = 40;
static unsigned int local_max_percent = 50;
static unsigned int low_water_mb = 32;
static unsigned int copies = 1;
static unsigned int restore_after = 60;
static bool writethrough;
static bool seal = true;

static int compressor_set(const char *value, const struct kernel_param *kp)
{
	int err;

	if (compress_find(value) < 0)
		return -EINVAL;
	err = stage == READY ? zcache_set_compressor(value) : 0;
	if (!err)
		strscpy(compressor, compress_name(compress_find(value)), sizeof(compressor));
	return err;
}

static int compressor_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", compressor);
}

static const struct kernel_param_ops compressor_ops = { .set = compressor_set, .get = compressor_get };
module_param_cb(compressor, &compressor_ops, NULL, 0644);
MODULE_PARM_DESC(compressor, "of the next stores: lzo (default), lzo-rle, lz4 or zstd");

/* Sets a limit, and takes it back if the limits would not fit each other. */
static int limit_set(const char *value, const struct kernel_param *kp)
{
	unsigned int *limit = kp->arg, old = *limit;
	int err = kstrtouint(value, 0, limit);

	if (!err && stage == READY)
		err = zcache_set_limits(remotify_percent, local_max_percent);
	if (err)
		*limit = old;
	return err;
}

static const struct kernel_param_ops limit_ops = { .set = limit_set, .get = param_get_uint };
module_param_cb(remotify_percent, &limit_ops, &remotify_percent, 0644);
MODULE_PARM_DESC(remotify_percent, "percent of RAM that zpages take before the coldest go to peers (default 40)");
module_param_cb(local_max_percent, &limit_ops, &local_max_percent, 0644);
MODULE_PARM_DESC(local_max_percent, "percent of RAM that zpages take at most, up to 50 (default 50)");

static int low_water_set(const char *value, const struct kernel_param *kp)
{
	int err = param_set_uint(value, kp);

	if (!err)
		remotify_set_low_water((u64)low_water_mb << 20);
	return err;
}

static const struct kernel_param_ops low_water_ops = { .set = low_water_set, .get = param_get_uint };
module_param_cb(low_water_mb, &low_water_ops, &low_water_mb, 0644);
MODULE_PARM_DESC(low_water_mb, "MiB of free remote space that are kept leased (default 32)");

static int copies_set(const char *value, const struct kernel_param *kp)
{
	unsigned int nr;
	int err = kstrtouint(value, 0, &nr);

	if (!err && (nr < 1 || nr > EXTENT_MAX_COPIES))
		err = -EINVAL;
	if (!err && stage == GOING)
		err = -ENODEV;
	if (err)
		return err;
	copies = nr;
	extent_set_copies(nr);
	if (stage == READY)
		move_wake();
	return 0;
}

static const struct kernel_param_ops copies_ops = { .set = copies_set, .get = param_get_uint };
module_param_cb(copies, &copies_ops, &copies, 0644);
MODULE_PARM_DESC(copies, "how many peers have each remote page: 1 (default) or 2");

static int restore_after_set(const char *value, const struct kernel_param *kp)
{
	int err = param_set_uint(value, kp);

	if (!err)
		move_set_restore_after(restore_after);
	return err;
}

static const struct kernel_param_ops restore_after_ops = { .set = restore_after_set, .get = param_get_uint };
module_param_cb(restore_after, &restore_after_ops, &restore_after, 0644);
MODULE_PARM_DESC(restore_after, "seconds of a peer's silence after which its pages are copied elsewhere (default 60)");

static int writethrough_set(const char *value, const struct kernel_param *kp)
{
	bool on;
	int err = kstrtobool(value, &on);

	if (!err && stage == READY)
		err = swapdev_set_through(on);
	if (err)
		return err;
	if (stage == READY)
		frontswap_set_through(on);
	writethrough = on;
	return 0;
}

static const struct kernel_param_ops writethrough_ops = { .set = writethrough_set, .get = param_get_bool };
module_param_cb(writethrough, &writethrough_ops, &writethrough, 0644);
MODULE_PARM_DESC(writethrough, "peers only have pages that a disk of this node has, too (default N)");

static int seal_param_set(const char *value, const struct kernel_param *kp)
{
	bool on;
	int err = kstrtobool(value, &on);

	if (!err && stage == READY)
		err = seal_set(on);
	if (!err)
		seal = on;
	return err;
}

static const struct kernel_param_ops seal_ops = { .set = seal_param_set, .get = param_get_bool };
module_param_cb(seal, &seal_ops, &seal, 0644);
MODULE_PARM_DESC(seal, "pages that leave are encrypted and authenticated (default Y); changes while nothing is leased");

/* Hibernation would write its image into peers' RAM, which forget it while this node is off. */
static int ramster_pm_notify(struct notifier_block *nb, unsigned long action, void *unused)
{
	if (action != PM_HIBERNATION_PREPARE || !tmem_active())
		return NOTIFY_OK;
	pr_err("no hibernation while RAMster may be swapped to: swapoff, reset /dev/ramster0, unload the module\n");
	return NOTIFY_BAD;
}

static struct notifier_block pm_notifier = { .notifier_call = ramster_pm_notify };

static int apply_parameters(void)
{
	int err;

	err = zcache_set_compressor(compressor);
	if (err)
		return err;
	err = zcache_set_limits(remotify_percent, local_max_percent);
	if (err) {
		pr_err("1 <= remotify_percent <= local_max_percent <= 50 does not hold\n");
		return err;
	}
	remotify_set_low_water((u64)low_water_mb << 20);
	move_set_restore_after(restore_after);
	err = seal_set(seal);
	if (!err)
		err = swapdev_set_through(writethrough);
	if (!err)
		frontswap_set_through(writethrough);
	return err;
}

/* From here on what is set is applied at once. */
static int parameters_begin(void)
{
	int err;

	kernel_param_lock(THIS_MODULE);
	err = apply_parameters();
	if (!err)
		stage = READY;
	kernel_param_unlock(THIS_MODULE);
	return err;
}

/* From here on it is not any more: what it would change goes. */
static void parameters_end(void)
{
	kernel_param_lock(THIS_MODULE);
	stage = GOING;
	kernel_param_unlock(THIS_MODULE);
}

static int __init ramster_init(void)
{
	int err;

	err = compress_init();
	if (err)
		return err;
	err = zcache_init(allocator);
	if (err) {
		pr_err("allocator %s: not zsmalloc nor zbud, or no memory\n", allocator);
		goto err_compress;
	}
	err = seal_init(seal);
	if (err)
		goto err_zcache;
	err = extent_init();
	if (err)
		goto err_seal;
	err = fetch_init();
	if (err)
		goto err_extent;
	err = r2net_init();
	if (err)
		goto err_fetch;
	err = remotify_init();
	if (err)
		goto err_r2net;
	err = move_init();
	if (err)
		goto err_remotify;
	err = ramster_shrinker_init();
	if (err)
		goto err_move;
	err = counters_init();
	if (err)
		goto err_shrinker;
	err = parameters_begin();
	if (err)
		goto err_parameters;
	err = nodemanager_init();
	if (err)
		goto err_parameters;
	err = netlink_init();
	if (err)
		goto err_nodemanager;
	err = register_pm_notifier(&pm_notifier);
	if (err)
		goto err_netlink;
	/* Last, as others open it by themselves. */
	err = swapdev_init();
	if (err)
		goto err_pm;
	frontswap_attach();
	nodemanager_open();
	return 0;

err_pm:
	unregister_pm_notifier(&pm_notifier);
err_netlink:
	netlink_exit();
	lent_exit();
err_nodemanager:
	nodemanager_exit();
err_parameters:
	parameters_end();
	frontswap_detach(); /* what its parameter has set */
	counters_exit();
err_shrinker:
	ramster_shrinker_exit();
err_move:
	move_stop();
	move_exit();
err_remotify:
	remotify_stop();
	remotify_exit();
err_r2net:
	r2net_exit();
err_fetch:
	fetch_exit();
err_extent:
	extent_exit();
err_seal:
	seal_exit();
err_zcache:
	zcache_exit();
err_compress:
	compress_exit();
	return err;
}

/*
 * First whoever brings work (front ends, netlink), then whoever does it, then what it was done with. No page is left once
 * the front ends are gone; r2net_exit() returns when no request is outstanding.
 */
static void __exit ramster_exit(void)
{
	parameters_end();
	frontswap_detach();
	unregister_pm_notifier(&pm_notifier);
	swapdev_exit();
	netlink_exit();
	fetch_stop();
	ramster_shrinker_exit();
	counters_exit();
	remotify_stop();
	r2net_stop();
	move_stop();
	r2net_exit();
	nodemanager_exit();
	move_exit();
	remotify_exit();
	lent_exit();
	fetch_exit();
	extent_exit();
	seal_exit();
	zcache_exit();
	compress_exit();
}

module_init(ramster_init);
module_exit(ramster_exit);

MODULE_DESCRIPTION("RAMster: swaps to the RAM of the cluster's other nodes");
MODULE_LICENSE("GPL");
