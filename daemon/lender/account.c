// SPDX-License-Identifier: GPL-2.0-or-later
/* account - see account.h. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "daemon/lender/account.h"
#include "daemon/lender/bucket.h"
#include "daemon/lender/gate.h"
#include "daemon/lender/owner.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS 1000000

struct account {
	_Atomic bool limited; /* whether the bucket has a rate; spares the others the lock */
	struct bucket bucket; /* under the lock */
	_Atomic uint64_t in_bytes, out_bytes, frames, throttled_ns, refused;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all buckets; innermost, held for some instructions */
static struct account accounts[R2NET_MAX_NODES];

#define add(account, field, n) atomic_fetch_add_explicit(&(account)->field, (n), memory_order_relaxed)
#define get(account, field) atomic_load_explicit(&(account)->field, memory_order_relaxed)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void account_bandwidth(uint32_t owner, uint64_t rate)
{
	pthread_mutex_lock(&lock);
	bucket_set(&accounts[owner].bucket, rate);
	atomic_store(&accounts[owner].limited, rate != 0);
	pthread_mutex_unlock(&lock);
}

uint64_t account_take(uint32_t owner, uint64_t bytes)
{
	struct account *account = &accounts[owner];
	uint64_t wait_ns;

	if (!get(account, limited))
		return 0;
	pthread_mutex_lock(&lock);
	wait_ns = bucket_take(&account->bucket, bytes, now_ns());
	pthread_mutex_unlock(&lock);
	add(account, throttled_ns, wait_ns);
	return wait_ns;
}

void account_served(uint32_t owner, uint64_t in, uint64_t out)
{
	struct account *account = &accounts[owner];

	add(account, in_bytes, in);
	add(account, out_bytes, out);
	add(account, frames, 1);
}

void account_refused(uint32_t owner)
{
	add(&accounts[owner], refused, 1);
}

static uint64_t bandwidth(const struct account *account)
{
	uint64_t rate;

	pthread_mutex_lock(&lock);
	rate = account->bucket.rate;
	pthread_mutex_unlock(&lock);
	return rate;
}

/* Returns whether there is anything to say. */
static bool describe(uint32_t owner, struct lender_owner *out)
{
	const struct account *account = &accounts[owner];

	*out = (struct lender_owner){
		.owner = owner,
		.connections = owner_connections(owner),
		.bandwidth = bandwidth(account),
		.in_bytes = get(account, in_bytes),
		.out_bytes = get(account, out_bytes),
		.frames = get(account, frames),
		.waits = gate_look(owner).waits,
		.throttled_ms = get(account, throttled_ns) / NS_PER_MS,
		.refused = get(account, refused),
	};
	return out->connections || out->bandwidth || out->frames || out->refused;
}

unsigned int account_list(uint32_t *cursor, struct lender_owner *owners, unsigned int count)
{
	uint32_t number = *cursor;
	unsigned int found = 0;

	for (; number < R2NET_MAX_NODES && found < count; number++)
		found += describe(number, &owners[found]);
	*cursor = number < R2NET_MAX_NODES ? number : 0;
	return found;
}
