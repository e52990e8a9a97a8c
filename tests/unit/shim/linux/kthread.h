/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_KTHREAD_H
#define _SHIM_KTHREAD_H

struct task_struct;

/* The new thread, or ERR_PTR(-ENOMEM). */
struct task_struct *kthread_run(int (*function)(void *data), void *data, const char *name);
/* The same, which begins to run by wake_up_process(). It has to be stopped. */
struct task_struct *kthread_create(int (*function)(void *data), void *data, const char *name, ...);
int wake_up_process(struct task_struct *task);
/* Waits for its end. */
int kthread_stop(struct task_struct *task);
bool kthread_should_stop(void);

#endif
