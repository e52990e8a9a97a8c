// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lend_policy - how much of a node's memory may be lent.
 */
#include "daemon/lend_policy.h"

#define RESERVE_SHARE 16 /* of all memory */
#define RESERVE_MIN (16ULL << 20)
#define RESERVE_MAX (1ULL << 30)
#define SLACK_SHARE 4 /* of the reserve, or of the automatic one if that is less */
#define GROW_SHARE 16 /* of all memory, a second */
#define GROW_MS_MAX 3000 /* what one decision can make up for */
#define CALM_MS 5000 /* without trouble, before the limit grows */
#define PRESS_MS 5000 /* between two steps down under pressure: avg10 takes as long to tell what the first one did */
#define PRESS_SHARE 8 /* of what is lent: a step down */
#define STALL_MS 500 /* the shortest time over which stalls are measured */
/* Hundredths of a percent of the time. */
#define AVG_TROUBLE 200
#define AVG_RELIEVED 500
#define AVG_PRESSED 1000
#define AVG_URGENT 3000
#define STALL_TROUBLE 1000
#define STALL_PRESSED 4000

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t automatic_reserve(uint64_t total)
{
	return min(max(total / RESERVE_SHARE, RESERVE_MIN), RESERVE_MAX);
}

uint64_t lend_policy_reserve(const struct lend_settings *settings, uint64_t total)
{
	return settings->reserve ? settings->reserve : automatic_reserve(total);
}

/* Takes note of how long memory was waited for. */
static void measure(struct lend_policy *p, const struct lend_reading *r)
{
	uint64_t elapsed = less(r->now_ms, p->psi_ms);

	if (!r->psi) {
		p->pressed = false;
		p->stalled = 0;
		return;
	}
	if (!p->begun || elapsed >= STALL_MS) {
		p->stalled = p->begun ? min(less(r->psi_total_us, p->psi_total_us) * 10 / elapsed, 10000) : 0;
		p->psi_total_us = r->psi_total_us;
		p->psi_ms = r->now_ms;
	}
	if (r->psi_avg10 >= AVG_PRESSED || p->stalled >= STALL_PRESSED)
		p->pressed = true;
	else if (r->psi_avg10 < AVG_RELIEVED && p->stalled < STALL_TROUBLE)
		p->pressed = false;
	if (p->pressed || r->psi_avg10 >= AVG_TROUBLE || p->stalled >= STALL_TROUBLE)
		p->trouble_ms = r->now_ms;
}

/* Whether it is long enough since the last trouble; at first only what the reading says counts. */
static bool calm(const struct lend_policy *p, const struct lend_reading *r)
{
	return p->begun ? r->now_ms - p->trouble_ms >= CALM_MS : !r->psi || r->psi_avg10 < AVG_TROUBLE;
}

/* What the limit follows. */
struct target {
	int64_t room; /* bytes that can be lent in all, below 0 if the reserve is touched even without */
	uint64_t bytes; /* of them, what is to be lent */
	int64_t slack;
};

static struct target aim(const struct lend_settings *s, const struct lend_reading *r)
{
	uint64_t reserve = lend_policy_reserve(s, r->total);
	struct target t = { .slack = max(min(reserve, automatic_reserve(r->total)) / SLACK_SHARE, s->extent_size) };

	t.room = (int64_t)min(less(r->lent, r->swapped) + r->available, r->total) - (int64_t)reserve;
	t.bytes = t.room > 0 ? min(t.room, s->most) : 0;
	return t;
}

static void grow(struct lend_policy *p, const struct lend_settings *s, const struct lend_reading *r,
		 const struct target *t)
{
	uint64_t elapsed = min(r->now_ms - p->decided_ms, GROW_MS_MAX);

	if (p->limit < r->lent) /* what is not needed back any more is nothing new */
		p->limit = min(r->lent, t->bytes);
	if (calm(p, r) && (t->bytes >= p->limit + t->slack || t->bytes == s->most))
		p->limit = min(t->bytes, p->limit + r->total / GROW_SHARE * elapsed / 1000);
}

static void shrink(struct lend_policy *p, const struct lend_settings *s, const struct lend_reading *r,
		   const struct target *t)
{
	if (t->bytes == s->most) {
		p->limit = t->bytes; /* the operator's word needs no slack, and is no trouble */
		return;
	}
	if (t->room + t->slack > (int64_t)p->limit)
		return;
	p->limit = t->bytes < r->lent && t->room + t->slack > (int64_t)r->lent ? r->lent : t->bytes;
	p->trouble_ms = r->now_ms;
}

static void press(struct lend_policy *p, const struct lend_settings *s, const struct lend_reading *r)
{
	if (p->pressed_ms && r->now_ms - p->pressed_ms < PRESS_MS)
		return;
	p->limit = less(min(p->limit, r->lent), max(r->lent / PRESS_SHARE, s->extent_size));
	p->pressed_ms = r->now_ms;
}

/* Sets the limit anew from what could be lent. */
static void follow(struct lend_policy *p, const struct lend_settings *s, const struct lend_reading *r)
{
	struct target t = aim(s, r);

	if (!p->begun)
		p->limit = max(r->lent, calm(p, r) && !r->borrowing ? t.bytes : 0);
	if (r->borrowing)
		p->limit = min(p->pressed ? min(p->limit, r->lent) : r->lent, s->most);
	else if (t.bytes < p->limit)
		shrink(p, s, r, &t);
	else if (!p->pressed)
		grow(p, s, r, &t);
	if (p->pressed)
		press(p, s, r);
	else
		p->pressed_ms = 0;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

struct lend_decision lend_policy_decide(struct lend_policy *policy, const struct lend_settings *settings,
					const struct lend_reading *reading)
{
	struct lend_decision decision = { 0 };
	uint64_t reserve = lend_policy_reserve(settings, reading->total);

	measure(policy, reading);
	follow(policy, settings, reading);
	policy->begun = true;
	policy->decided_ms = reading->now_ms;
	decision.limit = policy->limit - policy->limit % settings->extent_size;
	if (policy->limit < reading->lent)
		decision.revoke = min(round_up(reading->lent - policy->limit, settings->extent_size), reading->lent);
	decision.urgent = decision.revoke && (reading->available < reserve / 2 || policy->stalled >= STALL_PRESSED ||
					      (reading->psi && reading->psi_avg10 >= AVG_URGENT));
	return decision;
}
