// SPDX-License-Identifier: GPL-2.0
/*
 * frontswap.c - the front end for frontswap: one pool a swap area.
 *
 * store and load run in process context with the page locked; pages are freed under spinlocks. Areas may have
 * been active before this module was: a pool is made when an area's first page is stored. The module cannot be removed
 * while an area holds pages.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/swap.h>

#include "counters.h"
#include "frontswap.h"
#include "frontswap_hook.h"
#include "lent.h"
#include "swapdev.h"
#include "tmem.h"

struct area {
	struct tmem_pool *pool;
	atomic_long_t pages; /* while not 0 the area holds a reference to the module */
};

static struct area areas[MAX_SWAPFILES];
static DEFINE_MUTEX(areas_lock); /* of those who make pools */
static bool attached;
static bool through;
static bool
	kernel_writes; /* it writes each page to the swap disk, too: from the first time that it is asked to, until we go */

static struct tmem_pool *area_pool(struct area *area)
{
	/* Pairs with the release below: the pool is seen whole. */
	struct tmem_pool *pool = smp_load_acquire(&area->pool);

	if (pool)
		return pool;
	mutex_lock(&areas_lock);
	if (!area->pool) {
		unsigned int noio = memalloc_noio_save();

		/* For those who look without the lock. */
		smp_store_release(&area->pool, tmem_pool_new());
		memalloc_noio_restore(noio);
	}
	pool = area->pool;
	mutex_unlock(&areas_lock);
	return pool;
}

/* Counts a page in. Returns false if the module is being removed. */
static bool area_get(struct area *area)
{
	if (!try_module_get(THIS_MODULE))
		return false;
	/* The first page's reference stands for all: no page is ever counted before there is one. */
	if (atomic_long_inc_return(&area->pages) > 1)
		module_put(THIS_MODULE);
	return true;
}

static void area_put(struct area *area, unsigned long nr)
{
	if (nr && !atomic_long_sub_return(nr, &area->pages))
		module_put(THIS_MODULE);
}

static int frontswap_store_page(unsigned int type, unsigned long offset, struct page *page)
{
	struct area *area = &areas[type];
	struct tmem_pool *pool;
	bool lent;

	/* The kernel asks for every swap disk, even for ours. */
	if (page_file_mapping(page)->host->i_rdev == swapdev_devt())
		return -1;
	/* The kernel remembers only for a huge page's first slot that it is here. */
	if (PageTransHuge(page)) {
		count(stores_huge);
		return -1;
	}
	pool = area_pool(area);
	if (!pool || !area_get(area))
		return -1;
	/* The kernel has freed the slot's earlier page before. */
	lent = lent_page(page);
	WRITE_ONCE(pool->written, READ_ONCE(kernel_writes));
	if (tmem_store(pool, offset, page, lent || !frontswap_may_be_remote())) {
		area_put(area, 1);
		return -1;
	}
	if (lent)
		count(stores_lent);
	return 0;
}

static int frontswap_load_page(unsigned int type, unsigned long offset, struct page *page)
{
	/* swapoff gives a page that it cannot read up for ever. */
	int err = tmem_load_wait(areas[type].pool, offset, page, oom_task_origin(current));

	if (!err)
		return 0;
	if (err == -ENODATA) {
		count(loads_backing);
		return err;
	}
	/* The kernel is told that this is a read error; nothing may be seen in the page even where that is ignored. */
	clear_highpage(page);
	return -EIO;
}

static void frontswap_free_page(unsigned int type, unsigned long offset)
{
	struct area *area = &areas[type];
	struct tmem_pool *pool = smp_load_acquire(&area->pool); /* as area_pool() */

	if (pool)
		area_put(area, tmem_invalidate(pool, offset));
}

/* swapoff is done with the area: what is left of it is small, and its pool stays for the next. */
static void frontswap_free_area(unsigned int type)
{
	struct area *area = &areas[type];
	unsigned long index;
	void *entry;

	if (!area->pool)
		return;
	xa_for_each(&area->pool->pages, index, entry)
		area_put(area, tmem_invalidate(area->pool, index));
}

static const struct frontswap_hook_ops ops = {
	.store = frontswap_store_page,
	.load = frontswap_load_page,
	.invalidate_page = frontswap_free_page,
	.invalidate_area = frontswap_free_area,
};

bool frontswap_may_be_remote(void)
{
	if (READ_ONCE(kernel_writes))
		return true;
	return IS_ENABLED(CONFIG_FRONTSWAP_LOAD_ERRORS) && !READ_ONCE(through);
}

static void warn_if_local(void)
{
	if (frontswap_may_be_remote())
		return;
	pr_warn("frontswap: this kernel %s, so its pages stay in local RAM\n",
		through ? "cannot write through to the swap disk" : "does not report failed loads");
}

void frontswap_set_through(bool set)
{
	/* First the kernel: what we take to be written must be. */
	if (set && !kernel_writes)
		WRITE_ONCE(kernel_writes, compat_frontswap_write_through(true));
	WRITE_ONCE(through, set);
	if (attached)
		warn_if_local();
}

bool frontswap_attached(void)
{
	return READ_ONCE(attached);
}

void frontswap_attach(void)
{
	int (*attach)(const struct frontswap_hook_ops *ops) = symbol_get(frontswap_hook_attach);
	int err;

	if (!attach) {
		pr_info("frontswap: ramster_frontswap is not loaded, so there is only /dev/ramster0\n");
		return;
	}
	err = attach(&ops);
	if (err) {
		pr_err("frontswap: another module is attached (%d)\n", err);
		symbol_put(frontswap_hook_attach);
		return;
	}
	WRITE_ONCE(attached, true);
	warn_if_local();
}

void frontswap_detach(void)
{
	void (*detach)(void);
	unsigned int i;

	if (attached) {
		/* The module that we are attached to cannot go. */
		detach = symbol_get(frontswap_hook_detach);
		detach();
		symbol_put(frontswap_hook_detach);
		symbol_put(frontswap_hook_attach);
	}
	WRITE_ONCE(attached, false);
	if (kernel_writes)
		compat_frontswap_write_through(false);
	WRITE_ONCE(kernel_writes, false);
	for (i = 0; i < MAX_SWAPFILES; i++)
		if (areas[i].pool)
			tmem_pool_destroy(areas[i].pool);
}
