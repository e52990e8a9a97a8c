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
void frontswap_detach(void);
bool frontswap_attached(void);
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
#endif

/* Whether this kernel makes a failed load a read error. If not, pages of frontswap must never leave the node. */
static inline bool frontswap_may_be_remote(void)
{
	return IS_ENABLED(CONFIG_FRONTSWAP_LOAD_ERRORS);
}

#endif
