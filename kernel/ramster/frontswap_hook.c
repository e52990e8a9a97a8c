// SPDX-License-Identifier: GPL-2.0
/*
 * frontswap_hook.c - registers with frontswap, once and for ever, and passes its calls on.
 *
 * While nobody is attached stores are refused. Pages exist only while somebody is: who attaches keeps its own module from
 * being removed as long as it holds any.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/frontswap.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/srcu.h>

#include "frontswap_hook.h"

DEFINE_STATIC_SRCU(hook_srcu);
static DEFINE_MUTEX(hook_lock); /* of those who attach and detach */
static const struct frontswap_hook_ops __rcu *hook_ops;

static void hook_init(unsigned int type)
{
}

static int hook_store(unsigned int type, pgoff_t offset, struct page *page)
{
	int idx = srcu_read_lock(&hook_srcu);
	const struct frontswap_hook_ops *ops = srcu_dereference(hook_ops, &hook_srcu);
	int ret = ops ? ops->store(type, offset, page) : -1;

	srcu_read_unlock(&hook_srcu, idx);
	return ret;
}

static int hook_load(unsigned int type, pgoff_t offset, struct page *page)
{
	int idx = srcu_read_lock(&hook_srcu);
	const struct frontswap_hook_ops *ops = srcu_dereference(hook_ops, &hook_srcu);
	int ret = ops ? ops->load(type, offset, page) : -EIO;

	srcu_read_unlock(&hook_srcu, idx);
	return ret;
}

static void hook_invalidate_page(unsigned int type, pgoff_t offset)
{
	int idx = srcu_read_lock(&hook_srcu);
	const struct frontswap_hook_ops *ops = srcu_dereference(hook_ops, &hook_srcu);

	if (ops)
		ops->invalidate_page(type, offset);
	srcu_read_unlock(&hook_srcu, idx);
}

static void hook_invalidate_area(unsigned int type)
{
	int idx = srcu_read_lock(&hook_srcu);
	const struct frontswap_hook_ops *ops = srcu_dereference(hook_ops, &hook_srcu);

	if (ops)
		ops->invalidate_area(type);
	srcu_read_unlock(&hook_srcu, idx);
}

static struct frontswap_ops hook = {
	.init = hook_init,
	.store = hook_store,
	.load = hook_load,
	.invalidate_page = hook_invalidate_page,
	.invalidate_area = hook_invalidate_area,
};

int frontswap_hook_attach(const struct frontswap_hook_ops *ops)
{
	int err = -EBUSY;

	mutex_lock(&hook_lock);
	if (!rcu_dereference_protected(hook_ops, lockdep_is_held(&hook_lock))) {
		rcu_assign_pointer(hook_ops, ops);
		err = 0;
	}
	mutex_unlock(&hook_lock);
	return err;
}
EXPORT_SYMBOL_GPL(frontswap_hook_attach);

void frontswap_hook_detach(void)
{
	mutex_lock(&hook_lock);
	RCU_INIT_POINTER(hook_ops, NULL);
	mutex_unlock(&hook_lock);
	synchronize_srcu(&hook_srcu);
}
EXPORT_SYMBOL_GPL(frontswap_hook_detach);

static int __init frontswap_hook_init(void)
{
	int err = compat_frontswap_register_ops(&hook);

	if (err) {
		pr_err("frontswap has another backend already (zswap?); it takes only one (%d)\n", err);
		return err;
	}
	/* The kernel calls into this module from now on, until it is switched off. */
	__module_get(THIS_MODULE);
	return 0;
}
module_init(frontswap_hook_init);

MODULE_DESCRIPTION("RAMster's place in frontswap");
MODULE_LICENSE("GPL");
