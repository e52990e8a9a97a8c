// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cluster - simulated nodes that lend and borrow.
 *
 * What is simulated here is the world and the messages; every choice is the daemon's. Memory that a node has too little
 * of is swapped to its disk, which stalls its tasks.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/placement.h"
#include "tests/sim/cluster.h"

#define RAM (16ULL << 30)
#define RAM_LEAST (4ULL << 30) /* of unequal nodes; the others have twice as much or more, up to 2^RAM_STEPS times */
#define RAM_STEPS 4
#define OWNER_SHARE 0.3 /* of the nodes */
#define LATE_SHARE 0.1 /* of the nodes: they join later */
#define LATE_SECONDS 200
#define DEATH_CHANCE 0.00005 /* of a node, a second */
#define AWAY_SECONDS 60
#define LOCAL_SHARE 0.9 /* of its memory, before a node sends pages away */
#define ASK_MAX 16 /* extents, as lease.c */
#define AHEAD_SHARE 8 /* as lease.c */
#define REST_SECONDS 2 /* as lease.c */
#define SPARE_SECONDS 30 /* as lease.c */
#define RETURN_MAX 4 /* extents a second, as lease.c */
#define SPARE_MIN 16 /* extents, as lease.c */
#define EMPTY_MAX 16 /* extents that an owner can empty in a second */
#define STALL_SLOPE 8.0 /* share of time that tasks stall for each share of memory that is missing */
#define STALL_MAX 0.6
#define AVG10_STEP 0.095 /* 1 - e^(-1/10) */

static uint16_t *leases_of(const struct cluster *c, unsigned int owner, unsigned int donor)
{
	return &c->leases[(size_t)owner * c->len + donor];
}

uint64_t cluster_could_lend(const struct node *node)
{
	uint64_t lent = node->lent * EXTENT;

	if (!node->up || node->leased)
		return 0;
	return node->decision.limit > lent ? node->decision.limit : lent;
}

/* ---- Nodes come and go ---- */

static void come(struct cluster *c, struct node *node, bool owner)
{
	uint64_t ram = node->ram;

	if (!ram)
		ram = c->unequal ? RAM_LEAST << load_random(NULL) % (RAM_STEPS + 1) : RAM;
	*node = (struct node){ .up = true, .ram = ram };
	load_begin(&node->load, owner);
	c->joins++;
}

static void go(struct cluster *c, unsigned int i)
{
	struct node *node = &c->nodes[i];

	for (unsigned int j = 0; j < c->len; j++) {
		uint16_t *given = leases_of(c, j, i), *taken = leases_of(c, i, j);

		c->nodes[j].leased -= *given;
		c->nodes[j].lent -= *taken;
		c->lost += *given;
		*given = *taken = 0;
	}
	node->up = false;
	node->lent = node->leased = 0;
	node->back_at = c->now + AWAY_SECONDS;
	c->deaths++;
}

static bool is_owner(const struct cluster *c, unsigned int i)
{
	return i < c->len * OWNER_SHARE || i == 0;
}

static void come_and_go(struct cluster *c)
{
	for (unsigned int i = 0; i < c->len; i++) {
		struct node *node = &c->nodes[i];

		if (!node->up && c->now >= node->back_at)
			come(c, node, is_owner(c, i));
		else if (node->up && !c->calm && load_uniform() < DEATH_CHANCE)
			go(c, i);
	}
}

/* ---- Memory ---- */

/* What the node's memory is like, and for how long tasks waited for it. */
static struct lend_reading read_node(struct cluster *c, struct node *node)
{
	uint64_t away = node->leased * EXTENT, here, used, missing = 0;
	struct lend_reading reading = {
		.now_ms = c->now * 1000ULL,
		.total = node->ram,
		.lent = node->lent * EXTENT,
		.borrowing = node->leased,
		.psi = true,
	};
	double stall;

	node->needs = load_at(&node->load, c->now, c->calm) * node->ram;
	here = node->needs > away ? node->needs - away : 0;
	used = here + reading.lent;
	if (used > node->ram)
		missing = used - node->ram;
	else
		reading.available = node->ram - used;
	stall = STALL_SLOPE * missing / node->ram;
	if (stall > STALL_MAX)
		stall = STALL_MAX;
	node->psi_total_us += stall * 1000000;
	node->psi_avg10 += (stall - node->psi_avg10) * AVG10_STEP;
	reading.psi_total_us = node->psi_total_us;
	reading.psi_avg10 = node->psi_avg10 * 10000;
	return reading;
}

static void want(struct node *node)
{
	double local = LOCAL_SHARE * node->ram;
	uint64_t need = node->needs > local ? (node->needs - local) / EXTENT : 0;

	node->wanted = need ? need + need / AHEAD_SHARE + SPARE_MIN / 2 : 0;
}

static void note_revocation(struct cluster *c, struct node *node)
{
	if (node->decision.revoke && !node->revoking_since)
		node->revoking_since = c->now;
	if (node->decision.revoke || !node->revoking_since)
		return;
	if (c->give_back_len < c->give_back_max)
		c->give_back[c->give_back_len++] = c->now - node->revoking_since;
	node->revoking_since = 0;
}

static void decide(struct cluster *c, struct node *node)
{
	static const struct lend_settings settings = { .most = LEND_POLICY_ALL, .extent_size = EXTENT };
	struct lend_reading reading = read_node(c, node);

	node->decision = lend_policy_decide(&node->policy, &settings, &reading);
	want(node);
	note_revocation(c, node);
}

/* A new second begins. */
static void advertise(struct node *node)
{
	uint64_t lent = node->lent * EXTENT;

	node->emptied = 0;
	node->told_borrowing = node->leased;
	node->told_lent = lent;
	node->told_free = !node->leased && node->decision.limit > lent ? node->decision.limit - lent : 0;
}

/* ---- Leases ---- */

static void end_leases(struct cluster *c, unsigned int owner, unsigned int donor, uint32_t count)
{
	*leases_of(c, owner, donor) -= count;
	c->nodes[owner].leased -= count;
	c->nodes[donor].lent -= count;
}

/* The donor answers a request by what is true now, not by what it advertised. */
static void ask(struct cluster *c, unsigned int owner, unsigned int donor, uint32_t count)
{
	struct node *node = &c->nodes[donor];
	uint64_t lent = node->lent * EXTENT, room = 0;

	if (node->up && !node->leased && node->decision.limit > lent)
		room = (node->decision.limit - lent) / EXTENT;
	if (!room)
		c->rest[(size_t)owner * c->len + donor] = c->now + REST_SECONDS;
	if (count > room)
		count = room;
	*leases_of(c, owner, donor) += count;
	c->nodes[owner].leased += count;
	node->lent += count;
	c->made += count;
}

static struct placement_donor as_donor(const struct cluster *c, unsigned int owner, unsigned int donor)
{
	const struct node *node = &c->nodes[donor];

	return (struct placement_donor){
		.node = donor,
		.free = node->told_free,
		.lent = node->told_lent,
		.have = *leases_of(c, owner, donor) * EXTENT,
		.most = ASK_MAX,
		.weight = 10,
	};
}

static unsigned int candidates(const struct cluster *c, unsigned int owner, struct placement_donor *donors)
{
	unsigned int len = 0;

	for (unsigned int i = 0; i < c->len; i++) {
		const struct node *node = &c->nodes[i];

		if (i == owner || !node->up || node->told_borrowing || node->told_free < EXTENT ||
		    c->rest[(size_t)owner * c->len + i] > c->now)
			continue;
		donors[len++] = as_donor(c, owner, i);
	}
	return len;
}

static void borrow(struct cluster *c, unsigned int owner, struct placement_donor *donors)
{
	uint32_t missing = c->nodes[owner].wanted - c->nodes[owner].leased;
	unsigned int len = candidates(c, owner, donors);

	placement_choose(donors, len, missing, EXTENT, load_random, NULL);
	for (unsigned int i = 0; i < len; i++)
		if (donors[i].extents)
			ask(c, owner, donors[i].node, donors[i].extents);
}

/* The donors that the owner has leases of; which of them could be given back is taken to be any. */
static unsigned int creditors(const struct cluster *c, unsigned int owner, struct placement_donor *donors)
{
	unsigned int len = 0;

	for (unsigned int i = 0; i < c->len; i++) {
		uint16_t has = *leases_of(c, owner, i);

		if (has)
			donors[len++] = as_donor(c, owner, i);
	}
	return len;
}

static void return_some(struct cluster *c, unsigned int owner, struct placement_donor *donors)
{
	struct placement_donor *donor;
	struct node *node = &c->nodes[owner];
	uint32_t spare = node->wanted / 2 + SPARE_MIN, count;

	if (node->leased <= node->wanted + spare) {
		node->spare_since = 0;
		return;
	}
	if (!node->spare_since)
		node->spare_since = c->now;
	if (c->now - node->spare_since < SPARE_SECONDS)
		return;
	count = node->leased - node->wanted - spare;
	if (count > RETURN_MAX)
		count = RETURN_MAX;
	donor = placement_give_back(donors, creditors(c, owner, donors), EXTENT, load_random, NULL);
	if (donor)
		end_leases(c, owner, donor->node, donor->have / EXTENT < count ? donor->have / EXTENT : count);
}

/* Asks owners, in turn from a random one on, for what is wanted back; each empties as much as it can. */
static void revoke(struct cluster *c, unsigned int donor)
{
	uint32_t left = (c->nodes[donor].decision.revoke + EXTENT - 1) / EXTENT;
	unsigned int from = load_random(NULL) % c->len;

	for (unsigned int i = 0; i < c->len && left; i++) {
		unsigned int owner = (from + i) % c->len;
		uint32_t has = *leases_of(c, owner, donor), count = has < left ? has : left;

		if (count > EMPTY_MAX - c->nodes[owner].emptied)
			count = EMPTY_MAX - c->nodes[owner].emptied;
		if (!count)
			continue;
		c->nodes[owner].emptied += count;
		end_leases(c, owner, donor, count);
		c->rest[(size_t)owner * c->len + donor] = c->now + REST_SECONDS;
		c->moved += count;
		left -= count;
	}
}

/* ---- A second ---- */

static void shuffle(struct cluster *c)
{
	for (unsigned int i = c->len - 1; i; i--) {
		unsigned int j = load_random(NULL) % (i + 1), other = c->order[i];

		c->order[i] = c->order[j];
		c->order[j] = other;
	}
}

void cluster_tick(struct cluster *c)
{
	struct placement_donor *donors = malloc(c->len * sizeof(*donors));

	if (!donors)
		abort();
	c->now++;
	come_and_go(c);
	shuffle(c);
	for (unsigned int i = 0; i < c->len; i++)
		if (c->nodes[i].up)
			advertise(&c->nodes[i]);
	for (unsigned int i = 0; i < c->len; i++) {
		unsigned int number = c->order[i];
		struct node *node = &c->nodes[number];

		if (!node->up)
			continue;
		decide(c, node);
		if (node->decision.revoke)
			revoke(c, number);
		if (node->wanted > node->leased)
			borrow(c, number, donors);
		else
			return_some(c, number, donors);
	}
	free(donors);
}

struct cluster *cluster_new(unsigned int len, bool unequal)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->len = len;
	c->unequal = unequal;
	c->nodes = calloc(len, sizeof(*c->nodes));
	c->leases = calloc((size_t)len * len, sizeof(*c->leases));
	c->rest = calloc((size_t)len * len, sizeof(*c->rest));
	c->order = calloc(len, sizeof(*c->order));
	c->give_back_max = 1 << 20;
	c->give_back = calloc(c->give_back_max, sizeof(*c->give_back));
	if (!c->nodes || !c->leases || !c->rest || !c->order || !c->give_back) {
		cluster_free(c);
		return NULL;
	}
	for (unsigned int i = 0; i < len; i++) {
		c->order[i] = i;
		c->nodes[i].back_at = load_uniform() < LATE_SHARE ? 1 + LATE_SECONDS * load_uniform() : 0;
	}
	return c;
}

void cluster_free(struct cluster *c)
{
	free(c->nodes);
	free(c->leases);
	free(c->rest);
	free(c->order);
	free(c->give_back);
	free(c);
}
