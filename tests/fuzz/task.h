/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.h - the module's threads, each run by a call, so that a fuzzer needs no other thread than its own.
 *
 * A thread that would wait is left there and then; the next call begins it anew. That is right for a thread that keeps
 * nothing to itself while it waits, as those of conn.c do.
 */
#ifndef _TESTS_FUZZ_TASK_H
#define _TESTS_FUZZ_TASK_H

#include <linux/kthread.h>

/* Runs a thread, if it was woken up, to its end or until it would wait. Threads may run others. */
void task_run(struct task_struct *task);

#endif
