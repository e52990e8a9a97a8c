// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>

#include <linux/err.h>

#include "tests/fuzz/task.h"

struct task_struct {
	int (*function)(void *data);
	void *data;
	bool woken;
	bool stop;
	bool ended; /* the last time it ran */
};

/* The threads that run, each by the one before it. */
struct run {
	struct run *caller;
	struct task_struct *task;
	jmp_buf wait;
};

static struct run *current;

static void leave(void)
{
	shim_assert(current);
	longjmp(current->wait, 1);
}

void task_run(struct task_struct *task)
{
	struct run run = { .caller = current, .task = task };

	if (!task->woken)
		return;
	shim_sleep = leave;
	current = &run;
	task->ended = false;
	if (!setjmp(run.wait)) {
		task->function(task->data);
		task->ended = true;
	}
	current = run.caller;
	might_sleep();
}

struct task_struct *kthread_create(int (*function)(void *data), void *data, const char *name, ...)
{
	struct task_struct *task = kzalloc(sizeof(*task), GFP_KERNEL);

	if (!task)
		return ERR_PTR(-ENOMEM);
	task->function = function;
	task->data = data;
	return task;
}

int wake_up_process(struct task_struct *task)
{
	task->woken = true;
	return 1;
}

int kthread_stop(struct task_struct *task)
{
	might_sleep();
	task->stop = true;
	task_run(task);
	shim_assert(!task->woken || task->ended);
	kfree(task);
	return 0;
}

bool kthread_should_stop(void)
{
	return current->task->stop;
}
