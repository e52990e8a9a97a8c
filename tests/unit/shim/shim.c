// SPDX-License-Identifier: GPL-2.0-or-later
/* What a task may do, the one CPU, the log, and work that waits. */
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

int shim_fences;

__thread struct shim_task shim_task;
unsigned long shim_logged[8];

static void shim_yield(void)
{
	sched_yield();
}

void (*shim_wait)(void) = shim_yield;

void shim_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void shim_log(int level, const char *format, ...)
{
	va_list args;

	__atomic_add_fetch(&shim_logged[level], 1, __ATOMIC_RELAXED);
	if (!getenv("SHIM_LOG"))
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

static spinlock_t cpu;

void preempt_disable(void)
{
	if (!shim_task.preempt++) {
		spin_lock(&cpu);
		shim_task.locks--;
	}
}

void preempt_enable(void)
{
	shim_assert(shim_task.preempt > 0);
	if (!--shim_task.preempt) {
		shim_task.locks++;
		spin_unlock(&cpu);
	}
}

static DEFINE_SPINLOCK(work_lock);
static struct work_struct *first_work, **last_work = &first_work;

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued;

	spin_lock(&work_lock);
	queued = !work->queued;
	if (queued) {
		work->queued = true;
		work->next = NULL;
		*last_work = work;
		last_work = &work->next;
	}
	spin_unlock(&work_lock);
	return queued;
}

static struct work_struct *work_take(void)
{
	struct work_struct *work;

	spin_lock(&work_lock);
	work = first_work;
	if (work) {
		first_work = work->next;
		if (!first_work)
			last_work = &first_work;
		work->queued = false;
	}
	spin_unlock(&work_lock);
	return work;
}

bool shim_run_work(void)
{
	struct work_struct *work;
	bool any = false;

	might_sleep();
	while ((work = work_take())) {
		work->func(work);
		any = true;
	}
	return any;
}
