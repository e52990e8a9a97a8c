// SPDX-License-Identifier: GPL-2.0
/*
 * nodemanager.c - nodes in configfs.
 *
 * A node has a number from when num is written; numbers are unique over all clusters. A node that a peer stands for
 * (nodemanager_get()) keeps its number and cannot be removed.
 */
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "nodemanager.h"
#include "peer.h"
#include "r2net.h"

#define NO_NUMBER U32_MAX
#define ADDRESS_LEN 64

struct nodemanager_node {
	struct config_item item;
	struct list_head link; /* in nodes */
	u32 num; /* or NO_NUMBER */
	unsigned int pins;
	u16 port; /* 0 = not written yet */
	bool local;
	char address[ADDRESS_LEN];
};

struct cluster {
	struct config_group group;
	struct config_group nodes;
};

static DEFINE_MUTEX(nodes_lock); /* of the list and all nodes' fields */
static LIST_HEAD(nodes);
static bool opened;

static struct nodemanager_node *item_node(struct config_item *item)
{
	return container_of(item, struct nodemanager_node, item);
}

static struct nodemanager_node *node_find(u32 num)
{
	struct nodemanager_node *node;

	lockdep_assert_held(&nodes_lock);
	list_for_each_entry(node, &nodes, link)
		if (node->num == num)
			return node;
	return NULL;
}

static ssize_t node_num_show(struct config_item *item, char *page)
{
	u32 num = READ_ONCE(item_node(item)->num);

	return num == NO_NUMBER ? sysfs_emit(page, "\n") : sysfs_emit(page, "%u\n", num);
}

static ssize_t node_num_store(struct config_item *item, const char *page, size_t len)
{
	struct nodemanager_node *node = item_node(item), *other;
	u32 num;
	int err;

	err = kstrtou32(page, 0, &num);
	if (err)
		return err;
	if (num >= R2NET_MAX_NODES)
		return -ERANGE;
	mutex_lock(&nodes_lock);
	other = node_find(num);
	if (other && other != node)
		err = -EEXIST;
	else if (node->pins && node->num != num)
		err = -EBUSY;
	else
		WRITE_ONCE(node->num, num);
	mutex_unlock(&nodes_lock);
	return err ?: len;
}

static ssize_t node_address_show(struct config_item *item, char *page)
{
	ssize_t len;

	mutex_lock(&nodes_lock);
	len = sysfs_emit(page, "%s\n", item_node(item)->address);
	mutex_unlock(&nodes_lock);
	return len;
}

static bool address_valid(const char *address)
{
	u8 binary[sizeof(struct in6_addr)];

	return in4_pton(address, -1, binary, -1, NULL) || in6_pton(address, -1, binary, -1, NULL);
}

static ssize_t node_address_store(struct config_item *item, const char *page, size_t len)
{
	struct nodemanager_node *node = item_node(item);
	char address[ADDRESS_LEN];

	if (strscpy(address, page, sizeof(address)) < 0 || !address_valid(strim(address)))
		return -EINVAL;
	mutex_lock(&nodes_lock);
	strscpy(node->address, strim(address), sizeof(node->address));
	mutex_unlock(&nodes_lock);
	return len;
}

static ssize_t node_port_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", READ_ONCE(item_node(item)->port));
}

static ssize_t node_port_store(struct config_item *item, const char *page, size_t len)
{
	u16 port;
	int err;

	err = kstrtou16(page, 0, &port);
	if (err)
		return err;
	if (!port)
		return -ERANGE;
	WRITE_ONCE(item_node(item)->port, port);
	return len;
}

static ssize_t node_local_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(item_node(item)->local));
}

static ssize_t node_local_store(struct config_item *item, const char *page, size_t len)
{
	struct nodemanager_node *node = item_node(item), *other;
	bool local;
	int err;

	err = kstrtobool(page, &local);
	if (err)
		return err;
	mutex_lock(&nodes_lock);
	list_for_each_entry(other, &nodes, link)
		if (local && other != node && other->local)
			err = -EEXIST;
	if (!err)
		WRITE_ONCE(node->local, local);
	mutex_unlock(&nodes_lock);
	return err ?: len;
}

static ssize_t node_state_show(struct config_item *item, char *page)
{
	static const char *const names[] = { "down", "up", "late", "dead" };
	struct nodemanager_node *node = item_node(item);
	const char *state = READ_ONCE(node->local) ? "local" : "unused";
	struct r2net_peer *peer;

	r2net_peers_lock();
	list_for_each_entry(peer, &r2net_peers, link)
		if (peer->node == READ_ONCE(node->num))
			state = names[READ_ONCE(peer->state)];
	r2net_peers_unlock();
	return sysfs_emit(page, "%s\n", state);
}

CONFIGFS_ATTR(node_, num);
CONFIGFS_ATTR(node_, address);
CONFIGFS_ATTR(node_, port);
CONFIGFS_ATTR(node_, local);
CONFIGFS_ATTR_RO(node_, state);

static struct configfs_attribute *node_attrs[] = {
	&node_attr_num, &node_attr_address, &node_attr_port, &node_attr_local, &node_attr_state, NULL,
};

static void node_release(struct config_item *item)
{
	kfree(item_node(item));
}

static struct configfs_item_operations node_item_ops = { .release = node_release };

static const struct config_item_type node_type = {
	.ct_item_ops = &node_item_ops,
	.ct_attrs = node_attrs,
	.ct_owner = THIS_MODULE,
};

static struct config_item *node_make(struct config_group *group, const char *name)
{
	struct nodemanager_node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->num = NO_NUMBER;
	config_item_init_type_name(&node->item, name, &node_type);
	mutex_lock(&nodes_lock);
	list_add_tail(&node->link, &nodes);
	mutex_unlock(&nodes_lock);
	return &node->item;
}

static void node_drop(struct config_group *group, struct config_item *item)
{
	mutex_lock(&nodes_lock);
	list_del(&item_node(item)->link);
	mutex_unlock(&nodes_lock);
	config_item_put(item);
}

static struct configfs_group_operations nodes_group_ops = { .make_item = node_make, .drop_item = node_drop };

static const struct config_item_type nodes_type = { .ct_group_ops = &nodes_group_ops, .ct_owner = THIS_MODULE };

static void cluster_release(struct config_item *item)
{
	kfree(container_of(to_config_group(item), struct cluster, group));
}

static struct configfs_item_operations cluster_item_ops = { .release = cluster_release };

static const struct config_item_type cluster_type = { .ct_item_ops = &cluster_item_ops, .ct_owner = THIS_MODULE };

static struct config_group *cluster_make(struct config_group *group, const char *name)
{
	struct cluster *cluster;

	if (!READ_ONCE(opened))
		return ERR_PTR(-EAGAIN);
	cluster = kzalloc(sizeof(*cluster), GFP_KERNEL);
	if (!cluster)
		return ERR_PTR(-ENOMEM);
	config_group_init_type_name(&cluster->group, name, &cluster_type);
	config_group_init_type_name(&cluster->nodes, "node", &nodes_type);
	configfs_add_default_group(&cluster->nodes, &cluster->group);
	return &cluster->group;
}

static void cluster_drop(struct config_group *group, struct config_item *item)
{
	configfs_remove_default_groups(to_config_group(item));
	config_item_put(item);
}

static struct configfs_group_operations subsystem_group_ops = {
	.make_group = cluster_make,
	.drop_item = cluster_drop,
};

static const struct config_item_type subsystem_type = {
	.ct_group_ops = &subsystem_group_ops,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = { .cg_item = { .ci_namebuf = "ramster", .ci_type = &subsystem_type } },
};

struct nodemanager_node *nodemanager_get(u32 num)
{
	struct nodemanager_node *node;
	int err;

	mutex_lock(&nodes_lock);
	node = node_find(num);
	if (node) {
		config_item_get(&node->item);
		node->pins++;
	}
	mutex_unlock(&nodes_lock);
	if (!node)
		return ERR_PTR(-ENOENT);
	/* Without our lock: it takes configfs's, inside which node_make() and node_drop() take ours. */
	err = configfs_depend_item(&subsystem, &node->item);
	if (!err)
		return node;
	mutex_lock(&nodes_lock);
	node->pins--;
	mutex_unlock(&nodes_lock);
	config_item_put(&node->item);
	return ERR_PTR(err);
}

void nodemanager_put(struct nodemanager_node *node)
{
	configfs_undepend_item(&node->item);
	mutex_lock(&nodes_lock);
	node->pins--;
	mutex_unlock(&nodes_lock);
	config_item_put(&node->item);
}

u32 nodemanager_number(const struct nodemanager_node *node)
{
	return READ_ONCE(node->num);
}

void nodemanager_open(void)
{
	WRITE_ONCE(opened, true);
}

int nodemanager_init(void)
{
	config_group_init(&subsystem.su_group);
	mutex_init(&subsystem.su_mutex);
	return configfs_register_subsystem(&subsystem);
}

void nodemanager_exit(void)
{
	configfs_unregister_subsystem(&subsystem);
	mutex_destroy(&subsystem.su_mutex);
}
