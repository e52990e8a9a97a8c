/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reference counts that neither come back from zero nor pass it. */
#ifndef _SHIM_REFCOUNT_H
#define _SHIM_REFCOUNT_H

typedef struct {
	int refs;
} refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	WRITE_ONCE(r->refs, n);
}

static inline int refcount_read(const refcount_t *r)
{
	return READ_ONCE(r->refs);
}

static inline void refcount_inc(refcount_t *r)
{
	shim_assert(__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED) > 0);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	int was = __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL);

	shim_assert(was > 0);
	return was == 1;
}

#endif
