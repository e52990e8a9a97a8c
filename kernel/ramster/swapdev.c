// SPDX-License-Identifier: GPL-2.0
/*
 * swapdev.c - the disk /dev/ramster0 and its configuration in /sys/block/ramster0.
 *
 * To use it: write a block device's path to backing_dev (optional), a size to disksize, then mkswap and swapon. Writing 1
 * to reset, while nobody has it open, frees all its pages and makes it as new.
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "counters.h"
#include "remotify.h"
#include "swapdev.h"
#include "tmem.h"
#include "writeback.h"

#define SWAPDEV_MAX_SIZE ((u64)U32_MAX << PAGE_SHIFT) /* an index is 32 bits in the extents' tables */

static bool synchronous;
module_param(synchronous, bool, 0444);
MODULE_PARM_DESC(synchronous,
		 "faults wait for their page alone, without the swap cache and the kernel's readahead (default N)");

static struct swapdev swapdev = { .lock = __MUTEX_INITIALIZER(swapdev.lock) };

static compat_submit_bio_t swapdev_submit_bio(struct bio *bio)
{
	swapdev_submit(compat_bio_disk(bio)->private_data, bio);
	return COMPAT_SUBMIT_BIO_DONE;
}

static void swapdev_slot_free(struct block_device *bdev, unsigned long index)
{
	swapdev_free_page(bdev->bd_disk->private_data, index);
}

static const struct block_device_operations swapdev_ops = {
	.owner = THIS_MODULE,
	.submit_bio = swapdev_submit_bio,
	.swap_slot_free_notify = swapdev_slot_free,
};

static const struct block_device_operations swapdev_synchronous_ops = { .owner = THIS_MODULE,
									.submit_bio = swapdev_submit_bio,
									.swap_slot_free_notify = swapdev_slot_free,
									COMPAT_SYNCHRONOUS_OPS };

static struct swapdev *attr_swapdev(struct device *device)
{
	return dev_to_disk(device)->private_data;
}

static ssize_t disksize_show(struct device *device, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", (u64)get_capacity(attr_swapdev(device)->disk) << SECTOR_SHIFT);
}

static int swapdev_resize(struct swapdev *dev, u64 size)
{
	struct tmem_pool *pool;
	int err;

	lockdep_assert_held(&dev->lock);
	if (dev->pool)
		return -EBUSY;
	if (dev->through && !backing_is_open(&dev->backing)) {
		pr_err("ramster0: writethrough is on, so it wants a backing device first\n");
		return -EINVAL;
	}
	pool = tmem_pool_new();
	if (!pool)
		return -ENOMEM;
	err = backing_resize(&dev->backing, size >> PAGE_SHIFT);
	if (err) {
		tmem_pool_destroy(pool);
		if (err == -ENOSPC)
			pr_err("ramster0: the backing device %s has less than %llu bytes\n", dev->backing.path, size);
		return err;
	}
	if (backing_is_open(&dev->backing)) {
		pool->backing = &dev->backing;
		err = writeback_start(pool);
		if (err) {
			tmem_pool_destroy(pool);
			return err;
		}
	}
	dev->pool = pool;
	set_capacity_and_notify(dev->disk, size >> SECTOR_SHIFT);
	if (!backing_is_open(&dev->backing))
		pr_info("ramster0: no backing device: when no RAM is left anywhere writes fail as on a full disk\n");
	return 0;
}

static ssize_t disksize_store(struct device *device, struct device_attribute *attr, const char *buf, size_t len)
{
	struct swapdev *dev = attr_swapdev(device);
	char *end;
	u64 size = memparse(buf, &end);
	int err;

	if (end == buf || !sysfs_streq(end, "") || size < PAGE_SIZE || size > SWAPDEV_MAX_SIZE)
		return -EINVAL;
	mutex_lock(&dev->lock);
	err = swapdev_resize(dev, PAGE_ALIGN(size));
	mutex_unlock(&dev->lock);
	return err ?: len;
}
static DEVICE_ATTR_RW(disksize);

static ssize_t backing_dev_show(struct device *device, struct device_attribute *attr, char *buf)
{
	struct swapdev *dev = attr_swapdev(device);
	ssize_t len;

	mutex_lock(&dev->lock);
	len = sysfs_emit(buf, "%s\n", dev->backing.path ?: "none");
	mutex_unlock(&dev->lock);
	return len;
}

static ssize_t backing_dev_store(struct device *device, struct device_attribute *attr, const char *buf, size_t len)
{
	struct swapdev *dev = attr_swapdev(device);
	char *copy = kstrndup(buf, len, GFP_KERNEL);
	int err = -EBUSY;

	if (!copy)
		return -ENOMEM;
	mutex_lock(&dev->lock);
	if (!dev->pool && !backing_is_open(&dev->backing))
		err = backing_open(&dev->backing, strim(copy));
	if (!err && dev->backing.dev.bdev->bd_disk == dev->disk) {
		backing_close(&dev->backing);
		err = -EINVAL;
	}
	mutex_unlock(&dev->lock);
	kfree(copy);
	return err ?: len;
}
static DEVICE_ATTR_RW(backing_dev);

static void swapdev_clear(struct swapdev *dev)
{
	lockdep_assert_held(&dev->lock);
	flush_work(&dev->reads.work);
	flush_work(&dev->disk_work);
	flush_work(&dev->up_work);
	flush_work(&dev->writes.work);
	writeback_stop();
	if (dev->pool)
		tmem_pool_destroy(dev->pool);
	dev->pool = NULL;
	backing_close(&dev->backing);
}

static ssize_t reset_store(struct device *device, struct device_attribute *attr, const char *buf, size_t len)
{
	struct swapdev *dev = attr_swapdev(device);
	bool yes;
	int err;

	err = kstrtobool(buf, &yes);
	if (err || !yes)
		return -EINVAL;
	mutex_lock(&dev->lock);
	err = compat_disk_empty(dev->disk);
	if (!err)
		swapdev_clear(dev);
	mutex_unlock(&dev->lock);
	return err ?: len;
}
static DEVICE_ATTR_WO(reset);

static struct attribute *swapdev_attrs[] = {
	&dev_attr_disksize.attr,
	&dev_attr_backing_dev.attr,
	&dev_attr_reset.attr,
	NULL,
};
ATTRIBUTE_GROUPS(swapdev);

int swapdev_set_through(bool through)
{
	int err = 0;

	mutex_lock(&swapdev.lock);
	if (through && swapdev.pool && !backing_is_open(&swapdev.backing)) {
		pr_err("ramster0: there is no backing device to write through to\n");
		err = -EINVAL;
	} else {
		swapdev.through = through;
		writeback_set_through(through);
	}
	mutex_unlock(&swapdev.lock);
	return err;
}

dev_t swapdev_devt(void)
{
	return disk_devt(swapdev.disk);
}

int swapdev_init(void)
{
	int err;

	backing_init(&swapdev.backing);
	err = swapdev_io_init(&swapdev);
	if (err)
		return err;
	swapdev.disk = compat_disk_alloc(synchronous);
	if (IS_ERR(swapdev.disk)) {
		err = PTR_ERR(swapdev.disk);
		goto err_io;
	}
	swapdev.disk->fops = synchronous ? &swapdev_synchronous_ops : &swapdev_ops;
	swapdev.disk->private_data = &swapdev;
	strscpy(swapdev.disk->disk_name, "ramster0", sizeof(swapdev.disk->disk_name));
	set_capacity(swapdev.disk, 0);
	err = compat_disk_add(swapdev.disk, swapdev_groups);
	if (err)
		goto err_disk;
	return 0;

err_disk:
	compat_disk_free(swapdev.disk);
err_io:
	swapdev_io_exit(&swapdev);
	return err;
}

void swapdev_exit(void)
{
	del_gendisk(swapdev.disk);
	mutex_lock(&swapdev.lock);
	swapdev_clear(&swapdev);
	mutex_unlock(&swapdev.lock);
	compat_disk_free(swapdev.disk);
	swapdev_io_exit(&swapdev);
}
