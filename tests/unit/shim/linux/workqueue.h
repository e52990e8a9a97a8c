/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work is done when shim_run_work() is called. */
#ifndef _SHIM_WORKQUEUE_H
#define _SHIM_WORKQUEUE_H

struct workqueue_struct;

#define WQ_MEM_RECLAIM 0
#define WQ_UNBOUND 0
#define alloc_workqueue(name, flags, max) ((struct workqueue_struct *)kzalloc(1, GFP_KERNEL))
#define destroy_workqueue(wq) kfree(wq)

struct work_struct {
	void (*func)(struct work_struct *work);
	struct work_struct *next;
	bool queued;
};

struct delayed_work {
	struct work_struct work;
	struct delayed_work *later;
	unsigned long at; /* jiffies */
	bool waiting;
};

#define DECLARE_WORK(name, function) struct work_struct name = { .func = (function) }
#define DECLARE_DELAYED_WORK(name, function) struct delayed_work name = { .work = { .func = (function) } }

#define INIT_WORK(w, function) (*(w) = (struct work_struct){ .func = (function) })
#define INIT_DELAYED_WORK(w, function) (*(w) = (struct delayed_work){ .work = { .func = (function) } })

bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
/* Does what has been queued, and what that queues. Returns whether there was any. */
bool shim_run_work(void);

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool cancel_delayed_work_sync(struct delayed_work *work);
/* So much time goes by, in ms: what is due then is done as by shim_run_work(). */
void shim_let_pass(unsigned int ms);

#endif
