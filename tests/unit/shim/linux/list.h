/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doubly linked lists that check their links. */
#ifndef _SHIM_LIST_H
#define _SHIM_LIST_H

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)                                                                                           \
	{                                                                                                              \
		&(name), &(name)                                                                                       \
	}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	WRITE_ONCE(head->next, head);
	WRITE_ONCE(head->prev, head);
}

static inline void shim_list_insert(struct list_head *node, struct list_head *prev, struct list_head *next)
{
	shim_assert(prev->next == next && next->prev == prev && node != prev && node != next);
	WRITE_ONCE(node->prev, prev);
	WRITE_ONCE(node->next, next);
	WRITE_ONCE(prev->next, node);
	WRITE_ONCE(next->prev, node);
}

static inline void list_add(struct list_head *node, struct list_head *head)
{
	shim_list_insert(node, head, head->next);
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	shim_list_insert(node, head->prev, head);
}

static inline void shim_list_remove(struct list_head *node)
{
	shim_assert(node->next->prev == node && node->prev->next == node);
	WRITE_ONCE(node->next->prev, node->prev);
	WRITE_ONCE(node->prev->next, node->next);
}

static inline void list_del(struct list_head *node)
{
	shim_list_remove(node);
	WRITE_ONCE(node->next, NULL);
	WRITE_ONCE(node->prev, NULL);
}

static inline void list_del_init(struct list_head *node)
{
	shim_list_remove(node);
	INIT_LIST_HEAD(node);
}

static inline void list_move(struct list_head *node, struct list_head *head)
{
	shim_list_remove(node);
	list_add(node, head);
}

static inline void list_move_tail(struct list_head *node, struct list_head *head)
{
	shim_list_remove(node);
	list_add_tail(node, head);
}

static inline bool list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline bool list_empty_careful(const struct list_head *head)
{
	return READ_ONCE(head->next) == head && READ_ONCE(head->prev) == head;
}

static inline void list_splice_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	WRITE_ONCE(from->prev->next, to->next);
	WRITE_ONCE(to->next->prev, from->prev);
	WRITE_ONCE(from->next->prev, to);
	WRITE_ONCE(to->next, from->next);
	INIT_LIST_HEAD(from);
}

static inline void list_splice_tail_init(struct list_head *from, struct list_head *to)
{
	list_splice_init(from, to->prev);
}

static inline size_t list_count_nodes(const struct list_head *head)
{
	const struct list_head *pos;
	size_t count = 0;

	for (pos = head->next; pos != head; pos = pos->next)
		count++;
	return count;
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_first_entry_or_null(head, type, member) (list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)

#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_entry(pos, head, member)                                                                         \
	for (pos = list_first_entry(head, __typeof__(*pos), member); &pos->member != (head);                           \
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member)                                                                 \
	for (pos = list_first_entry(head, __typeof__(*pos), member), n = list_next_entry(pos, member);                 \
	     &pos->member != (head); pos = n, n = list_next_entry(n, member))

#endif
