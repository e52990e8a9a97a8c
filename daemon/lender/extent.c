// SPDX-License-Identifier: GPL-2.0-or-later
/* extent - see extent.h. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "daemon/lender/extent.h"
#include "daemon/lender/lent.h"
#include "daemon/lender/table.h"
#include "daemon/log.h"

#define STATE_OPEN (UINT64_C(1) << 31)
#define STATE_PINS (STATE_OPEN - 1)
#define STATE_GENERATION(state) ((uint32_t)((state) >> 32))

/*
 * The table is one reservation of address space whose pages come as ids are used, so that looking an id up is an index.
 * Fields of an extent other than its state change only while it is neither open nor pinned, and under the lock.
 */
static struct extent *entries;
static struct table *kept; /* the same, written down; or NULL */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below; innermost: nothing is taken under it */
static pthread_cond_t idle; /* a closed extent lost its last pin */
static _Atomic uint32_t ids = 1; /* ids below it were used at least once; grows under the lock, read without */
static uint32_t free_ids; /* chained by next_free; 0 ends it */
static uint64_t limit, lent; /* bytes */
static uint64_t held[R2NET_MAX_NODES]; /* bytes of @lent, by owner */
static uint32_t extents;

uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int extent_init(struct table *table)
{
	size_t bytes = EXTENT_IDS * sizeof(struct extent);
	pthread_condattr_t attr;

	entries = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (entries == MAP_FAILED)
		return -errno;
	kept = table;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&idle, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void extent_set_limit(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	limit = bytes;
	pthread_mutex_unlock(&lock);
}

void extent_usage(struct lender_status *status)
{
	pthread_mutex_lock(&lock);
	status->limit = limit;
	status->lent = lent;
	status->extents = extents;
	pthread_mutex_unlock(&lock);
}

uint64_t extent_held(uint32_t owner)
{
	uint64_t bytes;

	pthread_mutex_lock(&lock);
	bytes = held[owner];
	pthread_mutex_unlock(&lock);
	return bytes;
}

/* Takes an id and accounts @size bytes. Returns 0, or why not, as extent_lease(). */
static int id_take(uint32_t owner, uint32_t size, uint64_t quota, uint32_t *taken)
{
	uint32_t id = 0;
	bool over;

	pthread_mutex_lock(&lock);
	over = quota && held[owner] + size > quota;
	if (!over && lent + size <= limit) {
		if (free_ids) {
			id = free_ids;
			free_ids = entries[id].next_free;
		} else if (ids < EXTENT_IDS) {
			id = ids;
			if (kept)
				table_add(kept, id);
			ids = id + 1;
		}
	}
	if (id) {
		lent += size;
		held[owner] += size;
		extents++;
	}
	pthread_mutex_unlock(&lock);
	*taken = id;
	if (id)
		return 0;
	return over ? -EDQUOT : -ENOSPC;
}

/* An id whose generations are used up is not taken again. */
static void id_give(uint32_t id, uint32_t owner, uint32_t size)
{
	struct extent *extent = &entries[id];

	pthread_mutex_lock(&lock);
	lent -= size;
	held[owner] -= size;
	extents--;
	if (STATE_GENERATION(atomic_load(&extent->state)) < UINT32_MAX) {
		extent->next_free = free_ids;
		free_ids = id;
	}
	pthread_mutex_unlock(&lock);
}

int extent_lease(uint32_t owner, uint64_t instance, uint32_t size, uint64_t quota, struct lender_lease *lease)
{
	uint32_t id, generation;
	struct extent *extent;
	uint8_t *memory;
	int err = id_take(owner, size, quota, &id);

	if (err)
		return err;
	memory = lent_new(id, size);
	if (!memory) {
		id_give(id, owner, size);
		return -ENOMEM;
	}
	extent = &entries[id];
	generation = STATE_GENERATION(atomic_load(&extent->state)) + 1;
	*lease = (struct lender_lease){
		.extent = id, .generation = generation, .size = size, .owner = owner, .instance = instance
	};
	if (kept)
		table_lease(kept, lease);

	pthread_mutex_lock(&lock);
	extent->memory = memory;
	extent->size = size;
	extent->owner = owner;
	extent->instance = instance;
	atomic_store_explicit(&extent->state, (uint64_t)generation << 32 | STATE_OPEN, memory_order_release);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* Takes one lease of the table into force. Returns false if its memory cannot be mapped. */
static bool restore(const struct lender_lease *lease)
{
	struct extent *extent = &entries[lease->extent];

	extent->memory = lent_again(lease->extent, lease->size);
	if (!extent->memory)
		return false;
	extent->size = lease->size;
	extent->owner = lease->owner;
	extent->instance = lease->instance;
	lent += lease->size;
	held[lease->owner] += lease->size;
	extents++;
	atomic_fetch_or(&extent->state, STATE_OPEN);
	return true;
}

void extent_restore(void)
{
	struct lender_lease lease;
	uint32_t id, end = kept ? table_ids(kept) : 1;

	for (id = 1; id < end; id++) {
		bool force = table_get(kept, id, &lease);

		atomic_store(&entries[id].state, (uint64_t)lease.generation << 32);
		if (force && restore(&lease))
			continue;
		if (force) {
			table_end(kept, id);
			log_err("extent %u: its memory cannot be mapped, so its lease ends (vm.max_map_count?)", id);
		}
		if (lease.generation < UINT32_MAX) {
			entries[id].next_free = free_ids;
			free_ids = id;
		}
	}
	ids = end;
}

unsigned int extent_list(uint32_t *cursor, struct lender_lease *leases, unsigned int count)
{
	uint32_t id = *cursor ? *cursor : 1;
	unsigned int found = 0;

	pthread_mutex_lock(&lock);
	for (; id < ids && found < count; id++) {
		uint64_t state = atomic_load(&entries[id].state);

		if (!(state & STATE_OPEN))
			continue;
		leases[found++] = (struct lender_lease){ .extent = id,
							 .generation = STATE_GENERATION(state),
							 .size = entries[id].size,
							 .owner = entries[id].owner,
							 .instance = entries[id].instance };
	}
	*cursor = id < ids ? id : 0;
	pthread_mutex_unlock(&lock);
	return found;
}

struct extent *extent_pin(uint32_t id, uint32_t generation, uint32_t owner, uint64_t instance)
{
	struct extent *extent;
	uint64_t state;

	if (id == 0 || id >= atomic_load_explicit(&ids, memory_order_acquire))
		return NULL;
	extent = &entries[id];
	state = atomic_load_explicit(&extent->state, memory_order_relaxed);
	do {
		if (!(state & STATE_OPEN) || STATE_GENERATION(state) != generation)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(&extent->state, &state, state + 1, memory_order_acq_rel,
							memory_order_relaxed));
	if (extent->owner == owner && extent->instance == instance)
		return extent;
	extent_unpin(extent);
	return NULL;
}

void extent_unpin(struct extent *extent)
{
	uint64_t state = atomic_fetch_sub_explicit(&extent->state, 1, memory_order_acq_rel);

	if ((state & (STATE_OPEN | STATE_PINS)) != 1)
		return;
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&lock);
}

bool extent_close(const struct lender_lease *lease)
{
	struct extent *extent;
	bool closed = false;
	uint64_t state;

	pthread_mutex_lock(&lock);
	if (lease->extent == 0 || lease->extent >= ids)
		goto out;
	extent = &entries[lease->extent];
	state = atomic_load(&extent->state);
	if (!(state & STATE_OPEN) || STATE_GENERATION(state) != lease->generation || extent->owner != lease->owner ||
	    extent->instance != lease->instance)
		goto out;
	/* Under the lock only pins change the state meanwhile. */
	atomic_fetch_and_explicit(&extent->state, ~STATE_OPEN, memory_order_acq_rel);
	closed = true;
out:
	pthread_mutex_unlock(&lock);
	return closed;
}

bool extent_wait_idle(uint32_t id, uint64_t deadline_ms)
{
	struct timespec until = { .tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000 };
	bool pinned;
	int err = 0;

	pthread_mutex_lock(&lock);
	while ((pinned = atomic_load_explicit(&entries[id].state, memory_order_acquire) & STATE_PINS) && !err) {
		if (deadline_ms == UINT64_MAX)
			pthread_cond_wait(&idle, &lock);
		else
			err = pthread_cond_timedwait(&idle, &lock, &until);
	}
	pthread_mutex_unlock(&lock);
	return !pinned;
}

void extent_free(uint32_t id)
{
	struct extent *extent = &entries[id];
	uint32_t size = extent->size;

	if (kept)
		table_end(kept, id); /* first: what is in force has its memory */
	lent_free(id, extent->memory, size);
	extent->memory = NULL;
	id_give(id, extent->owner, size);
}
