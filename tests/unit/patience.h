/* SPDX-License-Identifier: GPL-2.0-or-later */
/* patience.h - how long tests wait for what must happen: so many times longer as $PATIENCE says, for where programs are slow. */
#ifndef _RAMSTER_PATIENCE_H
#define _RAMSTER_PATIENCE_H

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static inline unsigned int patience(unsigned int time)
{
	const char *factor = getenv("PATIENCE");

	return factor ? time * strtoul(factor, NULL, 10) : time;
}

/* Waits until @condition holds, while other threads work; the test fails if it takes longer than @ms. Needs cmocka.h. */
#define wait_until_within(ms, condition)                                                                               \
	do {                                                                                                           \
		bool true_;                                                                                            \
		unsigned int tries_;                                                                                   \
		for (tries_ = 0; !(true_ = (condition)) && tries_ < patience(ms); tries_++)                            \
			usleep(1000);                                                                                  \
		assert_true(true_);                                                                                    \
	} while (0)

#endif
