// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_door - libFuzzer target: the packets of the lender's side door, as root or the lender's own user could send them.
 *
 * Input: a sequence of packets. Each is answered once, by what proto/lender.h says of it: nothing out of range is done, no
 * more is lent than the limit and the owner's quota allow, each lease that is told of is whole, and each owner has the bandwidth
 * that was said last.
 */
#include <errno.h>

#include "daemon/lender/door.c"
#include "daemon/lender/lent.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memsocket.h"

#define EXTENT R2NET_EXTENT_MIN
#define LEND (4ULL * EXTENT)
#define PACKETS 8

/* Nobody looks at what is lent. */
uint8_t *lent_new(uint32_t id, size_t size)
{
	static uint8_t nothing;

	return &nothing;
}

uint8_t *lent_again(uint32_t id, size_t size)
{
	return NULL;
}

void lent_free(uint32_t id, uint8_t *memory, size_t size)
{
}

void lent_init(int fd)
{
}

/* What was asked, and what the lender has said. */
static struct input *door_in;
static unsigned int packets, answers;
static struct lender_request asked;
static bool asked_whole;
static struct lender_lease given[LENDER_MAX_LEASES]; /* some that are in force, or were */
static unsigned int given_len;
static uint64_t door_limit;
static uint64_t bandwidths[R2NET_MAX_NODES];
static bool limited; /* any of them is not 0 */

/* As ramsterd sends them, or whatever the input has. */
static void make_request(struct input *in, struct lender_request *rq)
{
	unsigned int what = take_u8(in), size;

	*rq = (struct lender_request){ .protocol = LENDER_PROTOCOL, .command = what % (LENDER_OWNERS + 2) };
	rq->owner = take_u8(in) % 4;
	rq->count = take_u8(in) % (LENDER_MAX_LEASES + 2);
	rq->instance = take_u8(in) % 3;
	rq->limit = take_u8(in) % 64 * (uint64_t)EXTENT;
	size = take_u8(in);
	rq->extent_size = size % 40 * EXTENT + (size >= 240 ? 4096 : 0);
	rq->cursor = take_u8(in);
	for (unsigned int i = 0; i < rq->count && i < LENDER_MAX_LEASES && rq->command == LENDER_RELEASE; i++) {
		rq->leases[i] = (struct lender_lease){ .extent = 1, .generation = 1 };
		if (given_len)
			rq->leases[i] = given[take_u8(in) % given_len];
	}
	if (what & 0x80)
		take_spoil(in, rq, sizeof(*rq));
	if (what & 0x40)
		take_spoil(in, rq->leases, sizeof(rq->leases));
}

static ssize_t door_recv(struct memsocket *sock, void *bytes, size_t len, int flags)
{
	size_t packet = sizeof(asked);

	check(len == sizeof(asked) && packets == answers);
	if (!door_in->len || packets == PACKETS)
		return 0;
	packets++;
	make_request(door_in, &asked);
	if (take_u8(door_in) == 0xff)
		packet = 1 + take_u16(door_in) % (2 * sizeof(asked));
	asked_whole = packet == sizeof(asked);
	memcpy(bytes, &asked, packet < len ? packet : len);
	return packet; /* as MSG_TRUNC wants it */
}

/* Each lease that the lender says to be in force is whole. */
static void check_leases(const struct lender_reply *reply)
{
	check(reply->count <= LENDER_MAX_LEASES);
	for (unsigned int i = 0; i < reply->count; i++) {
		const struct lender_lease *l = &reply->leases[i];

		check(l->extent && l->extent < EXTENT_IDS && l->generation && l->instance &&
		      l->owner < R2NET_MAX_NODES);
		check(l->size >= R2NET_EXTENT_MIN && l->size <= R2NET_EXTENT_MAX && l->size % R2NET_EXTENT_MIN == 0);
		if (asked.command == LENDER_LEASE)
			check(l->owner == asked.owner && l->instance == asked.instance && l->size == asked.extent_size);
		if (given_len < LENDER_MAX_LEASES)
			given[given_len++] = *l;
	}
}

static void check_owners(const struct lender_reply *reply)
{
	check(reply->count <= LENDER_MAX_OWNERS && (!reply->cursor || reply->cursor > asked.cursor));
	for (unsigned int i = 0; i < reply->count; i++) {
		const struct lender_owner *o = &reply->owners[i];

		check(o->owner >= asked.cursor && o->owner < R2NET_MAX_NODES);
		check(!i || o->owner > o[-1].owner);
		check(o->bandwidth == bandwidths[o->owner]);
		check(!o->connections && !o->frames && !o->refused);
	}
}

static void note_bandwidth(void)
{
	bandwidths[asked.owner] = asked.limit;
	limited |= asked.limit != 0;
}

static void lift_bandwidths(void)
{
	for (unsigned int i = 0; limited && i < R2NET_MAX_NODES; i++)
		account_bandwidth(i, bandwidths[i] = 0);
	limited = false;
}

/* Whether the lender may do it, by proto/lender.h. */
static bool may_do(const struct lender_request *rq)
{
	bool owner = rq->owner < R2NET_MAX_NODES && rq->instance;
	bool count = rq->count - 1 < LENDER_MAX_LEASES;

	if (!asked_whole || rq->protocol != LENDER_PROTOCOL || rq->command - 1 >= LENDER_OWNERS)
		return false;
	if (rq->command == LENDER_LIST)
		return rq->cursor < EXTENT_IDS;
	if (rq->command == LENDER_OWNERS)
		return rq->cursor < R2NET_MAX_NODES;
	if (rq->command == LENDER_BANDWIDTH)
		return rq->owner < R2NET_MAX_NODES && (!rq->limit || rq->limit >= LENDER_MIN_BANDWIDTH);
	if (rq->command == LENDER_STATUS || rq->command == LENDER_LIMIT)
		return true;
	if (rq->command == LENDER_ADMIT || rq->command == LENDER_EXPEL)
		return owner;
	if (rq->command == LENDER_RELEASE)
		return owner && count;
	return owner && count && rq->extent_size && rq->extent_size <= R2NET_EXTENT_MAX &&
	       rq->extent_size % R2NET_EXTENT_MIN == 0;
}

static ssize_t door_send(struct memsocket *sock, const void *bytes, size_t len)
{
	struct lender_reply reply;

	check(len == sizeof(reply) && ++answers == packets);
	memcpy(&reply, bytes, sizeof(reply));
	check(reply.error == 0 || reply.error == -EINVAL || reply.error == -ENOMEM || reply.error == -EDQUOT);
	check((reply.error == -EINVAL) == !may_do(&asked));
	check(reply.status.lent % EXTENT == 0 && !reply.status.lent == !reply.status.extents);
	if (reply.error)
		return len;
	if (asked.command == LENDER_LIMIT)
		door_limit = asked.limit;
	check(reply.status.limit == door_limit);
	if (asked.command == LENDER_LEASE) {
		check(asked.count && asked.count <= LENDER_MAX_LEASES && reply.count <= asked.count);
		check(!reply.count || reply.status.lent <= door_limit);
		check(!reply.count || !asked.limit || reply.held * (uint64_t)EXTENT <= asked.limit);
	}
	check(asked.command != LENDER_EXPEL || reply.count <= LENDER_TURN_LEASES);
	if (asked.command == LENDER_LEASE || asked.command == LENDER_LIST)
		check_leases(&reply);
	if (asked.command == LENDER_BANDWIDTH)
		note_bandwidth();
	if (asked.command == LENDER_OWNERS)
		check_owners(&reply);
	return len;
}

static void serve(struct input *in)
{
	struct memsocket sock = { .recv = door_recv, .send = door_send };

	door_limit = LEND;
	extent_set_limit(door_limit);
	door_in = in;
	packets = answers = given_len = 0;
	atomic_store(&clients, 1);
	door_thread((void *)(intptr_t)memsocket_open(&sock));
	check(packets == answers && !memsocket_count());
	lift_bandwidths();
	/* Spoiled packets may be of other owners and instances. */
	for (unsigned int cursor = 0, i; (i = extent_list(&cursor, given, LENDER_MAX_LEASES)); cursor = 0)
		while (i--) {
			owner_expel(given[i].owner, given[i].instance);
			lease_end_some(given[i].owner, given[i].instance);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static bool started;

	if (!started) {
		log_set_level(-1);
		owner_init(NULL);
		check(!extent_init(NULL));
		started = true;
	}
	serve(&(struct input){ input, size });
	return 0;
}
