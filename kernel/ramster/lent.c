// SPDX-License-Identifier: GPL-2.0
/*
 * lent.c - tells the lender's pages from others' by the control group that they are charged to.
 */
#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/memcontrol.h>
#include <linux/rcupdate.h>

#include "lent.h"

#ifdef CONFIG_MEMCG

static struct cgroup __rcu *group; /* a reference */

static void set_group(struct cgroup *new)
{
	struct cgroup *old = unrcu_pointer(xchg(&group, RCU_INITIALIZER(new)));

	if (!old)
		return;
	synchronize_rcu();
	cgroup_put(old);
}

int lent_set_group(int fd)
{
	struct cgroup *new = cgroup_get_from_fd(fd);

	if (IS_ERR(new))
		return PTR_ERR(new);
	set_group(new);
	return 0;
}

bool lent_page(struct page *page)
{
	struct mem_cgroup *memcg;
	struct cgroup *lenders;
	bool lent;

	rcu_read_lock();
	lenders = rcu_dereference(group);
	memcg = lenders ? compat_page_memcg(page) : NULL;
	lent = memcg && cgroup_is_descendant(memcg->css.cgroup, lenders);
	rcu_read_unlock();
	return lent;
}

void lent_exit(void)
{
	set_group(NULL);
}

#else

int lent_set_group(int fd)
{
	return -EOPNOTSUPP;
}

bool lent_page(struct page *page)
{
	return false;
}

void lent_exit(void)
{
}

#endif
