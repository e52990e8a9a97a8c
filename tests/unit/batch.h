/* SPDX-License-Identifier: GPL-2.0-or-later */
/* batch.h - WRITEs as remotify.c makes them, one at a time. */
#ifndef _TESTS_BATCH_H
#define _TESTS_BATCH_H

#define BATCH_MAX 16 /* pages of a WRITE */

/* Sends up to @max of the coldest pages to the lenders of the group that is next. Returns how many. */
unsigned int batch_send(unsigned int max);

#endif
