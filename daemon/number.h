/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * number - the numbers of data connections: no instance of the module may ever see one twice, also when ramsterd is
 * restarted, so that a FENCE means one connection only.
 */
#ifndef _RAMSTER_NUMBER_H
#define _RAMSTER_NUMBER_H

#include <stdint.h>

#define NUMBER_PATH "/run/ramster/connections"

struct number {
	uint64_t instance; /* of the module that the numbers are for */
	uint32_t next;
	uint32_t reserved; /* the file promises that none from here on was used */
};

/**
 * number_next - a number that was never used
 * @path: the file that remembers, NUMBER_PATH
 * @instance: of the module
 * @highest: the highest that the module has now
 *
 * Never fails: without the file, the time since boot keeps the numbers apart.
 */
uint32_t number_next(struct number *number, const char *path, uint64_t instance, uint32_t highest);

#endif
