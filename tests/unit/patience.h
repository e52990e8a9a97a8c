/* SPDX-License-Identifier: GPL-2.0-or-later */
/* patience.h - how long tests wait for what must happen: so many times longer as $PATIENCE says, for where programs are slow. */
#ifndef _RAMSTER_PATIENCE_H
#define _RAMSTER_PATIENCE_H

#include <stdlib.h>

static inline unsigned int patience(unsigned int time)
{
	const char *factor = getenv("PATIENCE");

	return factor ? time * strtoul(factor, NULL, 10) : time;
}

#endif
