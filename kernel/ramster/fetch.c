// SPDX-License-Identifier: GPL-2.0
/*
 * fetch.c - builds READs, and hands what comes back to the load that waits and to the index.
 */
#include <linux/atomic.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "counters.h"
#include "fetch.h"
#include "peer.h"
#include "tmem.h"
#include "zcache.h"

#define FETCH_MAX (1 + PREFETCH_MAX) /* pages of a READ */
#define FETCH_RESERVE 32 /* READs that can be under way when memory is short */
#define FETCH_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

static_assert(FETCH_MAX <= R2NET_MAX_ITEMS);

struct fetch_page {
	void *entry; /* pinned */
	struct lease *lease; /* pinned */
	struct zpage *zpage; /* a reference; NULL: it is the load's page */
	u32 checksum;
};

struct fetch {
	struct r2net_request req;
	struct r2net_peer *peer; /* kept by the pins */
	struct tmem_load *load; /* for the first page; NULL if nobody waits for one */
	bool home; /* of fetch_home() */
	atomic_t waits; /* home: pages that have not come, nor failed */
	unsigned int nr;
	struct r2net_item items[FETCH_MAX];
	struct fetch_page pages[FETCH_MAX];
};

static struct kmem_cache *fetch_cache;
static mempool_t *fetches;

/* Loads that found no free READ: they are begun again when one is. */
static DEFINE_SPINLOCK(backlog_lock);
static LIST_HEAD(backlog);
static atomic_t under_way; /* READs */
static atomic_t homing; /* of fetch_home(): READs of which somebody waits for a page */
static DECLARE_WAIT_QUEUE_HEAD(homed);

static void backlog_retry(struct work_struct *work)
{
	struct tmem_load *load, *next;
	LIST_HEAD(loads);

	spin_lock(&backlog_lock);
	list_splice_init(&backlog, &loads);
	spin_unlock(&backlog_lock);
	list_for_each_entry_safe(load, next, &loads, link)
		tmem_load(load);
}
static DECLARE_WORK(backlog_work, backlog_retry);

static void backlog_add(struct tmem_load *load)
{
	spin_lock(&backlog_lock);
	list_add_tail(&load->link, &backlog);
	spin_unlock(&backlog_lock);
	/* With fetch_free(): the last READ sees the load, or this sees that it was the last. */
	smp_mb();
	if (!atomic_read(&under_way))
		queue_work(r2net_wq, &backlog_work);
}

static void fetch_free(struct fetch *fetch)
{
	mempool_free(fetch, fetches);
	atomic_dec(&under_way);
	/* Pairs with the one in backlog_add(): either sees what the other did. */
	smp_mb__after_atomic();
	if (!list_empty_careful(&backlog))
		queue_work(r2net_wq, &backlog_work);
}

static int fetch_check(const struct fetch *fetch, unsigned int i, const void *bytes)
{
	size_t length = le32_to_cpu(fetch->items[i].length);

	if (crc32c(0, bytes, length) == fetch->pages[i].checksum)
		return 0;
	count(bad_checksums);
	pr_err_ratelimited("node %u: a page came back with other bytes than were sent; it is not used\n",
			   fetch->peer->node);
	return -EIO;
}

static void fetch_item(struct r2net_request *req, unsigned int i, int err, const void *bytes)
{
	struct fetch *fetch = container_of(req, struct fetch, req);
	size_t length = le32_to_cpu(fetch->items[i].length);
	struct fetch_page *page = &fetch->pages[i];
	struct tmem_load *load = fetch->load;

	if (!err)
		err = fetch_check(fetch, i, bytes);
	if (err == -ESTALE)
		r2net_peer_stale(fetch->peer, page->lease);
	else if (err == -ERANGE)
		count(stale_slots);
	if (err)
		err = -EIO;
	if (page->zpage) {
		tmem_fetched(page->zpage, bytes, length, err, slot_lease_serial(page->lease));
		if (fetch->home && atomic_dec_and_test(&fetch->waits)) {
			atomic_dec(&homing);
			wake_up(&homed);
		}
		return;
	}
	if (!err)
		err = zcache_decompress(entry_location(page->entry).compressor, bytes, length, load->page);
	if (!err)
		count(loads_remote);
	if (err && tmem_load_again(load, slot_lease_serial(page->lease)))
		return;
	latency_count(LATENCY_REMOTE, load->start);
	tmem_load_done(load, err);
}

static void fetch_release(struct r2net_request *req)
{
	struct fetch *fetch = container_of(req, struct fetch, req);
	unsigned int i;

	for (i = 0; i < fetch->nr; i++) {
		slot_unpin(fetch->pages[i].entry, fetch->pages[i].lease);
		if (fetch->pages[i].zpage)
			zpage_put(fetch->pages[i].zpage);
	}
	fetch_free(fetch);
}

static const struct r2net_request_ops fetch_ops = { .item = fetch_item, .release = fetch_release };

static struct fetch *fetch_new(struct tmem_load *load, bool home)
{
	/* Reading ahead must not use up what loads that wait may need. */
	struct fetch *fetch = load ? mempool_alloc(fetches, FETCH_GFP) : kmem_cache_alloc(fetch_cache, FETCH_GFP);

	if (!fetch)
		return NULL;
	atomic_inc(&under_way);
	memset(&fetch->req, 0, sizeof(fetch->req));
	fetch->req.ops = &fetch_ops;
	fetch->req.type = R2NET_READ;
	fetch->req.items = fetch->items;
	fetch->req.patient = load && load->patient;
	fetch->req.bulk = home;
	fetch->peer = NULL;
	fetch->load = load;
	fetch->home = home;
	fetch->nr = 0;
	return fetch;
}

static void fetch_add(struct fetch *fetch, void *entry, struct zpage *zpage, const struct extent_slot *slot)
{
	const struct slot_leg *leg = &slot->legs[0];

	fetch->peer = leg->peer;
	fetch->items[fetch->nr] = (struct r2net_item){
		.extent = cpu_to_le32(leg->extent),
		.generation = cpu_to_le32(leg->generation),
		.offset = cpu_to_le32(slot->offset),
		.length = cpu_to_le32(slot->length),
	};
	fetch->pages[fetch->nr] =
		(struct fetch_page){ .entry = entry, .lease = leg->lease, .zpage = zpage, .checksum = slot->checksum };
	fetch->nr++;
}

static void fetch_submit(struct fetch *fetch)
{
	int err;

	if (!fetch->nr) {
		fetch_free(fetch);
		return;
	}
	if (fetch->home) {
		atomic_inc(&homing);
		atomic_set(&fetch->waits, fetch->nr);
	}
	fetch->req.nr = fetch->nr;
	err = r2net_submit(fetch->peer, &fetch->req);
	if (!err) {
		count(reads);
		return;
	}
	r2net_request_fail(&fetch->req, err);
	r2net_request_put(&fetch->req);
}

/*
 * Adds a page to *@fetch if it lies with its peer; else sends that and begins another. *@fetch may be NULL. Returns false if
 * no READ is to be had.
 */
static bool fetch_page(struct fetch **fetch, struct tmem_pool *pool, unsigned long index, enum fetch_purpose purpose)
{
	struct extent_slot slot;
	struct zpage *zpage;

	for (;;) {
		if (!*fetch)
			*fetch = fetch_new(NULL, purpose != FETCH_COPY);
		if (!*fetch)
			return false;
		zpage = tmem_fetch_ahead(pool, index, purpose, (*fetch)->peer, &slot);
		if (zpage != ERR_PTR(-EXDEV))
			break;
		fetch_submit(*fetch);
		*fetch = NULL;
	}
	if (!zpage)
		return true;
	if (purpose == FETCH_COPY)
		count(prefetch_pages);
	fetch_add(*fetch, zpage->remote, zpage, &slot);
	if ((*fetch)->nr == FETCH_MAX) {
		fetch_submit(*fetch);
		*fetch = NULL;
	}
	return true;
}

static void fetch_plan(struct tmem_pool *pool, struct fetch *fetch, const struct prefetch_plan *plan)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (!fetch_page(&fetch, pool, plan->start + (long)i * plan->step, FETCH_COPY))
			return;
	if (fetch)
		fetch_submit(fetch);
}

void fetch_load(struct tmem_load *load, void *entry, const struct extent_slot *slot, const struct prefetch_plan *plan)
{
	struct tmem_pool *pool = load->pool;
	struct fetch *fetch = fetch_new(load, false);

	if (!fetch) {
		slot_unpin(entry, slot->legs[0].lease);
		backlog_add(load);
		return;
	}
	fetch_add(fetch, entry, NULL, slot);
	/* Other loads may come to wait for what is read ahead, and they have less patience. */
	if (load->patient) {
		fetch_submit(fetch);
		fetch = NULL;
	}
	fetch_plan(pool, fetch, plan);
}

void fetch_ahead(struct tmem_pool *pool, const struct prefetch_plan *plan)
{
	if (plan->nr)
		fetch_plan(pool, NULL, plan);
}

void fetch_home(struct tmem_pool *pool, const u32 *indices, unsigned int nr, enum fetch_purpose purpose)
{
	struct fetch *fetch = NULL;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!fetch_page(&fetch, pool, indices[i], purpose))
			return;
	if (fetch)
		fetch_submit(fetch);
}

bool fetch_home_wait(unsigned int max, unsigned long timeout)
{
	return wait_event_idle_timeout(homed, atomic_read(&homing) <= max, timeout);
}

int fetch_init(void)
{
	fetch_cache = KMEM_CACHE(fetch, 0);
	if (!fetch_cache)
		return -ENOMEM;
	fetches = mempool_create_slab_pool(FETCH_RESERVE, fetch_cache);
	if (!fetches) {
		kmem_cache_destroy(fetch_cache);
		return -ENOMEM;
	}
	return 0;
}

void fetch_exit(void)
{
	mempool_destroy(fetches);
	kmem_cache_destroy(fetch_cache);
}
