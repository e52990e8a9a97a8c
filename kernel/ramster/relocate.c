// SPDX-License-Identifier: GPL-2.0
/*
 * relocate.c - copies extents from one lender to another, block after block.
 *
 * Each block is read from one lease and written at the same offsets to another, which then takes the place of a leg or is a
 * new one. No entry of the index changes, because entries name the extent.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "counters.h"
#include "extent_table.h"
#include "move.h"
#include "netlink.h"
#include "relocate.h"

#define NR_JOBS 8 /* extents that move at a time */
#define NR_ORPHANS 16 /* more, that a lender keeps because it does not answer */
#define ORPHAN_AFTER HZ /* of a failure, with requests still outstanding */
#define MAX_BACKOFF 5 /* doublings of LEASE_RETRY */

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
	struct lease *failed; /* with whose lender a request has failed; NULL: none has */
	unsigned long failed_since; /* jiffies when the thread saw that; 0: it did not */
	struct r2net_request read;
	struct r2net_request write;
	struct r2net_item read_items[BLOCK_PIECES];
	struct r2net_item write_items[BLOCK_PIECES];
	void *bytes; /* EXTENT_BLOCK_SIZE; of the first NR_JOBS always there */
};

static struct job jobs[NR_JOBS + NR_ORPHANS];
static DEFINE_SPINLOCK(jobs_lock);
static DECLARE_WAIT_QUEUE_HEAD(over); /* a block is */
static struct job *idle; /* for relocate_begin() */

/* ---- A block ---- */

static void job_set_state(struct job *job, enum job_state state)
{
	spin_lock(&jobs_lock);
	WRITE_ONCE(job->state, state);
	spin_unlock(&jobs_lock);
}

static void job_block_over(struct job *job)
{
	spin_lock(&jobs_lock);
	WRITE_ONCE(job->state, job->orphan ? JOB_IDLE : JOB_READY);
	spin_unlock(&jobs_lock);
	wake_up(&over);
	move_wake();
}

static void job_failed(struct job *job, struct lease *lease, int err)
{
	if (err == -ESTALE)
		r2net_peer_stale(lease->peer, lease);
	WRITE_ONCE(job->failed, lease);
}

static void write_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct job *job = container_of(req, struct job, write);

	if (err)
		job_failed(job, job->to, err);
}

static void write_release(struct r2net_request *req)
{
	struct job *job = container_of(req, struct job, write);

	slot_block_unpin(job->extent, job->block, job->to);
	job_block_over(job);
}

static const struct r2net_request_ops write_ops = { .item = write_item, .release = write_release };

static void read_item(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct job *job = container_of(req, struct job, read);

	if (err)
		job_failed(job, job->from, err);
	else
		memcpy(job->bytes + i * BLOCK_PIECE, bytes, BLOCK_PIECE);
}

/* All of the block is here, or will not come. */
static void read_release(struct r2net_request *req)
{
	struct job *job = container_of(req, struct job, read);
	int err;

	slot_block_unpin(job->extent, job->block, job->from);
	if (READ_ONCE(job->failed)) {
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

static void lease_pin(struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	lease->pins++;
}

static void lease_unpin(struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	lease->pins--;
	lease_put(lease);
}

void relocate_begin(struct lease *from, struct lease *to, struct lease *gone)
{
	struct job *job = idle;

	lockdep_assert_held(&extents_lock);
	idle = NULL;
	job->orphan = false;
	job->extent = from->extent;
	job->from = from;
	job->to = to;
	job->gone = gone;
	job->block = 0;
	job->nr = 0;
	WRITE_ONCE(job->failed, NULL);
	job->failed_since = 0;
	lease_pin(from);
	lease_pin(to);
	if (gone)
		lease_pin(gone);
	extent_hold(job->extent);
	job_set_state(job, JOB_READY);
}

/* Longer after each failure in a row. */
static void lease_count_failure(struct lease *lease)
{
	lockdep_assert_held(&extents_lock);
	lease->failures = min(lease->failures + 1, 255);
	lease->retry = jiffies + (LEASE_RETRY << min_t(unsigned int, lease->failures, MAX_BACKOFF));
}

/* Lets go of what the job holds. */
static void job_end(struct job *job)
{
	struct lease *failed = READ_ONCE(job->failed);
	bool done;

	mutex_lock(&extents_mutex);
	done = !failed && extent_replace(job->extent, job->gone, job->to);
	spin_lock(&extents_lock);
	if (done) {
		job->from->failures = 0;
		job->to->failures = 0; /* it is to be read from, too, one day */
	} else {
		extent_let_go(job->extent);
	}
	if (failed)
		lease_count_failure(failed);
	lease_unpin(job->from);
	lease_unpin(job->to);
	if (job->gone)
		lease_unpin(job->gone);
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
	for (; !job->failed && job->block < nr; job->block++) {
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

/* Lets one job go on, or leaves it to its lender. Returns whether something was done. */
static bool job_step(struct job *job)
{
	enum job_state state;

	spin_lock(&jobs_lock);
	state = job->orphan ? JOB_IDLE : job->state;
	spin_unlock(&jobs_lock);
	if (state == JOB_READY)
		return job_go_on(job);
	if (state != JOB_BUSY || !READ_ONCE(job->failed))
		return false;
	if (!job->failed_since)
		job->failed_since = jiffies | 1;
	else if (time_after(jiffies, job->failed_since + ORPHAN_AFTER))
		job_orphan(job);
	return false;
}

/* ---- All of them ---- */

bool relocate_step(void)
{
	bool did = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		did |= job_step(&jobs[i]);
	return did;
}

bool relocate_may_begin(void)
{
	unsigned int i, active = 0;

	idle = NULL;
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		if (READ_ONCE(jobs[i].state) == JOB_IDLE)
			idle = idle ?: &jobs[i];
		else
			active += !jobs[i].orphan;
	}
	if (!idle || active >= NR_JOBS)
		return false;
	if (!idle->bytes)
		idle->bytes = vmalloc(EXTENT_BLOCK_SIZE);
	return idle->bytes;
}

bool relocate_busy(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		if (READ_ONCE(jobs[i].state) != JOB_IDLE)
			return true;
	return false;
}

void relocate_stop(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		wait_event_idle(over, READ_ONCE(jobs[i].state) != JOB_BUSY);
		if (jobs[i].state != JOB_READY)
			continue;
		WRITE_ONCE(jobs[i].failed, jobs[i].from);
		job_end(&jobs[i]);
		job_set_state(&jobs[i], JOB_IDLE);
	}
}

int relocate_init(void)
{
	unsigned int i;

	for (i = 0; i < NR_JOBS; i++) {
		jobs[i].bytes = vmalloc(EXTENT_BLOCK_SIZE);
		if (!jobs[i].bytes) {
			relocate_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void relocate_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		vfree(jobs[i].bytes);
		jobs[i].bytes = NULL;
	}
}
