/* SPDX-License-Identifier: GPL-2.0-or-later */
/* There is one CPU. Counting on it is not atomic, so that threads may lose an event as they meet. */
#ifndef _SHIM_PERCPU_H
#define _SHIM_PERCPU_H

#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name
#define DEFINE_PER_CPU(type, name) __typeof__(type) name
#define per_cpu(var, cpu) (*((void)(cpu), &(var)))
#define per_cpu_ptr(ptr, cpu) ((void)(cpu), (ptr))
#define this_cpu_read(var) READ_ONCE(var)
#define this_cpu_add(var, n) WRITE_ONCE(var, READ_ONCE(var) + (n))
#define this_cpu_inc(var) this_cpu_add(var, 1)
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)

void preempt_disable(void);
void preempt_enable(void);

#define get_cpu_ptr(ptr) (preempt_disable(), (ptr))
#define put_cpu_ptr(ptr) preempt_enable()

#endif
