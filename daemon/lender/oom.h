/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oom - whether the kernel has killed in the lender's control group for want of memory.
 *
 * Memory that outlives its process is not freed by such a kill, so whoever keeps some must find out and give it back.
 */
#ifndef _RAMSTER_LENDER_OOM_H
#define _RAMSTER_LENDER_OOM_H

#include <stdbool.h>
#include <stdint.h>

struct oom_mark {
	uint64_t group; /* which group: it is another one after it was removed and made again */
	uint64_t kills; /* in it and below, ever */
};

/**
 * oom_open - find the group and its counter
 * @directory: of the group; NULL: that of ramster-lender.slice if this process runs in it, else this process's own
 * @mark: filled in
 * @why: set, if it fails, to what to say
 *
 * Returns a descriptor for oom_kills(), on which poll() tells POLLPRI when the counter may have changed; or -1.
 */
int oom_open(const char *directory, struct oom_mark *mark, const char **why);

/* Reads the counter. Returns false if it cannot be told any more. */
bool oom_kills(int fd, uint64_t *kills);

#endif
