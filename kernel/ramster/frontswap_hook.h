/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frontswap_hook.h - ramster_frontswap.ko: what stays registered with the kernel's frontswap for ever.
 *
 * A frontswap backend cannot be unregistered. So that ramster.ko can be removed, this small module registers, pins itself,
 * and passes calls on to whoever is attached.
 */
#ifndef _RAMSTER_FRONTSWAP_HOOK_H
#define _RAMSTER_FRONTSWAP_HOOK_H

#include <linux/types.h>

struct page;

/* Contexts: store and load are called in process context, page locked, and may sleep; the others under spinlocks. */
struct frontswap_hook_ops {
	int (*store)(unsigned int type, unsigned long offset, struct page *page); /* 0, or it is refused */
	/* 0; -EIO; another error: the swap disk has it. */
	int (*load)(unsigned int type, unsigned long offset, struct page *page);
	void (*invalidate_page)(unsigned int type, unsigned long offset);
	void (*invalidate_area)(unsigned int type);
};

/**
 * frontswap_hook_attach - receive frontswap's calls from now on
 * @ops: stays until frontswap_hook_detach()
 *
 * May sleep. Returns 0, or -EBUSY if somebody is attached.
 */
int frontswap_hook_attach(const struct frontswap_hook_ops *ops);

/* Returns when no call is under way any more. The caller holds no page. May sleep. */
void frontswap_hook_detach(void);

#endif
