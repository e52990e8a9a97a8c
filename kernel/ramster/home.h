/* SPDX-License-Identifier: GPL-2.0 */
/*
 * home.h - remote pages on their way back to local RAM, for move.c's thread.
 */
#ifndef _RAMSTER_HOME_H
#define _RAMSTER_HOME_H

struct extent;

/**
 * home_extent - bring pages of an extent home, as far as there is room
 * @extent: held; it is let go, and may be gone afterwards
 * @max: pages
 *
 * Sleeps until most have come, but for a second at most on a lender that does not answer. Returns how many it asked for.
 */
unsigned int home_extent(struct extent *extent, unsigned int max);

/*
 * Brings up to @pages of the emptiest extent home, as long as zcache is far below its mark. Sleeps. Returns how many it asked
 * for; 0: none can come now.
 */
unsigned int home_some(unsigned int pages);

#endif
