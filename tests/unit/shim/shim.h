/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shim.h - what the module's pure parts need of a kernel, in userspace: force-included in place of compat/compat.h.
 *
 * The module's sources compile unchanged against the linux/ headers beside this file. Behind the kernel's names the shim
 * checks what a kernel with all its debugging on would: lock owners, sleeping where that is forbidden, lists, reference
 * counts, leaks. Whatever breaks a rule ends the program.
 *
 * Threads may be used. There is one CPU, in the sense that what disables preemption excludes all others who do.
 */
#ifndef _SHIM_H
#define _SHIM_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef unsigned int gfp_t;

#define U32_MAX ((u32)~0U)

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(255, 0, 0)

/* As the kernel's: the message may be left out. */
#undef static_assert
#define static_assert(expr, ...) _Static_assert(expr, #expr)
#define __packed __attribute__((packed))
#define noinline __attribute__((__noinline__))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof((p)->member[0]))
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#define cmpxchg(p, old, new) __sync_val_compare_and_swap((p), (old), (new))
#define xchg(p, value) __atomic_exchange_n((p), (value), __ATOMIC_SEQ_CST)

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define clamp_t(type, value, low, high) min_t(type, max_t(type, value, low), high)
#define swap(a, b)                                                                                                     \
	do {                                                                                                           \
		typeof(a) __tmp = (a);                                                                                 \
		(a) = (b);                                                                                             \
		(b) = __tmp;                                                                                           \
	} while (0)

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

/* What a thread may not do just now. */
struct shim_task {
	int locks; /* spinlocks held */
	int preempt; /* preemption disabled, so many times */
	int maps; /* allocator's objects mapped */
};

extern __thread struct shim_task shim_task;

/* Breaks the program with a message. */
void shim_die(const char *file, int line, const char *what) __attribute__((noreturn, cold));
#define shim_assert(expr) ((expr) ? (void)0 : shim_die(__FILE__, __LINE__, #expr))
#define WARN_ON(expr) shim_assert(!(expr))
#define might_sleep() shim_assert(!shim_task.locks && !shim_task.preempt && !shim_task.maps)

/* Called again and again by whoever waits; at first it yields the processor. */
extern void (*shim_wait)(void);
/* The same by whoever waits for what another thread does, for long; at first for a moment. */
extern void (*shim_sleep)(void);

/* Counts a line of log by its level (3 = error ... 7 = debug), and prints it if SHIM_LOG is in the environment. */
void shim_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern unsigned long shim_logged[8];

#define pr_err(...) shim_log(3, __VA_ARGS__)
#define pr_warn(...) shim_log(4, __VA_ARGS__)
#define pr_info(...) shim_log(6, __VA_ARGS__)
#define pr_err_ratelimited pr_err
#define pr_warn_ratelimited pr_warn
#define pr_info_ratelimited pr_info

#define MODULE_LICENSE(text)
#define EXPORT_SYMBOL_GPL(name)
#define module_param(name, type, mode)

/* The system's own word for a page's size is no constant. */
#undef PAGE_SIZE
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/slab.h>

#endif
