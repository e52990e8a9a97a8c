// SPDX-License-Identifier: GPL-2.0
/*
 * move.c - empties leases, restores copies, and brings pages home.
 *
 * An extent moves as a whole: its blocks are read from one lender and written at the same offsets to another, whose lease then
 * takes the place of the first. No entry of the index changes, because entries name the extent. Where no other lender has
 * room for it, its pages come home one by one.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "counters.h"
#include "extent_table.h"
#include "home.h"
#include "move.h"
#include "netlink.h"
#include "remotify.h"

#define NR_JOBS 8 /* extents that move at a time */
#define NR_ORPHANS 16 /* more, that a lender keeps because it does not answer */
#define ORPHAN_AFTER HZ /* of a failure, with requests still outstanding */
#define TRIES 3 /* to move, before pages come home one by one */
#define RETRY HZ /* after a failure */
#define HOME_AFTER (2 * HZ) /* in which ramsterd may find another lender */

enum job_state {
	JOB_IDLE,
	JOB_READY, /* for its next block */
	JOB_BUSY, /* a block is under way */
};

/* One extent on its way from one lease to another: block after block, each by a READ and a WRITE of the same bytes. */
struct job {
	enum job_state state; /* under jobs_lock: BUSY to READY by whoever ends the requests, all else by the thread */
	bool orphan; /* BUSY: nobody waits for it; it holds no more than its requests' pins */
	struct extent *extent; /* held; or kept by its block, that is pinned */
	struct lease *from; /* to read from; pinned */
	struct lease *to; /* to write to; pinned */
	struct lease *gone; /* whose place it takes: @from, one that cannot be read, or NULL; pinned */
	unsigned int block;
	unsigned int nr; /* pieces under way */
	int err;
	unsigned long failed; /* jiffies when the thread saw that; 0: it did not */
	struct r2net_request read;
	struct r2net_request write;
	struct r2net_item read_items[BLOCK_PIECES];
	struct r2net_item write_items[BLOCK_PIECES];
	void *bytes; /* EXTENT_BLOCK_SIZE; of the first NR_JOBS always there */
};

static struct job jobs[NR_JOBS + NR_ORPHANS];
static DEFINE_SPINLOCK(jobs_lock);
static DECLARE_WAIT_QUEUE_HEAD(wake);
static bool woken;
static unsigned int home_wanted; /* pages */
static unsigned long restore_after; /* jiffies of a lender's silence */
static struct task_struct *thread;

void move_wake(void)
{
	WRITE_ONCE(woken, true);
	wake_up(&wake);
}

void move_home(unsigned int pages)
{
	WRITE_ONCE(home_wanted, pages);
	if (pages)
		move_wake();
}

void move_set_restore_after(unsigned int seconds)
{
	WRITE_ONCE(restore_after, (unsigned long)seconds * HZ);
	move_wake();
}

/* ---- A block ---- */

static void job_set_state(struct job *job, enum job_state state)
{
	spin_lock(&jobs_lock);
	job->state = state;
	spin_unlock(&jobs_lock);
}

static void job_block_over(struct job *job)
{
	spin_lock(&jobs_lock);
	job->state = job->orphan ? JOB_IDLE : JOB_READY;
	spin_unlock(&jobs_lock);
	move_wake();
}

static void write_item(struct r2net_request *req, unsigned int i, int err, const void *bytes)
{
	struct job *job = container_of(req, struct job, write);

	if (err == -ESTALE)
		r2net_peer_stale(job->to->peer, job->to);
	if (err)
		WRITE_ONCE(job->err, err);
}

static void write_release(struct r2net_request *req)
{
	struct job *job = container_of(req, struct job, write);

	slot_block_unpin(job->extent, job->block, job->to);
	job_block_over(job);
}

static const struct r2net_request_ops write_ops = { .item = write_item, .release = write_release };

static void read_item(struct r2net_request *req, unsigned int i, int err, const void *bytes)
{
	struct job *job = container_of(req, struct job, read);

	if (err == -ESTALE)
		r2net_peer_stale(job->from->peer, job->from);
	if (err)
		WRITE_ONCE(job->err, err);
	else
		memcpy(job->bytes + i * BLOCK_PIECE, bytes, BLOCK_PIECE);
}

/* All of the block is here, or will not come. */
static void read_release(struct r2net_request *req)
{
	struct job *job = container_of(req, struct job, read);
	int err = READ_ONCE(job->err);

	slot_block_unpin(job->extent, job->block, job->from);
	if (err) {
		slot_block_unpin(job->extent, job->block, job->to);
		job_block_over(job);
		return;
	}
	job->write = (struct r2net_request){
		.ops = &write_ops,
		.type = R2NET_WRITE,
		.nr = job->nr,
		.items = job->write_items,
		.payload = job->bytes,
		.payload_length = job->nr * BLOCK_PIECE,
	};
	err = r2net_submit(job->to->peer, &job->write);
	if (err) {
		r2net_request_fail(&job->write, err);
		r2net_request_put(&job->write);
	}
}

static const struct r2net_request_ops read_ops = { .item = read_item, .release = read_release };

static struct r2net_item piece_item(const struct lease *lease, unsigned int block, unsigned int piece)
{
	return (struct r2net_item){
		.extent = cpu_to_le32(lease->id),
		.generation = cpu_to_le32(lease->generation),
		.offset = cpu_to_le32(block * EXTENT_BLOCK_SIZE + piece * BLOCK_PIECE),
		.length = cpu_to_le32(BLOCK_PIECE),
	};
}

/* Begins to copy the job's block. */
static void job_copy(struct job *job, u32 pieces)
{
	unsigned int i;
	int err;

	job->nr = 0;
	for (i = 0; i < BLOCK_PIECES; i++) {
		if (!(pieces & BIT(i)))
			continue;
		job->read_items[job->nr] = piece_item(job->from, job->block, i);
		job->write_items[job->nr++] = piece_item(job->to, job->block, i);
	}
	job->read = (struct r2net_request){
		.ops = &read_ops, .type = R2NET_READ, .nr = job->nr, .items = job->read_items, .bulk = true
	};
	job_set_state(job, JOB_BUSY);
	err = r2net_submit(job->from->peer, &job->read);
	if (err) {
		r2net_request_fail(&job->read, err);
		r2net_request_put(&job->read);
	}
}

/* ---- An extent ---- */

/* The peers of the extent's legs, but for that of @lease if it is not NULL. Returns how many. */
static unsigned int peers_without(const struct extent *extent, const struct lease *lease, struct r2net_peer *peers[])
{
	unsigned int i, nr = 0;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != lease)
			peers[nr++] = extent->legs[i]->peer;
	return nr;
}

/* Takes one leg away and adds another, where they are not NULL, and swaps the group for the one of the legs by then. */
static void extent_regroup(struct extent *extent, struct lease *from, struct lease *to, struct extent_group **group)
{
	bool open = extent->open;

	lockdep_assert_held(&extents_lock);
	extent->held = true;
	if (open)
		extent_settle(extent);
	swap(*group, extent->group);
	if (from)
		extent_detach(extent, from);
	if (to)
		extent_attach(extent, to);
	extent->held = false;
	extent_settle(extent);
}

/* Whether none of its leases was lost. */
static bool job_is_valid(const struct job *job)
{
	return job->from->extent == job->extent && !job->to->dead && (!job->gone || job->gone->extent == job->extent);
}

/* All its bytes are at @to, too. Returns whether the extent is there now; not if one of the leases was lost meanwhile. */
static bool job_switch(struct job *job)
{
	struct lease *gone = job->gone;
	struct r2net_peer *peers[EXTENT_MAX_COPIES + 1];
	struct extent *extent = job->extent;
	struct extent_group *group = NULL;
	unsigned int nr = 0;
	bool valid;

	lockdep_assert_held(&extents_mutex);
	spin_lock(&extents_lock);
	valid = job_is_valid(job);
	if (valid)
		nr = peers_without(extent, gone, peers);
	spin_unlock(&extents_lock);
	/* A lease may be lost without the mutex, but no peer dies. */
	peers[nr] = job->to->peer;
	if (valid && nr < EXTENT_MAX_COPIES)
		group = extent_group_of(peers, nr + 1);
	if (!group)
		return false;

	spin_lock(&extents_lock);
	valid = job_is_valid(job) && peers_without(extent, gone, peers) == nr;
	if (valid)
		extent_regroup(extent, gone, job->to, &group);
	spin_unlock(&extents_lock);
	extent_group_put(group);
	return valid;
}

static void job_unpin(struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	lease->pins--;
	lease_put(lease);
}

/* How long not to try again after so many failures. */
static unsigned long retry_after(const struct lease *lease)
{
	return jiffies + (RETRY << min_t(unsigned int, lease->failures, 5));
}

/* Lets go of what the job holds. */
static void job_end(struct job *job)
{
	bool done;

	mutex_lock(&extents_mutex);
	done = !job->err && job_switch(job);
	spin_lock(&extents_lock);
	job->from->failures = done ? 0 : min(job->from->failures + 1, 255);
	if (!done) {
		job->from->retry = retry_after(job->from);
		job->to->retry = jiffies + RETRY;
	}
	job_unpin(job->from);
	job_unpin(job->to);
	if (job->gone)
		job_unpin(job->gone);
	if (!done) {
		job->extent->held = false;
		extent_settle(job->extent);
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&extents_mutex);
	if (done)
		count(extents_moved);
	netlink_event_vacated();
}

/* Its requests have failed, but a lender may still act on one: the extent need not wait for that. */
static void job_orphan(struct job *job)
{
	bool busy;

	spin_lock(&jobs_lock);
	busy = job->state == JOB_BUSY;
	job->orphan = busy;
	spin_unlock(&jobs_lock);
	if (busy)
		job_end(job);
}

/* Goes on with a job that is ready. Returns false if that has to wait. */
static bool job_go_on(struct job *job)
{
	unsigned int nr = extent_nr_blocks(job->extent);
	u32 pieces = 0;

	if (job->nr) { /* the block that it was at is done */
		job->nr = 0;
		job->block++;
	}
	for (; !job->err && job->block < nr; job->block++) {
		if (slot_block_pin(job->extent, job->block, job->from, job->to, &pieces))
			return false;
		if (!pieces)
			continue;
		job_copy(job, pieces);
		return true;
	}
	job_end(job);
	job_set_state(job, JOB_IDLE);
	return true;
}

/* ---- Which extent goes where ---- */

/* Whether an extent with these legs may have another one with that peer. */
static bool extent_may_have(const struct extent *extent, const struct r2net_peer *peer)
{
	unsigned int i;

	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i]->peer == peer)
			return false;
	return peer->space.nr - peer->space.leaving <= peer->space.keep;
}

/* A lease for the bytes of an extent: a spare one, or else one of an empty extent, which ends by that. */
static struct lease *target_for(const struct extent *extent)
{
	struct lease *lease, *best = NULL;
	bool empty;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link) {
		empty = lease->extent && lease->extent->open && !lease->extent->used_blocks && !lease->pins;
		if (!empty && !lease_is_free(lease))
			continue;
		if (lease->size != extent->size || !lease_may_try(lease) || !extent_may_have(extent, lease->peer))
			continue;
		if (!best || lease->peer->space.pages < best->peer->space.pages)
			best = lease;
	}
	if (best && best->extent)
		extent_dissolve(best->extent);
	return best;
}

/* The leg to read an extent from: @first if that can be, or another; NULL if none can. */
static struct lease *source_of(struct lease *first)
{
	const struct extent *extent = first->extent;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	if (lease_may_try(first))
		return first;
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != first && lease_may_try(extent->legs[i]))
			return extent->legs[i];
	return NULL;
}

/* The emptiest lease that is to be emptied and can be. */
static struct lease *lease_to_empty(void)
{
	struct lease *lease, *best = NULL;

	lockdep_assert_held(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->leaving && lease->extent && !lease->extent->held && source_of(lease) &&
		    (!best || lease->extent->pages < best->extent->pages))
			best = lease;
	return best;
}

/* A leg whose lender has been silent for so long that its bytes are to be with another one. */
static struct lease *silent_leg(const struct extent *extent)
{
	unsigned int i;

	for (i = 0; i < extent->nr_legs; i++) {
		const struct r2net_peer *peer = extent->legs[i]->peer;

		if (READ_ONCE(peer->state) != RAMSTER_PEER_UP && READ_ONCE(peer->silent_since) &&
		    time_after(jiffies, READ_ONCE(peer->silent_since) + READ_ONCE(restore_after)))
			return extent->legs[i];
	}
	return NULL;
}

/* A lease whose extent lacks a copy; in @gone the one that lacks, if it is there but silent. */
static struct lease *lease_to_copy(struct lease **gone)
{
	struct lease *lease;

	lockdep_assert_held(&extents_lock);
	*gone = NULL;
	if (extent_copies() == 1)
		return NULL;
	list_for_each_entry(lease, &extent_leases, link) {
		if (!lease->extent || !lease->extent->pages || lease->extent->held || !lease_may_try(lease))
			continue;
		if (lease->extent->nr_legs < extent_copies())
			return lease;
		*gone = silent_leg(lease->extent);
		if (*gone)
			return lease;
	}
	return NULL;
}

/* Begins to copy the extent of @from, if there is a lease to go to. */
static bool job_begin(struct job *job, struct lease *from, struct lease *gone)
{
	struct lease *to = target_for(from->extent);

	lockdep_assert_held(&extents_lock);
	if (!to)
		return false;
	job->orphan = false;
	job->failed = 0;
	job->extent = from->extent;
	job->from = from;
	job->to = to;
	job->gone = gone;
	job->block = 0;
	job->nr = 0;
	job->err = 0;
	from->pins++;
	to->pins++;
	if (gone)
		gone->pins++;
	job->extent->held = true;
	extent_settle(job->extent);
	job_set_state(job, JOB_READY);
	return true;
}

/* Whether an extent would be readable without one of its legs. */
static bool extent_can_spare(const struct extent *extent, const struct lease *lease)
{
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++)
		if (extent->legs[i] != lease && !extent->legs[i]->leaving &&
		    READ_ONCE(extent->legs[i]->peer->state) == RAMSTER_PEER_UP)
			return true;
	return false;
}

/* Begins to empty a lease. Returns its extent, held, if the pages must come home because there is nowhere else to go. */
static struct extent *begin_to_empty(struct job *job, struct lease *lease)
{
	struct lease *from = source_of(lease);

	lockdep_assert_held(&extents_lock);
	if (from && lease->failures < TRIES && job_begin(job, from, lease))
		return NULL;
	lease->retry = jiffies + RETRY / 4; /* meanwhile it is others' turn */
	if (!from || time_before(jiffies, lease->since + HOME_AFTER))
		return NULL;
	if (extent_can_spare(lease->extent, lease)) {
		lease->stuck = true;
		return NULL;
	}
	lease->extent->held = true;
	extent_settle(lease->extent);
	return lease->extent;
}

/* Finds work for an idle job. Returns an extent, held, whose pages must come home. */
static struct extent *job_find(struct job *job)
{
	struct extent *homeless = NULL;
	struct lease *lease, *gone;

	mutex_lock(&extents_mutex);
	spin_lock(&extents_lock);
	lease = lease_to_empty();
	if (lease)
		homeless = begin_to_empty(job, lease);
	if (!homeless && job->state == JOB_IDLE) {
		lease = lease_to_copy(&gone);
		if (lease && !job_begin(job, lease, gone))
			lease->retry = jiffies + RETRY;
	}
	spin_unlock(&extents_lock);
	mutex_unlock(&extents_mutex);
	return homeless;
}

/* A leg that the extent is better off without; NULL: none. */
static struct lease *surplus_leg(const struct extent *extent)
{
	struct lease *leg, *best = NULL;
	unsigned int i;

	lockdep_assert_held(&extents_lock);
	for (i = 0; i < extent->nr_legs; i++) {
		leg = extent->legs[i];
		if (!extent_can_spare(extent, leg) ||
		    (extent->nr_legs <= extent_copies() && !(leg->stuck && leg->leaving)))
			continue;
		if (!best || leg->leaving || READ_ONCE(leg->peer->state) != RAMSTER_PEER_UP)
			best = leg;
	}
	return best;
}

/* Whether the extent has a leg too many, or has lost one that it can do without. */
static bool extent_is_odd(const struct extent *extent)
{
	return !extent->held && extent->nr_legs &&
	       (surplus_leg(extent) ||
		(extent->nr_legs == extent_copies() && extent->nr_legs != extent->group->nr_peers));
}

/* Sets one odd extent right. Returns whether there was one. */
static bool extent_set_right(void)
{
	struct r2net_peer *peers[EXTENT_MAX_COPIES];
	struct lease *lease, *odd = NULL, *surplus = NULL;
	struct extent_group *group = NULL;
	unsigned int nr = 0;

	mutex_lock(&extents_mutex);
	spin_lock(&extents_lock);
	list_for_each_entry(lease, &extent_leases, link)
		if (lease->extent && extent_is_odd(lease->extent))
			odd = lease;
	if (odd) {
		odd->pins++;
		surplus = surplus_leg(odd->extent);
		if (surplus)
			surplus->pins++;
		nr = peers_without(odd->extent, surplus, peers);
	}
	spin_unlock(&extents_lock);
	if (odd) {
		group = extent_group_of(peers, nr);
		spin_lock(&extents_lock);
		/* None was lost meanwhile. */
		if (group && odd->extent && extent_is_odd(odd->extent) && surplus_leg(odd->extent) == surplus &&
		    peers_without(odd->extent, surplus, peers) == nr)
			extent_regroup(odd->extent, surplus, NULL, &group);
		if (surplus)
			job_unpin(surplus);
		job_unpin(odd);
		spin_unlock(&extents_lock);
	}
	if (group)
		extent_group_put(group);
	mutex_unlock(&extents_mutex);
	return group;
}

/* ---- The thread ---- */

/* An idle job with a buffer, or NULL. */
static struct job *job_idle(void)
{
	unsigned int i, active = 0;
	struct job *idle = NULL;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		if (jobs[i].state == JOB_IDLE)
			idle = idle ?: &jobs[i];
		else
			active += !jobs[i].orphan;
	}
	if (!idle || active >= NR_JOBS)
		return NULL;
	if (!idle->bytes)
		idle->bytes = vmalloc(EXTENT_BLOCK_SIZE);
	return idle->bytes ? idle : NULL;
}

/* Lets one job go on, or leaves it to its lender. Returns whether something was done. */
static bool job_step(struct job *job)
{
	enum job_state state;

	spin_lock(&jobs_lock);
	state = job->orphan ? JOB_IDLE : job->state;
	spin_unlock(&jobs_lock);
	if (state == JOB_READY)
		return job_go_on(job);
	if (state != JOB_BUSY || !READ_ONCE(job->err))
		return false;
	if (!job->failed)
		job->failed = jiffies | 1;
	else if (time_after(jiffies, job->failed + ORPHAN_AFTER))
		job_orphan(job);
	return false;
}

static bool home_step(void)
{
	unsigned int wanted = READ_ONCE(home_wanted), asked = wanted ? home_some(wanted) : 0;

	/* None is left, or they cannot come; or others are wanted by now. */
	cmpxchg(&home_wanted, wanted, asked ? wanted - min(asked, wanted) : 0);
	return asked;
}

/* Does what can be done now. Returns whether something was. */
static bool move_some(void)
{
	struct extent *homeless;
	struct job *job;
	bool did = false;
	unsigned int i;

	/* Their pages want room elsewhere. */
	if (lease_mark() && remotify_need())
		netlink_event_need(remotify_need());
	did |= extent_compose();
	did |= extent_set_right();
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		did |= job_step(&jobs[i]);
	job = job_idle();
	homeless = job ? job_find(job) : NULL;
	if (homeless)
		did |= home_extent(homeless, UINT_MAX);
	else if (job)
		did |= job->state == JOB_READY;
	did |= home_step();
	return did;
}

/* Whether there may be something to do that nobody will wake the thread for. */
static bool move_waits(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		if (jobs[i].state != JOB_IDLE)
			return true;
	return extent_moving_bytes() || extent_copies() > 1;
}

static int move_thread(void *unused)
{
	unsigned int noio = memalloc_noio_save(), i;

	while (!kthread_should_stop()) {
		if (move_some())
			continue;
		wait_event_idle_timeout(wake, kthread_should_stop() || xchg(&woken, false),
					move_waits() ? RETRY / 4 : MAX_SCHEDULE_TIMEOUT);
	}
	/* All lenders are dead by now, so that what is under way ends. */
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		wait_event_idle(wake, READ_ONCE(jobs[i].state) != JOB_BUSY);
		jobs[i].err = -ESHUTDOWN;
		if (jobs[i].state == JOB_READY)
			job_end(&jobs[i]);
	}
	memalloc_noio_restore(noio);
	return 0;
}

int move_init(void)
{
	unsigned int i;

	for (i = 0; i < NR_JOBS; i++) {
		jobs[i].bytes = vmalloc(EXTENT_BLOCK_SIZE);
		if (!jobs[i].bytes)
			goto err_bytes;
	}
	thread = kthread_run(move_thread, NULL, "ramster_move");
	if (IS_ERR(thread))
		goto err_bytes;
	return 0;

err_bytes:
	move_exit();
	return -ENOMEM;
}

void move_stop(void)
{
	kthread_stop(thread);
}

void move_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		vfree(jobs[i].bytes);
		jobs[i].bytes = NULL;
	}
}
