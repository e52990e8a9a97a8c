/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frontswap.h - the front end that the kernel asks before it writes a page to a swap disk.
 */
#ifndef _RAMSTER_FRONTSWAP_H
#define _RAMSTER_FRONTSWAP_H

#include <linux/types.h>

#if IS_ENABLED(CONFIG_FRONTSWAP)
/* May sleep. A failure to attach leaves the other front ends usable. */
void frontswap_attach(void);
/* Also undoes frontswap_set_through(), whether or not it is attached. */
void frontswap_detach(void);
bool frontswap_attached(void);

/*
 * Whether pages of frontswap may leave the node: only if a failed load is a read error, or the kernel has written the page to the
 * swap disk.
 */
bool frontswap_may_be_remote(void);

/*
 * Whether only pages that the swap disk has, too, may leave the node. Where the kernel cannot write through none may. A kernel that
 * can does so until this module goes. May sleep.
 */
void frontswap_set_through(bool set);
#else
static inline void frontswap_attach(void)
{
}

static inline void frontswap_detach(void)
{
}

static inline bool frontswap_attached(void)
{
	return false;
}

static inline bool frontswap_may_be_remote(void)
{
	return false;
}

static inline void frontswap_set_through(bool set)
{
}
#endif

#endif
