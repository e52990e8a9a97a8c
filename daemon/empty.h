/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * empty - what `ramster drain` and `ramster evict` ask for: a node without others' pages, or without its own at others.
 */
#ifndef _RAMSTER_EMPTY_H
#define _RAMSTER_EMPTY_H

#include <stdbool.h>

#include "daemon/ramsterd.h"
#include "proto/ramster.pb-c.h"

#define EMPTY_ERROR_LEN 256

/**
 * empty_answer - do what is asked, and say how far it is
 * @reply: initialised; its texts point into @error
 */
void empty_answer(struct ramsterd *d, const Ramster__EmptyRequest *request, Ramster__EmptyReply *reply,
		  char error[EMPTY_ERROR_LEN]);

#endif
