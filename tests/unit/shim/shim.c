// SPDX-License-Identifier: GPL-2.0-or-later
/* What a task may do, the one CPU, the log, and work that waits. */
#include <unistd.h>

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

int shim_fences;

__thread struct shim_task shim_task;
unsigned long shim_logged[8];
ktime_t shim_time_passed;

static void shim_yield(void)
{
	sched_yield();
}

void (*shim_wait)(void) = shim_yield;

static void shim_nap(void)
{
	usleep(50);
}

void (*shim_sleep)(void) = shim_nap;

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

static struct delayed_work *delayed;

/* Where the link to it is, or to where it would be added. Under work_lock. */
static struct delayed_work **delayed_link(const struct delayed_work *work)
{
	struct delayed_work **link = &delayed;

	while (*link && *link != work)
		link = &(*link)->later;
	return link;
}

/* What is not to wait is queued at once, as by the kernel. */
static bool delay(struct delayed_work *work, unsigned long delay, bool again)
{
	bool fresh;

	spin_lock(&work_lock);
	fresh = !work->waiting && !work->work.queued;
	if (!delay && work->waiting && again) {
		*delayed_link(work) = work->later;
		work->waiting = false;
	}
	if (!delay && !work->waiting) {
		spin_unlock(&work_lock);
		queue_work(NULL, &work->work);
		return fresh;
	}
	if (fresh) {
		*delayed_link(work) = work;
		work->later = NULL;
		work->waiting = true;
	}
	if (fresh || again)
		work->at = jiffies + delay;
	spin_unlock(&work_lock);
	return fresh;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long after)
{
	return delay(work, after, false);
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long after)
{
	return !delay(work, after, true);
}

bool cancel_delayed_work_sync(struct delayed_work *work)
{
	bool was;

	might_sleep();
	spin_lock(&work_lock);
	shim_assert(!work->work.queued);
	was = work->waiting;
	if (was)
		*delayed_link(work) = work->later;
	work->waiting = false;
	spin_unlock(&work_lock);
	return was;
}

/* One that is due, no longer waiting. */
static struct delayed_work *delayed_take(void)
{
	struct delayed_work *work;

	spin_lock(&work_lock);
	for (work = delayed; work && time_after(work->at, jiffies); work = work->later)
		;
	if (work) {
		*delayed_link(work) = work->later;
		work->waiting = false;
	}
	spin_unlock(&work_lock);
	return work;
}

void shim_let_pass(unsigned int ms)
{
	struct delayed_work *work;

	shim_time_passed += (ktime_t)ms * 1000000;
	shim_run_work();
	while ((work = delayed_take())) {
		work->work.func(&work->work);
		shim_run_work();
	}
}
