// SPDX-License-Identifier: GPL-2.0
/*
 * extent_group.c - open extents by the lenders that they are with, and which of these groups is sent to next.
 */
#include <linux/atomic.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "extent.h"
#include "extent_table.h"

#define REST (HZ / 20)

static LIST_HEAD(groups);

static struct extent_group *group_find(struct r2net_peer *const peers[], unsigned int nr)
{
	struct extent_group *group;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(group, &groups, link)
		if (group->nr_peers == nr && !memcmp(group->peers, peers, nr * sizeof(*peers)))
			return group;
	return NULL;
}

static struct extent_group *group_new(struct r2net_peer *const peers[], unsigned int nr)
{
	struct extent_group *group = kzalloc(sizeof(*group), GFP_NOIO);
	unsigned int i;

	if (!group)
		return NULL;
	group->nr_peers = nr;
	for (i = 0; i < nr; i++)
		group->peers[i] = r2net_peer_get(peers[i]);
	INIT_LIST_HEAD(&group->extents);
	for (i = 0; i < EXTENT_MAX_CLASSES; i++)
		INIT_LIST_HEAD(&group->partial[i]);
	return group;
}

static void group_free(struct extent_group *group)
{
	unsigned int i;

	for (i = 0; i < group->nr_peers; i++)
		r2net_peer_put(group->peers[i]);
	kfree(group);
}

void extent_group_put_locked(struct extent_group *group)
{
	lockdep_assert_held(&extents_lock);
	if (--group->refs)
		return;
	list_del(&group->link);
	group_free(group);
}

struct extent_group *extent_group_of(struct r2net_peer *peers[], unsigned int nr)
{
	struct extent_group *group, *new;

	lockdep_assert_held(&extents_mutex);
	if (nr == 2 && peers[0] > peers[1])
		swap(peers[0], peers[1]);
	new = group_new(peers, nr);
	spin_lock(&extents_lock);
	group = group_find(peers, nr);
	if (!group && new) {
		list_add_tail(&new->link, &groups);
		swap(group, new);
	}
	if (group)
		group->refs++;
	spin_unlock(&extents_lock);
	if (new)
		group_free(new);
	return group;
}

void extent_group_put(struct extent_group *group)
{
	spin_lock(&extents_lock);
	extent_group_put_locked(group);
	spin_unlock(&extents_lock);
}

/* Whether blocks that have a class already have a free slot; not for a page of any length. */
static bool group_has_slots(const struct extent_group *group)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < EXTENT_MAX_CLASSES; i++)
		if (!list_empty(&group->partial[i]))
			return true;
	return false;
}

/* @slots: also one that has no more than these. */
static bool group_takes_writes(const struct extent_group *group, bool slots)
{
	unsigned int i;

	for (i = 0; i < group->nr_peers; i++)
		if (!r2net_peer_takes_writes(group->peers[i]))
			return false;
	return group->free_blocks || (slots && group_has_slots(group));
}

static bool group_rests(const struct extent_group *group)
{
	unsigned long until = READ_ONCE(group->rest_until);

	return until && time_before(jiffies, until);
}

/* Whose turn it is. */
static struct extent_group *group_to_write(bool slots)
{
	struct extent_group *group, *found = NULL;
	unsigned int sharers = 0;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(group, &groups, link)
		sharers += group_takes_writes(group, slots) || atomic_read(&group->writes);
	list_for_each_entry(group, &groups, link)
		if (group_takes_writes(group, slots) && !group_rests(group) &&
		    atomic_read(&group->writes) * sharers < max_t(unsigned int, sharers, EXTENT_MAX_WRITES) &&
		    (!found || group->turn < found->turn))
			found = group;
	return found;
}

struct extent_group *extent_group_next(void)
{
	struct extent_group *found;
	static u64 turns;

	spin_lock(&extents_lock);
	/* Where there is room for any page first: only then is it worth trying what fits into what others have left. */
	found = group_to_write(false) ?: group_to_write(true);
	if (found) {
		found->turn = ++turns;
		found->refs++;
	}
	spin_unlock(&extents_lock);
	return found;
}

u64 extent_usable_bytes(void)
{
	struct extent_group *group;
	u64 blocks = 0;

	spin_lock(&extents_lock);
	list_for_each_entry(group, &groups, link)
		if (group_takes_writes(group, false))
			blocks += group->free_blocks;
	spin_unlock(&extents_lock);
	return blocks * EXTENT_BLOCK_SIZE;
}

void extent_group_write(struct extent_group *group, int nr)
{
	atomic_add(nr, &group->writes);
}

void extent_group_rest(struct extent_group *group)
{
	WRITE_ONCE(group->rest_until, max(1UL, jiffies + REST));
}
