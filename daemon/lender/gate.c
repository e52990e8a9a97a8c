// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate - see gate.h.
 *
 * An owner that asks for one page after the other has no turn most of the time, and would find all CPUs taken each time
 * that it comes. So it stays active until GATE_MEMORY turns have ended without it. That is counted, not timed: where
 * nobody else takes turns, nobody has to be held back.
 *
 * Who waits is woken with the turn already taken for it. Nobody gets in between, so nobody can be passed over.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/queue.h>

#include "daemon/lender/gate.h"
#include "proto/r2net.h"

/* A thread that waits; on its stack. */
struct waiter {
	sem_t taken; /* posted once, when it has its turn; then it is gone */
	STAILQ_ENTRY(waiter) next;
};

STAILQ_HEAD(waiters, waiter);

/* It has waiters only while it has turns, since it may always have one. */
struct owner {
	unsigned int turns;
	unsigned int waiting;
	uint64_t waits;
	struct waiters waiters;
	uint64_t left; /* @ended when its last turn did, while it is resting */
	bool resting; /* active, but has no turn */
	TAILQ_ENTRY(owner) link; /* in @rest or @crowd */
};

TAILQ_HEAD(owners, owner);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below; innermost, held for some instructions */
static struct owner owners[R2NET_MAX_NODES];
static struct owners rest = TAILQ_HEAD_INITIALIZER(rest); /* resting, longest first */
static struct owners crowd = TAILQ_HEAD_INITIALIZER(crowd); /* with waiters, served in turn */
static unsigned int cpus, active;
static uint64_t ended; /* turns */

void gate_init(unsigned int count)
{
	cpus = count;
}

/* How many turns an owner may have. */
static unsigned int most(void)
{
	if (active <= 1)
		return UINT_MAX;
	return cpus >= active ? cpus - active + 1 : 1;
}

static void arrive(struct owner *own)
{
	if (own->resting)
		TAILQ_REMOVE(&rest, own, link);
	else
		active++;
	own->resting = false;
}

bool gate_enter(uint32_t owner)
{
	struct owner *own = &owners[owner];
	struct waiter self;
	bool wait;

	pthread_mutex_lock(&lock);
	if (!own->turns)
		arrive(own);
	wait = own->turns >= most();
	if (wait) {
		sem_init(&self.taken, 0, 0);
		own->waits++;
		if (!own->waiting++) {
			STAILQ_INIT(&own->waiters);
			TAILQ_INSERT_TAIL(&crowd, own, link);
		}
		STAILQ_INSERT_TAIL(&own->waiters, &self, next);
	} else {
		own->turns++;
	}
	pthread_mutex_unlock(&lock);
	while (wait && sem_wait(&self.taken) && errno == EINTR)
		;
	return wait;
}

/* Moves those waiters of an owner that may have a turn to @woken. */
static void serve(struct owner *own, struct waiters *woken)
{
	struct waiter *first;

	while (own->waiting && own->turns < most()) {
		first = STAILQ_FIRST(&own->waiters);
		STAILQ_REMOVE_HEAD(&own->waiters, next);
		STAILQ_INSERT_TAIL(woken, first, next);
		own->turns++;
		if (!--own->waiting)
			TAILQ_REMOVE(&crowd, own, link);
	}
}

/* Owners that have rested for long are not active any more. Returns whether there were any. */
static bool forget(void)
{
	unsigned int before = active;
	struct owner *own;

	while ((own = TAILQ_FIRST(&rest)) && ended - own->left >= GATE_MEMORY) {
		TAILQ_REMOVE(&rest, own, link);
		own->resting = false;
		active--;
	}
	return active < before;
}

/* All owners may have more now. */
static void serve_all(struct waiters *woken)
{
	struct owner *own, *next;

	for (own = TAILQ_FIRST(&crowd); own; own = next) {
		next = TAILQ_NEXT(own, link);
		serve(own, woken);
	}
}

/* @over: the whole of a transfer, rather than a piece after which the peer is waited for. */
static void leave(uint32_t owner, bool over)
{
	struct waiters woken = STAILQ_HEAD_INITIALIZER(woken);
	struct owner *own = &owners[owner];
	struct waiter *first;
	bool held;

	pthread_mutex_lock(&lock);
	ended += over;
	own->turns--;
	serve(own, &woken);
	if (!own->turns) {
		own->left = ended;
		own->resting = true;
		TAILQ_INSERT_TAIL(&rest, own, link);
	}
	if (forget())
		serve_all(&woken);
	held = own->waiting;
	pthread_mutex_unlock(&lock);
	while ((first = STAILQ_FIRST(&woken))) {
		STAILQ_REMOVE_HEAD(&woken, next);
		sem_post(&first->taken);
	}
	if (held)
		sched_yield(); /* where there are fewer CPUs than owners, it is the others' time */
}

void gate_leave(uint32_t owner)
{
	leave(owner, true);
}

void gate_pause(uint32_t owner)
{
	leave(owner, false);
}

struct gate_look gate_look(uint32_t owner)
{
	const struct owner *own = &owners[owner];
	struct gate_look look;

	pthread_mutex_lock(&lock);
	look = (struct gate_look){ .turns = own->turns, .waiting = own->waiting, .waits = own->waits };
	pthread_mutex_unlock(&lock);
	return look;
}
