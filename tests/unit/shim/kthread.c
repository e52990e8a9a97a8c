// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/slab.h>

struct task_struct {
	pthread_t thread;
	int (*function)(void *data);
	void *data;
	bool stop;
	int ret;
};

static __thread struct task_struct *current;

static void *kthread_main(void *task)
{
	current = task;
	current->ret = current->function(current->data);
	shim_assert(!shim_task.locks && !shim_task.preempt && !shim_task.maps);
	return NULL;
}

struct task_struct *kthread_run(int (*function)(void *data), void *data, const char *name)
{
	struct task_struct *task = kzalloc(sizeof(*task), GFP_KERNEL);

	if (!task)
		return ERR_PTR(-ENOMEM);
	task->function = function;
	task->data = data;
	shim_assert(!pthread_create(&task->thread, NULL, kthread_main, task));
	return task;
}

int kthread_stop(struct task_struct *task)
{
	int ret;

	WRITE_ONCE(task->stop, true);
	shim_assert(!pthread_join(task->thread, NULL));
	ret = task->ret;
	kfree(task);
	return ret;
}

bool kthread_should_stop(void)
{
	return READ_ONCE(current->stop);
}
