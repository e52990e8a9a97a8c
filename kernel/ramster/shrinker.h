/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shrinker.h - what the kernel's memory reclaim may ask of zcache.
 */
#ifndef _RAMSTER_SHRINKER_H
#define _RAMSTER_SHRINKER_H

/* May sleep. */
int ramster_shrinker_init(void);
void ramster_shrinker_exit(void);

#endif
