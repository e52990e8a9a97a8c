// SPDX-License-Identifier: GPL-2.0
/*
 * compat.c - what compat.h is too small for.
 */
#include <linux/err.h>
#include <linux/mm.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
int compat_bdev_open(struct compat_bdev *dev, const char *path, void *holder)
{
	struct file *file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	dev->file = file;
	dev->bdev = file_bdev(file);
	return 0;
}

void compat_bdev_close(struct compat_bdev *dev)
{
	bdev_fput(dev->file);
	dev->file = NULL;
	dev->bdev = NULL;
}
#else
#define COMPAT_BDEV_MODE (FMODE_READ | FMODE_WRITE | FMODE_EXCL)

int compat_bdev_open(struct compat_bdev *dev, const char *path, void *holder)
{
	struct block_device *bdev = blkdev_get_by_path(path, COMPAT_BDEV_MODE, holder);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	dev->bdev = bdev;
	return 0;
}

void compat_bdev_close(struct compat_bdev *dev)
{
	blkdev_put(dev->bdev, COMPAT_BDEV_MODE);
	dev->bdev = NULL;
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
struct gendisk *compat_disk_alloc(bool synchronous)
{
	struct queue_limits lim = {
		.logical_block_size = PAGE_SIZE,
		.physical_block_size = PAGE_SIZE,
		.io_min = PAGE_SIZE,
		.io_opt = PAGE_SIZE,
		.dma_alignment = PAGE_SIZE - 1,
		.max_hw_discard_sectors = UINT_MAX,
		.max_write_zeroes_sectors = UINT_MAX,
		.features = BLK_FEAT_STABLE_WRITES | (synchronous ? BLK_FEAT_SYNCHRONOUS : 0),
	};
	struct gendisk *disk = blk_alloc_disk(&lim, NUMA_NO_NODE);

	if (!IS_ERR(disk))
		disk->flags |= GENHD_FL_NO_PART;
	return disk;
}
#else
static void compat_disk_limits(struct request_queue *queue, bool synchronous)
{
	blk_queue_flag_set(QUEUE_FLAG_NONROT, queue);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, queue);
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, queue);
	blk_queue_physical_block_size(queue, PAGE_SIZE);
	blk_queue_logical_block_size(queue, PAGE_SIZE);
	blk_queue_dma_alignment(queue, PAGE_SIZE - 1);
	blk_queue_io_min(queue, PAGE_SIZE);
	blk_queue_io_opt(queue, PAGE_SIZE);
	queue->limits.discard_granularity = PAGE_SIZE;
	blk_queue_max_discard_sectors(queue, UINT_MAX);
	blk_queue_max_write_zeroes_sectors(queue, UINT_MAX);
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	blk_queue_flag_set(QUEUE_FLAG_DISCARD, queue);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	if (synchronous)
		blk_queue_flag_set(QUEUE_FLAG_SYNCHRONOUS, queue);
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
struct gendisk *compat_disk_alloc(bool synchronous)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	disk->flags |= GENHD_FL_NO_PART;
	compat_disk_limits(disk->queue, synchronous);
	return disk;
}
#else
struct gendisk *compat_disk_alloc(bool synchronous)
{
	struct request_queue *queue = blk_alloc_queue(NUMA_NO_NODE);
	struct gendisk *disk;

	if (!queue)
		return ERR_PTR(-ENOMEM);
	disk = alloc_disk(0);
	if (!disk) {
		blk_cleanup_queue(queue);
		return ERR_PTR(-ENOMEM);
	}
	disk->queue = queue;
	disk->flags |= GENHD_FL_NO_PART_SCAN | GENHD_FL_EXT_DEVT;
	compat_disk_limits(queue, synchronous);
	return disk;
}
#endif
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
int compat_rw_page(struct block_device *bdev, sector_t sector, struct page *page, unsigned int op)
{
	return -EOPNOTSUPP;
}
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
int compat_rw_page(struct block_device *bdev, sector_t sector, struct page *page, enum req_op op)
{
	return -EOPNOTSUPP;
}
#endif

int compat_disk_add(struct gendisk *disk, const struct attribute_group **groups)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 15, 0)
	return device_add_disk(NULL, disk, groups);
#else
	device_add_disk(NULL, disk, groups);
	return 0;
#endif
}

void compat_disk_free(struct gendisk *disk)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
	blk_cleanup_queue(disk->queue);
#endif
	put_disk(disk);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
int compat_disk_empty(struct gendisk *disk)
{
	int err = 0;

	mutex_lock(&disk->open_mutex);
	if (disk_openers(disk))
		err = -EBUSY;
	else
		set_capacity_and_notify(disk, 0);
	mutex_unlock(&disk->open_mutex);
	return err;
}
#else
int compat_disk_empty(struct gendisk *disk)
{
	struct block_device *bdev = bdget_disk(disk, 0);
	int err = 0;

	if (!bdev)
		return -ENOMEM;
	mutex_lock(&bdev->bd_mutex);
	if (bdev->bd_openers)
		err = -EBUSY;
	else
		set_capacity_and_notify(disk, 0);
	mutex_unlock(&bdev->bd_mutex);
	bdput(bdev);
	return err;
}
#endif
