// SPDX-License-Identifier: GPL-2.0
/*
 * remotify.c - takes the coldest zpages, gives each a slot, sends them, and makes the index point there.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "counters.h"
#include "move.h"
#include "netlink.h"
#include "once.h"
#include "peer.h"
#include "prefetch.h"
#include "remotify.h"
#include "seal.h"
#include "slot.h"
#include "tmem.h"
#include "trace.h"
#include "writeback.h"
#include "zcache.h"

#define BATCH_BYTES (96U << 10) /* more than sixteen raw pages */
#define NR_BUFFERS EXTENT_MAX_WRITES
#define NR_BATCHES (8 * NR_BUFFERS) /* with those that wait for a FENCE, which need no buffer */
#define STALLED_RETRY (HZ / 20)
#define COMPACT_EVERY 32 /* batches */
#define COMPACT_SHORT 4 /* batches, while memory is short: only whole pages that become free help */
#define FRESH_COPIES (2U * PREFETCH_STREAMS * PREFETCH_MAX) /* fetched ahead and about to be used */
#define MISFITS 8 /* pages in a batch's search for those that fit */
#define HOPE (2 * HZ) /* for so long after pages have left others are expected to */

struct batch;

/* The WRITE to one of the lenders. */
struct batch_leg {
	struct r2net_request req;
	struct batch *batch;
	struct r2net_peer *peer; /* kept by the pins */
	bool detached; /* it is outstanding, but reads the buffer no more */
	struct r2net_item items[R2NET_MAX_ITEMS];
	struct lease *leases[R2NET_MAX_ITEMS]; /* pinned */
};

struct batch {
	struct list_head link; /* in idle */
	struct extent_group *group; /* where it goes; a reference */
	void *bytes; /* a buffer, until nothing of it will be sent any more */
	u32 length;
	unsigned int nr;
	struct zpage *zpages[R2NET_MAX_ITEMS];
	void *entries[R2NET_MAX_ITEMS];
	u8 waits[R2NET_MAX_ITEMS]; /* for so many lenders' answers; under lock */
	unsigned long failed; /* bit by item: one has not taken it; under lock */
	bool refused; /* a lender has said no, for another reason than that it lost the lease */
	spinlock_t lock;
	bool left; /* a page of it has left zcache */
	unsigned int nr_legs;
	atomic_t sending; /* legs that may still read the buffer */
	atomic_t outstanding; /* legs */
	struct batch_leg legs[EXTENT_MAX_COPIES];
};

static_assert(R2NET_MAX_ITEMS <= BITS_PER_LONG);

static struct batch *batches;
static DEFINE_SPINLOCK(idle_lock);
static LIST_HEAD(idle);
static void *buffers[NR_BUFFERS]; /* BATCH_BYTES each; the first nr_free are free, under idle_lock */
static unsigned int nr_free;
static unsigned long progress; /* jiffies when pages left last, or when the first batch was begun */
static unsigned long refused; /* jiffies when a batch ended last that was refused; 0: none has since pages left */
static DECLARE_WAIT_QUEUE_HEAD(wake);
static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(room);
static atomic_long_t rooms; /* batches of which pages have left */
static u64 low_water;
static bool shrink; /* a shrinker asked for room */

static bool refused_lately(void)
{
	unsigned long last = READ_ONCE(refused);

	return last && time_before(jiffies, last + HZ);
}

/* A batch with a buffer, or NULL. */
static struct batch *batch_get(void)
{
	struct batch *batch = NULL;

	spin_lock(&idle_lock);
	if (nr_free)
		batch = list_first_entry_or_null(&idle, struct batch, link);
	if (batch) {
		list_del(&batch->link);
		if (nr_free == NR_BUFFERS && !refused_lately())
			WRITE_ONCE(progress, jiffies);
		SUB_ONCE(nr_free, 1);
		batch->bytes = buffers[nr_free];
	}
	spin_unlock(&idle_lock);
	return batch;
}

static bool batch_is_idle(void)
{
	return READ_ONCE(nr_free) && !list_empty_careful(&idle);
}

static void batch_put_buffer(struct batch *batch)
{
	spin_lock(&idle_lock);
	if (batch->bytes) {
		buffers[nr_free] = batch->bytes;
		ADD_ONCE(nr_free, 1);
	}
	batch->bytes = NULL;
	spin_unlock(&idle_lock);
}

static void batch_put(struct batch *batch)
{
	batch_put_buffer(batch);
	spin_lock(&idle_lock);
	list_add(&batch->link, &idle);
	spin_unlock(&idle_lock);
	wake_up(&wake);
}

/* A lender has answered for an item. Returns whether it was the last, and in @failed whether one has not taken it. */
static bool batch_item_over(struct batch *batch, unsigned int i, int err, bool *failed)
{
	bool last;

	spin_lock(&batch->lock);
	if (err)
		__set_bit(i, &batch->failed);
	last = !--batch->waits[i];
	*failed = test_bit(i, &batch->failed);
	spin_unlock(&batch->lock);
	return last;
}

static void batch_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct batch_leg *leg = container_of(req, struct batch_leg, req);
	struct batch *batch = leg->batch;
	struct zpage *zpage = batch->zpages[i];
	void *entry = batch->entries[i];
	bool failed;

	if (err == -ESTALE)
		r2net_peer_stale(leg->peer, leg->leases[i]);
	else if (err == -ERANGE || err == -EREMOTEIO)
		WRITE_ONCE(batch->refused, true);
	if (err == -ERANGE)
		count(stale_slots);
	if (!batch_item_over(batch, i, err, &failed))
		return;
	if (failed) {
		count(remotify_failed);
		slot_abandon(entry);
		zcache_return(zpage);
		return;
	}
	WRITE_ONCE(batch->left, true);
	if (tmem_remotified(zpage, entry, batch->nr_legs)) {
		count(remotify_pages);
		zpage_put(zpage);
		return;
	}
	count(remotify_stale);
	slot_abandon(entry);
	zcache_return(zpage);
}

/* One of the WRITEs reads the buffer no more. */
static void batch_sent(struct batch *batch)
{
	if (!atomic_dec_and_test(&batch->sending))
		return;
	extent_group_write(batch->group, -1);
	batch_put_buffer(batch);
	wake_up(&wake);
}

/* It was not answered. Others can be sent meanwhile; its slots stay pinned until the lender has let go of them. */
static void batch_detached(struct r2net_request *req)
{
	struct batch_leg *leg = container_of(req, struct batch_leg, req);

	leg->detached = true;
	batch_sent(leg->batch);
}

static void batch_release(struct r2net_request *req)
{
	struct batch_leg *leg = container_of(req, struct batch_leg, req);
	struct batch *batch = leg->batch;
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		slot_unpin(batch->entries[i], leg->leases[i]);
	if (!leg->detached)
		batch_sent(batch);
	if (!atomic_dec_and_test(&batch->outstanding))
		return;
	if (READ_ONCE(batch->left)) {
		WRITE_ONCE(progress, jiffies);
		WRITE_ONCE(refused, 0);
		atomic_long_inc(&rooms);
	} else if (READ_ONCE(batch->refused)) {
		WRITE_ONCE(refused, max(1UL, jiffies));
		extent_group_rest(batch->group);
	}
	extent_group_put(batch->group);
	batch_put(batch);
	wake_up_all(&room);
}

static const struct r2net_request_ops batch_ops = { .item = batch_item,
						    .detached = batch_detached,
						    .release = batch_release };

/*
 * A slot for a zpage, whose bytes are copied to @bytes, ready to leave. Returns the index's entry, or NULL if the group has no
 * space for it or it cannot be sealed.
 */
static void *batch_place(struct batch *batch, const struct zpage *zpage, void *bytes, struct extent_slot *slot)
{
	unsigned int i;
	void *entry;

	zpage_copy(zpage, bytes);
	entry = slot_alloc(batch->group, tmem_owner(zpage->pool, zpage->index), zpage->length, zpage->compressor,
			   seal_is_on() ? 0 : seal_checksum(bytes, zpage->length), slot);
	if (!entry || !seal_page(bytes, &slot->bond))
		return entry;
	pr_err_ratelimited("a page cannot be sealed, so it stays here\n");
	slot_abandon(entry);
	for (i = 0; i < slot->nr_legs; i++)
		slot_unpin(entry, slot->legs[i].lease);
	return NULL;
}

/* Puts one zpage into the batch. Returns false if that is not possible. */
static bool batch_add(struct batch *batch, struct zpage *zpage)
{
	struct extent_slot slot;
	void *entry = batch_place(batch, zpage, batch->bytes + batch->length, &slot);
	struct batch_leg *leg;
	unsigned int i;

	if (!entry)
		return false;
	for (i = 0; i < slot.nr_legs; i++) {
		leg = &batch->legs[i];
		leg->peer = slot.legs[i].peer;
		leg->leases[batch->nr] = slot.legs[i].lease;
		leg->items[batch->nr] = (struct r2net_item){
			.extent = cpu_to_le32(slot.legs[i].extent),
			.generation = cpu_to_le32(slot.legs[i].generation),
			.offset = cpu_to_le32(slot.offset),
			.length = cpu_to_le32(slot.length),
		};
	}
	batch->nr_legs = slot.nr_legs;
	batch->waits[batch->nr] = slot.nr_legs;
	batch->zpages[batch->nr] = zpage;
	batch->entries[batch->nr] = entry;
	batch->length += slot.length;
	batch->nr++;
	return true;
}

/* Once no block is free, a page may find no slot that others would. Those wait until the rest has had its turn. */
static void batch_fill(struct batch *batch)
{
	struct zpage *misfits[MISFITS], *zpage;
	unsigned int nr = 0;

	while (batch->nr < R2NET_MAX_ITEMS && batch->length + R2NET_MAX_ITEM_LEN <= BATCH_BYTES && nr < MISFITS) {
		zpage = zcache_take_coldest();
		if (!zpage)
			break;
		if (!batch_add(batch, zpage))
			misfits[nr++] = zpage;
	}
	if (nr && !batch->nr)
		extent_group_rest(batch->group);
	while (nr)
		zcache_return_warm(misfits[--nr]);
	slot_refill(GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
}

static bool leg_send(struct batch *batch, struct batch_leg *leg)
{
	unsigned int nr = batch->nr;
	u32 length = batch->length, node = leg->peer->node;
	int err;

	leg->batch = batch;
	leg->detached = false;
	leg->req = (struct r2net_request){
		.ops = &batch_ops,
		.type = R2NET_WRITE,
		.nr = nr,
		.items = leg->items,
		.payload = batch->bytes,
		.payload_length = length,
	};
	err = r2net_submit(leg->peer, &leg->req);
	if (err) {
		r2net_request_fail(&leg->req, err);
		r2net_request_put(&leg->req);
		return false;
	}
	trace_ramster_remotify(node, nr, length);
	count(remotify_writes);
	count_add(remotify_items, nr);
	return true;
}

/* Returns whether any of its WRITEs is under way. The batch may be over by then. */
static bool batch_send(struct batch *batch)
{
	unsigned int i, nr_legs = batch->nr_legs;
	bool sent = false;

	atomic_set(&batch->sending, nr_legs);
	atomic_set(&batch->outstanding, nr_legs);
	extent_group_write(batch->group, 1);
	for (i = 0; i < nr_legs; i++)
		sent |= leg_send(batch, &batch->legs[i]);
	return sent;
}

/* Sends one batch. Returns false if nothing could be sent. */
static bool remotify_batch(struct batch *batch)
{
	batch->group = extent_group_next();
	if (!batch->group) {
		batch_put(batch);
		return false;
	}
	batch->nr = 0;
	batch->nr_legs = 0;
	batch->length = 0;
	batch->failed = 0;
	batch->refused = false;
	batch->left = false;
	batch_fill(batch);
	if (batch->nr)
		return batch_send(batch);
	extent_group_put(batch->group);
	batch_put(batch);
	return false;
}

/* Copies that stand beside their slots cost no message to drop. The oldest go until @keep are left. */
static unsigned long drop_clean(unsigned long max, u64 keep)
{
	unsigned long nr;

	for (nr = 0; nr < max && zcache_clean_pages() > keep; nr++) {
		struct zpage *zpage = zcache_take_clean();

		if (!zpage)
			break;
		tmem_drop_clean(zpage);
		count(prefetch_dropped);
	}
	return nr;
}

static bool work_to_do(void)
{
	return zcache_above_high() || READ_ONCE(shrink);
}

/* Works until zcache is below its low mark. If it cannot go on it waits a while, or until pages have left. */
static void remotify_work(void)
{
	static unsigned int since_compaction;
	unsigned int compact_every;
	struct batch *batch;
	long before;
	bool sent;

	while (!kthread_should_stop() && (zcache_above_low() || READ_ONCE(shrink))) {
		if (drop_clean(R2NET_MAX_ITEMS, FRESH_COPIES))
			continue;
		wait_event_idle(wake, kthread_should_stop() || batch_is_idle());
		batch = batch_get();
		if (!batch)
			continue;
		before = atomic_long_read(&rooms);
		compact_every = READ_ONCE(shrink) ? COMPACT_SHORT : COMPACT_EVERY;
		sent = remotify_batch(batch);
		WRITE_ONCE(shrink, false);
		if (remotify_need())
			netlink_event_need(remotify_need());
		if (!sent) {
			if (zcache_full() && drop_clean(R2NET_MAX_ITEMS, 0))
				continue;
			writeback_wake();
			wait_event_idle_timeout(wake, kthread_should_stop() || atomic_long_read(&rooms) != before,
						STALLED_RETRY);
			return;
		}
		if (++since_compaction >= compact_every) {
			since_compaction = 0;
			zcache_compact();
		}
	}
}

static int remotify_thread(void *unused)
{
	while (!kthread_should_stop()) {
		wait_event_idle(wake, kthread_should_stop() || work_to_do());
		remotify_work();
	}
	return 0;
}

void remotify_wake(void)
{
	if (wq_has_sleeper(&wake))
		wake_up(&wake);
}

u64 remotify_old_copies(void)
{
	u64 nr = zcache_clean_pages();

	return nr > FRESH_COPIES ? nr - FRESH_COPIES : 0;
}

unsigned long remotify_shrink(unsigned long nr)
{
	unsigned long dropped = drop_clean(nr, FRESH_COPIES);

	if (dropped < nr && zcache_above_low()) {
		WRITE_ONCE(shrink, true);
		remotify_wake();
	}
	return dropped;
}

bool remotify_may_make_room(void)
{
	struct extent_group *group;

	/* Batches that nobody answers, or that are refused, are no hope: those of a hung peer stay under way for long. */
	if (READ_ONCE(nr_free) < NR_BUFFERS || refused_lately())
		return time_before(jiffies, READ_ONCE(progress) + HOPE);
	group = zcache_pages() ? extent_group_next() : NULL;
	if (group)
		extent_group_put(group);
	return group;
}

void remotify_made_room(void)
{
	atomic_long_inc(&rooms);
	wake_up_all(&room);
	remotify_wake();
}

bool remotify_wait_for_room(unsigned long timeout)
{
	long before = atomic_long_read(&rooms);

	WRITE_ONCE(shrink, true);
	remotify_wake();
	writeback_wake();
	return wait_event_idle_timeout(room, atomic_long_read(&rooms) != before, timeout);
}

u64 remotify_need(void)
{
	u64 free = extent_usable_bytes(), want = READ_ONCE(low_water), moving = extent_moving_bytes();
	u64 copies = move_wanted_bytes();

	if (!tmem_active())
		return 0;
	if (free >= want + moving)
		return copies;
	/* What leaves a lender needs one other, what is sent anew needs one for each copy. */
	return copies + (free < want ? (want - free) * extent_copies() + moving : want + moving - free);
}

void remotify_set_low_water(u64 bytes)
{
	WRITE_ONCE(low_water, bytes);
}

int remotify_init(void)
{
	unsigned int i;

	batches = kvcalloc(NR_BATCHES, sizeof(*batches), GFP_KERNEL);
	if (!batches)
		return -ENOMEM;
	for (i = 0; i < NR_BATCHES; i++) {
		spin_lock_init(&batches[i].lock);
		list_add_tail(&batches[i].link, &idle);
	}
	for (nr_free = 0; nr_free < NR_BUFFERS; nr_free++) {
		buffers[nr_free] = vmalloc(BATCH_BYTES);
		if (!buffers[nr_free])
			goto err_batches;
	}
	thread = kthread_run(remotify_thread, NULL, "ramster_remotify");
	if (IS_ERR(thread))
		goto err_batches;
	zcache_set_pressure_hook(remotify_wake);
	return 0;

err_batches:
	remotify_exit();
	return -ENOMEM;
}

void remotify_stop(void)
{
	zcache_set_pressure_hook(NULL);
	kthread_stop(thread);
}

void remotify_exit(void)
{
	unsigned int i;

	INIT_LIST_HEAD(&idle);
	for (i = 0; i < NR_BUFFERS; i++)
		vfree(buffers[i]);
	kvfree(batches);
}
