/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - force-included everywhere: gives older kernels what the newest has. With compat.c the only place that knows
 * kernels' versions. COMPAT_HAVE_... come from trial compiles in Kbuild, for what was backported to stable kernels.
 */
#ifndef _RAMSTER_COMPAT_H
#define _RAMSTER_COMPAT_H

#ifndef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#endif

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/kconfig.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/version.h>
#include <net/sock.h>

/* 5.11 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#undef kmap_local_page
#define kmap_local_page(page) kmap_atomic(page)
#undef kunmap_local
#define kunmap_local(addr) kunmap_atomic((void *)(addr))
#endif

/* 6.3 */
#ifndef COMPAT_HAVE_list_count_nodes
static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *pos;
	size_t count = 0;

	list_for_each(pos, head)
		count++;
	return count;
}
#endif

/* 6.2: the socket may tell that sending must not use the task's page fragment, which a faulting task may be using. */
static inline void compat_sk_no_task_frag(struct sock *sk)
{
#ifdef COMPAT_HAVE_task_frag
	sk->sk_use_task_frag = false;
#endif
}

/* 6.7: shrinkers are allocated. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->flags = flags;
	shrinker->seeks = DEFAULT_SEEKS;
	return shrinker;
}

/* Where registering fails for want of memory, nobody asks, and unregistering does nothing. */
static inline void shrinker_register(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
	if (register_shrinker(shrinker, "ramster"))
#else
	if (register_shrinker(shrinker))
#endif
		pr_warn("the shrinker cannot be registered\n");
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

/* Until 6.5 there is frontswap; until 5.16 it took several backends, could not refuse one, and could write through. */
#if IS_ENABLED(CONFIG_FRONTSWAP)
#include <linux/frontswap.h>

static inline int compat_frontswap_register_ops(struct frontswap_ops *ops)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
	frontswap_register_ops(ops);
	return 0;
#else
	return frontswap_register_ops(ops);
#endif
}

/* Whether the kernel writes each page to the swap disk, too, from now on. */
static inline bool compat_frontswap_write_through(bool on)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
	frontswap_writethrough(on);
	return on;
#else
	return false;
#endif
}
#endif

/* 5.18: a virtual machine hears that it was cloned. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static inline void compat_register_vmfork_notifier(struct notifier_block *nb)
{
}

static inline void compat_unregister_vmfork_notifier(struct notifier_block *nb)
{
}
#else
#include <linux/random.h>

/* Fails only for what is registered already. */
static inline void compat_register_vmfork_notifier(struct notifier_block *nb)
{
	register_random_vmfork_notifier(nb);
}

static inline void compat_unregister_vmfork_notifier(struct notifier_block *nb)
{
	unregister_random_vmfork_notifier(nb);
}
#endif

/* 5.17 has folios; 6.9 has this for nothing else. */
static inline bool compat_page_swapbacked(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
	return PageSwapBacked(page);
#else
	return folio_test_swapbacked(page_folio(page));
#endif
}

/* 6.0 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
typedef unsigned int blk_opf_t;
#endif

/* 5.12: a bio knows its block device; 5.16: submit_bio returns nothing. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 12, 0)
static inline struct gendisk *compat_bio_disk(const struct bio *bio)
{
	return bio->bi_disk;
}
#else
static inline struct gendisk *compat_bio_disk(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
typedef blk_qc_t compat_submit_bio_t;
#define COMPAT_SUBMIT_BIO_DONE BLK_QC_T_NONE

static inline loff_t bdev_nr_bytes(struct block_device *bdev)
{
	return i_size_read(bdev->bd_inode);
}
#else
typedef void compat_submit_bio_t;
#define COMPAT_SUBMIT_BIO_DONE
#endif

/* 5.18: a bio is allocated for a device and an operation. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static inline struct bio *compat_bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs, unsigned int opf,
						  gfp_t gfp, struct bio_set *bs)
{
	struct bio *bio = bio_alloc_bioset(gfp, nr_vecs, bs);

	if (bio) {
		bio_set_dev(bio, bdev);
		bio->bi_opf = opf;
	}
	return bio;
}
#define bio_alloc_bioset compat_bio_alloc_bioset
#endif

/*
 * The group that a page is charged to, or NULL: 6.12 asks folios. Under rcu_read_lock(). Bios of a file system may carry
 * slab pages, which keep something else in that place; and 5.10 charges only a huge page's head.
 */
#ifdef CONFIG_MEMCG
#include <linux/memcontrol.h>

static inline struct mem_cgroup *compat_page_memcg(struct page *page)
{
	if (PageSlab(page))
		return NULL;
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
	return page_memcg(compound_head(page));
#else
	return folio_memcg(page_folio(page));
#endif
}
#endif

/* 6.0 */
#ifndef unrcu_pointer
#define unrcu_pointer(p) ((typeof(*p) __force *)(p))
#endif

/* A block device that is open exclusively. */
struct compat_bdev {
	struct block_device *bdev;
	struct file *file; /* since 6.9 */
};

int compat_bdev_open(struct compat_bdev *dev, const char *path, void *holder);
void compat_bdev_close(struct compat_bdev *dev);

struct gendisk;
struct attribute_group;

/*
 * A bio-based swap disk, capacity 0: whole pages only, pages stable under I/O, discard and write-zeroes, no seeks, no
 * partitions. If @synchronous its operations must have COMPAT_SYNCHRONOUS_OPS. Returns ERR_PTR(-ENOMEM) on failure.
 * compat_disk_free() frees what compat_disk_alloc() returned, after del_gendisk() if compat_disk_add() succeeded.
 */
struct gendisk *compat_disk_alloc(bool synchronous);
/* Until 6.2 swap takes a disk for synchronous that has ->rw_page, whatever that does; ours leaves all pages to bios. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
int compat_rw_page(struct block_device *bdev, sector_t sector, struct page *page, unsigned int op);
#define COMPAT_SYNCHRONOUS_OPS .rw_page = compat_rw_page,
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
int compat_rw_page(struct block_device *bdev, sector_t sector, struct page *page, enum req_op op);
#define COMPAT_SYNCHRONOUS_OPS .rw_page = compat_rw_page,
#else
#define COMPAT_SYNCHRONOUS_OPS
#endif
int compat_disk_add(struct gendisk *disk, const struct attribute_group **groups);
void compat_disk_free(struct gendisk *disk);
/* Sets the capacity to 0, unless somebody has the disk open: -EBUSY. */
int compat_disk_empty(struct gendisk *disk);

#endif
