// SPDX-License-Identifier: GPL-2.0-or-later
/* A radix tree. Nodes without an entry are freed, so that an empty tree takes no memory. */
#include <linux/slab.h>
#include <linux/xarray.h>

static unsigned int node_slot(const struct xa_node *node, unsigned long index)
{
	return index >> node->shift & (XA_CHUNK_SIZE - 1);
}

/* The last index that a tree with this head can have. */
static unsigned long node_max(const struct xa_node *head)
{
	unsigned int bits = head->shift + XA_CHUNK_SHIFT;

	return bits < 64 ? (1UL << bits) - 1 : ~0UL;
}

void xa_init(struct xarray *xa)
{
	spin_lock_init(&xa->xa_lock);
	xa->head = NULL;
}

/* Takes the lock, unless this task has it. */
static bool tree_lock(struct xarray *xa)
{
	if (READ_ONCE(xa->xa_lock.owner) == &shim_task)
		return false;
	xa_lock(xa);
	return true;
}

static struct xa_node *leaf_find(struct xarray *xa, unsigned long index)
{
	struct xa_node *node = xa->head;

	if (!node || index > node_max(node))
		return NULL;
	while (node && node->shift)
		node = node->slots[node_slot(node, index)];
	return node;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	bool locked = tree_lock(xa);
	struct xa_node *leaf = leaf_find(xa, index);
	void *entry = leaf ? leaf->slots[node_slot(leaf, index)] : NULL;

	if (locked)
		xa_unlock(xa);
	return entry;
}

static struct xa_node *node_new(struct xa_node *parent, unsigned int shift, unsigned int offset, gfp_t gfp)
{
	struct xa_node *node = kzalloc(sizeof(*node), gfp);

	if (!node)
		return NULL;
	node->shift = shift;
	node->offset = offset;
	node->parent = parent;
	return node;
}

/* Frees a node if it is empty, and then perhaps those above it. */
static void node_prune(struct xarray *xa, struct xa_node *node)
{
	struct xa_node *parent;

	while (node && !node->count) {
		parent = node->parent;
		if (parent) {
			parent->slots[node->offset] = NULL;
			parent->count--;
		} else {
			xa->head = NULL;
		}
		kfree(node);
		node = parent;
	}
}

/* Makes the tree high enough for @index. */
static bool tree_raise(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	struct xa_node *node;

	if (!xa->head)
		xa->head = node_new(NULL, 0, 0, gfp);
	while (xa->head && index > node_max(xa->head)) {
		node = node_new(NULL, xa->head->shift + XA_CHUNK_SHIFT, 0, gfp);
		if (!node)
			return false;
		if (xa->head->count) {
			node->slots[0] = xa->head;
			node->count = 1;
			xa->head->parent = node;
		} else {
			kfree(xa->head);
		}
		xa->head = node;
	}
	return xa->head;
}

static struct xa_node *leaf_make(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	struct xa_node *node, *child;

	if (!tree_raise(xa, index, gfp)) {
		node_prune(xa, xa->head);
		return NULL;
	}
	for (node = xa->head; node->shift; node = child) {
		child = node->slots[node_slot(node, index)];
		if (child)
			continue;
		child = node_new(node, node->shift - XA_CHUNK_SHIFT, node_slot(node, index), gfp);
		if (!child) {
			node_prune(xa, node);
			return NULL;
		}
		node->slots[node_slot(node, index)] = child;
		node->count++;
	}
	return node;
}

void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	struct xa_node *leaf;
	void *old;

	lockdep_assert_held(&xa->xa_lock);
	shim_assert(entry && !(gfp & __GFP_DIRECT_RECLAIM));
	leaf = leaf_find(xa, index);
	/* Without flags nothing may be allocated. */
	if (!leaf) {
		shim_assert(gfp);
		leaf = leaf_make(xa, index, gfp);
	}
	if (!leaf)
		return shim_xa_err(-ENOMEM);
	old = leaf->slots[node_slot(leaf, index)];
	leaf->slots[node_slot(leaf, index)] = entry;
	leaf->count += !old;
	return old;
}

void *__xa_erase(struct xarray *xa, unsigned long index)
{
	struct xa_node *leaf;
	void *old;

	lockdep_assert_held(&xa->xa_lock);
	leaf = leaf_find(xa, index);
	if (!leaf)
		return NULL;
	old = leaf->slots[node_slot(leaf, index)];
	if (!old)
		return NULL;
	leaf->slots[node_slot(leaf, index)] = NULL;
	leaf->count--;
	node_prune(xa, leaf);
	return old;
}

/* The first index behind the range that a node's slot for @index covers; 0 if there is none. */
static unsigned long slot_end(const struct xa_node *node, unsigned long index)
{
	return ((index >> node->shift) + 1) << node->shift;
}

static void *tree_find(struct xarray *xa, unsigned long *index, unsigned long last, struct xa_node **found)
{
	unsigned long i = *index;
	struct xa_node *node;
	void *slot;

	while (xa->head && i <= last && i <= node_max(xa->head)) {
		node = xa->head;
		for (;;) {
			slot = node->slots[node_slot(node, i)];
			if (!slot || !node->shift)
				break;
			node = slot;
		}
		if (slot) {
			*index = i;
			if (found)
				*found = node;
			return slot;
		}
		i = slot_end(node, i);
		if (!i)
			break;
	}
	return NULL;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last, struct xa_node **node)
{
	bool locked = tree_lock(xa);
	void *entry = tree_find(xa, index, last, node);

	if (locked)
		xa_unlock(xa);
	return entry;
}
