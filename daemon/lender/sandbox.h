/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox - what the lender's processes give up before they serve anybody. Before the first thread is started.
 */
#ifndef _RAMSTER_LENDER_SANDBOX_H
#define _RAMSTER_LENDER_SANDBOX_H

#include <stdbool.h>

#include "daemon/lender/filter.h"

#define SANDBOX_USER "ramster-lender"

/**
 * sandbox_find_user - look up who root is to become
 * @name: of the user; NULL: SANDBOX_USER. Somebody else than root stays who he is, so only NULL or he is good then
 *
 * Returns false, reported.
 */
bool sandbox_find_user(const char *name);

/**
 * sandbox_enter - become that user, and give up all capabilities and most system calls
 *
 * What is open stays open. A kernel without seccomp is reported and gone on with. Returns false, reported.
 */
bool sandbox_enter(enum filter_process process);

#endif
