/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work is done when shim_run_work() is called. */
#ifndef _SHIM_WORKQUEUE_H
#define _SHIM_WORKQUEUE_H

struct workqueue_struct;

struct work_struct {
	void (*func)(struct work_struct *work);
	struct work_struct *next;
	bool queued;
};

struct delayed_work {
	struct work_struct work;
};

#define DECLARE_WORK(name, function) struct work_struct name = { .func = (function) }

bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
/* Does what has been queued, and what that queues. Returns whether there was any. */
bool shim_run_work(void);

#endif
