// SPDX-License-Identifier: GPL-2.0
/*
 * fetch.c - builds READs, and hands what comes back to the load that waits and to the index.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "counters.h"
#include "fetch.h"
#include "hedge.h"
#include "peer.h"
#include "seal.h"
#include "tmem.h"
#include "zcache.h"

#define FETCH_MAX (1 + PREFETCH_MAX) /* pages of a READ */
#define FETCH_RESERVE 32 /* READs that can be under way when memory is short */
#define BACKLOG_RETRY (HZ / 50)
#define HEDGE_MAX 32 /* READs to second peers that can be under way */
#define HEDGE_RESERVE 4 /* when memory is short */
#define FETCH_GFP (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

static_assert(FETCH_MAX <= R2NET_MAX_ITEMS);

struct fetch_page {
	void *entry; /* pinned */
	struct lease *lease; /* pinned */
	struct zpage *zpage; /* a reference; NULL: it is the load's page, or a hedge's */
	struct seal_bond bond;
	u8 of; /* hedge: the item of the first READ */
};

struct fetch {
	struct r2net_request req;
	struct r2net_peer *peer; /* kept by the pins */
	struct tmem_load *load; /* for the first page; NULL if nobody waits for one */
	struct fetch *first; /* a hedge: the READ that waits for a slow peer; a reference to its request. Else NULL */
	unsigned long hedged; /* bit by page: asked of a second peer; only ops->hedge() looks */
	enum fetch_purpose purpose; /* not FETCH_COPY: of fetch_home() */
	atomic_t waits; /* home: pages that have not come, nor failed */
	unsigned int nr;
	struct r2net_item items[FETCH_MAX];
	struct fetch_page pages[FETCH_MAX];
};

static struct kmem_cache *fetch_cache;
static mempool_t *fetches;
static mempool_t *hedges;
static atomic_t hedging; /* READs of hedges */

/* Loads that found no free READ: they are begun again when one is, or when memory is. */
static DEFINE_SPINLOCK(backlog_lock);
static LIST_HEAD(backlog);
static atomic_t homing[FETCH_PURPOSES]; /* of fetch_home(): READs of which somebody waits for a page */
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
static DECLARE_DELAYED_WORK(backlog_work, backlog_retry);

static void backlog_add(struct tmem_load *load)
{
	spin_lock(&backlog_lock);
	list_add_tail(&load->link, &backlog);
	spin_unlock(&backlog_lock);
	/* READs that are under way may be with a peer that does not answer. */
	queue_delayed_work(r2net_wq, &backlog_work, BACKLOG_RETRY);
}

static void fetch_free(struct fetch *fetch)
{
	if (fetch->first)
		atomic_dec(&hedging);
	mempool_free(fetch, fetch->first ? hedges : fetches);
	if (!list_empty_careful(&backlog))
		mod_delayed_work(r2net_wq, &backlog_work, 0);
}

static int fetch_check(const struct fetch *fetch, unsigned int i, void *bytes)
{
	int err = seal_open(bytes, &fetch->pages[i].bond);

	if (!err)
		return 0;
	if (err != -EBADMSG) {
		pr_err_ratelimited("a page cannot be opened (%d): it is as if its peer had not brought it\n", err);
		return -EIO;
	}
	count(bad_seals);
	pr_err_ratelimited("node %u: a page came back with other bytes than were sent; it is not used\n",
			   fetch->peer->node);
	r2net_peer_distrust(fetch->peer);
	return -EIO;
}

/* What an answer is good for: 0 or -EIO. */
static int fetch_judge(struct fetch *fetch, unsigned int i, int err, void *bytes)
{
	if (!err)
		err = fetch_check(fetch, i, bytes);
	if (err == -ESTALE)
		r2net_peer_stale(fetch->peer, fetch->pages[i].lease);
	else if (err == -ERANGE)
		count(stale_slots);
	return err ? -EIO : 0;
}

/* The bytes of a page that was claimed are here and good, or cannot be had. */
static void fetch_end(struct fetch *fetch, unsigned int i, int err, const void *bytes)
{
	struct fetch_page *page = &fetch->pages[i];
	size_t length = page->bond.length;
	struct tmem_load *load = fetch->load;

	if (page->zpage) {
		tmem_fetched(page->zpage, bytes, length, err, slot_lease_serial(page->lease));
		if (fetch->purpose != FETCH_COPY && atomic_dec_and_test(&fetch->waits)) {
			atomic_dec(&homing[fetch->purpose]);
			wake_up(&homed);
		}
		return;
	}
	if (!err)
		err = zcache_decompress(page->bond.compressor, bytes, length, load->page);
	if (!err)
		count(loads_remote);
	if (err && tmem_load_again(load, slot_lease_serial(page->lease)))
		return;
	latency_count(LATENCY_REMOTE, load->start);
	tmem_load_done(load, err);
}

static void fetch_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct fetch *fetch = container_of(req, struct fetch, req);

	fetch_end(fetch, i, fetch_judge(fetch, i, err, bytes), bytes);
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
	if (fetch->first)
		r2net_request_put(&fetch->first->req);
	fetch_free(fetch);
}

static bool fetch_hedge(struct r2net_request *req, unsigned long waited_us);

static const struct r2net_request_ops fetch_ops = { .item = fetch_item,
						    .release = fetch_release,
						    .hedge = fetch_hedge };

static void fetch_init_request(struct fetch *fetch, const struct r2net_request_ops *ops)
{
	memset(fetch, 0, offsetof(struct fetch, items));
	fetch->req.ops = ops;
	fetch->req.type = R2NET_READ;
	fetch->req.items = fetch->items;
}

static struct fetch *fetch_new(struct tmem_load *load, enum fetch_purpose purpose)
{
	/* Reading ahead must not use up what loads that wait may need. */
	struct fetch *fetch = load ? mempool_alloc(fetches, FETCH_GFP) : kmem_cache_alloc(fetch_cache, FETCH_GFP);

	if (!fetch)
		return NULL;
	fetch_init_request(fetch, &fetch_ops);
	fetch->req.patient = load && load->patient;
	fetch->req.bulk = purpose != FETCH_COPY;
	fetch->load = load;
	fetch->purpose = purpose;
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
		(struct fetch_page){ .entry = entry, .lease = leg->lease, .zpage = zpage, .bond = slot->bond };
	/* Nobody waits for what comes home. */
	fetch->req.hedge |= slot->nr_copies > 1 && fetch->purpose == FETCH_COPY && !fetch->first;
	fetch->nr++;
}

static void fetch_submit(struct fetch *fetch)
{
	int err;

	if (!fetch->nr) {
		fetch_free(fetch);
		return;
	}
	if (fetch->purpose != FETCH_COPY) {
		atomic_inc(&homing[fetch->purpose]);
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

/* The first good answer counts. If none is, the page's end is what comes of the first READ. */
static void hedge_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct fetch *hedge = container_of(req, struct fetch, req), *first = hedge->first;
	unsigned int of = hedge->pages[i].of;

	if (fetch_judge(hedge, i, err, bytes) || !r2net_request_claim(&first->req, of))
		return;
	if (!first->pages[of].zpage)
		count(loads_hedged);
	fetch_end(first, of, 0, bytes);
}

static const struct r2net_request_ops hedge_ops = { .item = hedge_item, .release = fetch_release };

static struct fetch *hedge_new(struct fetch *first)
{
	struct fetch *hedge = NULL;

	if (atomic_inc_return(&hedging) <= HEDGE_MAX)
		hedge = mempool_alloc(hedges, FETCH_GFP);
	if (!hedge) {
		atomic_dec(&hedging);
		return NULL;
	}
	fetch_init_request(hedge, &hedge_ops);
	hedge->req.patient = first->req.patient;
	hedge->first = first;
	refcount_inc(&first->req.ref);
	return hedge;
}

/* Adds page @i of the first READ if it lies with the hedge's peer, or if that is not chosen yet. */
static void hedge_add(struct fetch *hedge, unsigned int i, unsigned long waited_us)
{
	struct fetch *first = hedge->first;
	const struct fetch_page *page = &first->pages[i];
	struct extent_slot slot;

	if (slot_pin_other(page->entry, page->lease, hedge->peer, &slot))
		return;
	if (!hedge_helps(slot.legs[0].peer, waited_us)) {
		slot_unpin(page->entry, slot.legs[0].lease);
		return;
	}
	fetch_add(hedge, page->entry, NULL, &slot);
	hedge->pages[hedge->nr - 1].of = i;
	first->hedged |= BIT(i);
}

/* One READ for each of the peers that have what is missing. */
static bool fetch_hedge(struct r2net_request *req, unsigned long waited_us)
{
	struct fetch *first = container_of(req, struct fetch, req), *hedge;
	unsigned int i;
	bool any;

	do {
		hedge = hedge_new(first);
		if (!hedge)
			break;
		for (i = 0; i < first->nr; i++)
			if (!((first->hedged | READ_ONCE(req->claimed)) & BIT(i)))
				hedge_add(hedge, i, waited_us);
		any = hedge->nr;
		if (any) {
			count(reads_hedged);
			fetch_submit(hedge);
		} else {
			fetch_release(&hedge->req);
		}
	} while (any);
	return first->hedged;
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
			*fetch = fetch_new(NULL, purpose);
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
	struct fetch *fetch = fetch_new(load, FETCH_COPY);

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

bool fetch_home_wait(enum fetch_purpose purpose, unsigned int max, unsigned long timeout)
{
	return wait_event_idle_timeout(homed, atomic_read(&homing[purpose]) <= max, timeout);
}

int fetch_init(void)
{
	fetch_cache = KMEM_CACHE(fetch, 0);
	if (!fetch_cache)
		return -ENOMEM;
	fetches = mempool_create_slab_pool(FETCH_RESERVE, fetch_cache);
	if (!fetches)
		goto err_cache;
	hedges = mempool_create_slab_pool(HEDGE_RESERVE, fetch_cache);
	if (!hedges)
		goto err_fetches;
	return 0;

err_fetches:
	mempool_destroy(fetches);
err_cache:
	kmem_cache_destroy(fetch_cache);
	return -ENOMEM;
}

void fetch_stop(void)
{
	cancel_delayed_work_sync(&backlog_work);
}

void fetch_exit(void)
{
	mempool_destroy(hedges);
	mempool_destroy(fetches);
	kmem_cache_destroy(fetch_cache);
}
