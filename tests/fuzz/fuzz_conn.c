// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_conn - libFuzzer target: a hostile lender answers the module's requests. conn.c, request.c, deadline.c, hedge.c
 * and peer.c are the module's own, over the shim of the unit tests.
 *
 * Input: struct setup; a struct wish for each request that is to be outstanding; then what the lender sends. That goes to
 * one connection until it ends, then to the next. With FLAG_REPAIR it is headers and results alone: each is made into an
 * answer to something that is in flight, right or wrong in one place, and gets its payload, so that the fuzzer is past the
 * header's checks with few bytes.
 *
 * Whatever was sent: each item is told its fate once, and with the bytes that were sent for it if there are any; each
 * request is released once and not touched after that (it is freed memory then); the connection that read a malformed frame
 * ends and no other; nothing stays allocated. The connection's buffer is poisoned for AddressSanitizer but for what came.
 */
#include <sanitizer/asan_interface.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/net.h>
#include <linux/percpu.h>
#include <net/sock.h>

#include "conn.h"
#include "counters.h"
#include "deadline.h"
#include "hedge.h"
#include "move.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"
#include "request.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/stream.h"
#include "tests/fuzz/task.h"

#define NODE 3
#define INSTANCE 5
#define MAX_INPUT (1U << 14)
#define MAX_REQUESTS 80 /* more than a window */
#define LONG 256 /* bytes; what is longer is received in larger pieces */
#define LINKS 3 /* two connections for data, one for control */

#define FLAG_REPAIR 1
#define FLAG_LATE 2 /* the peer is over its deadline before it answers */
#define FLAG_HEDGE 4 /* others are asked before it answers */
#define FLAG_EARLY 8 /* the requests come before the connections */

struct setup {
	u8 flags;
	u8 window;
	u8 requests;
	u8 piece; /* bytes that are received at once: 0 = all */
	u8 unsent; /* sending this one fails; 0 = none */
	u8 failed; /* this allocation fails; 0 = none */
	u8 control; /* the connection for control is the first to read */
	u8 event; /* what happens meanwhile: the peer dies, the monitor runs, others are asked */
	u8 when; /* before this frame; 0 = never */
};

struct wish {
	u8 type; /* and flags */
	u8 nr;
	u8 length[2]; /* of the first item */
	u8 step; /* how much longer each is than the one before it */
};

struct link {
	struct socket sock;
	struct sock sk;
	struct r2net_conn *conn;
	u64 tags[R2NET_MAX_WINDOW]; /* sent last, by slot */
};

/* A request while it is the module's: freed in release(). */
struct asked {
	struct r2net_request req;
	struct r2net_item items[R2NET_MAX_ITEMS];
	unsigned int n;
};

/* What is known of it also then. */
struct fate {
	u64 want; /* items */
	u64 told;
	bool released;
};

DEFINE_PER_CPU(unsigned long[RAMSTER_NR_EVENTS], ramster_events);

static struct setup setup;
static struct link links[LINKS];
static struct link *reading;
static struct asked *asked[MAX_REQUESTS];
static struct fate fates[MAX_REQUESTS];
static unsigned int nr_asked, nr_sent, nr_frames;

/* What the files need of the rest of the module. */
struct nodemanager_node {
	u32 number;
};

static struct nodemanager_node node = { NODE };

u32 nodemanager_number(const struct nodemanager_node *config)
{
	return config->number;
}

void nodemanager_put(struct nodemanager_node *config)
{
}

void lease_space_init(struct lease_space *space)
{
}

void lease_space_read(struct lease_space *space, struct lease_space *copy)
{
	*copy = *space;
}

u64 lease_peer_dead(struct r2net_peer *peer)
{
	return 0;
}

u64 lease_lost(struct lease *lease)
{
	return 0;
}

void move_wake(void)
{
}

void netlink_event_conn_down(u32 number, u32 conn)
{
	might_sleep();
}

void netlink_event_peer(u32 number, enum ramster_nl_peer_state state)
{
	might_sleep();
}

void netlink_event_lost(u32 number, u64 pages)
{
}

static int status_error(u32 status)
{
	switch (status) {
	case R2NET_OK:
		return 0;
	case R2NET_ESTALE:
		return -ESTALE;
	case R2NET_ERANGE:
		return -ERANGE;
	default:
		return -EREMOTEIO;
	}
}

/* What came is what the lender sent for this item of this request. */
static void check_answer(const struct r2net_request *req, unsigned int i, int err, const u8 *bytes)
{
	const u8 *frame = stream.bytes + stream.frame;
	struct r2net_result result;
	struct r2net_hdr hdr;
	size_t at = sizeof(hdr) + req->nr * sizeof(result);
	unsigned int k;

	memcpy(&hdr, frame, sizeof(hdr));
	check(le64_to_cpu(hdr.tag) == req->tag && le16_to_cpu(hdr.items) == req->nr);
	for (k = 0; k <= i; k++) {
		at += k ? le32_to_cpu(result.length) : 0;
		memcpy(&result, frame + sizeof(hdr) + k * sizeof(result), sizeof(result));
	}
	check(err == status_error(le32_to_cpu(result.status)));
	check(result.length == (err || req->type != R2NET_READ ? 0 : req->items[i].length));
	if (!result.length)
		return;
	check(stream.frame + at + le32_to_cpu(result.length) <= stream.at);
	check(!memcmp(bytes, frame + at, le32_to_cpu(result.length)));
}

static void told(struct r2net_request *req, unsigned int i, int err, void *bytes)
{
	struct fate *fate = &fates[container_of(req, struct asked, req)->n];

	might_sleep();
	check(i < req->nr && !(fate->told >> i & 1) && !fate->released);
	fate->told |= BIT_ULL(i);
	if (bytes)
		check_answer(req, i, err, bytes);
	else
		check(err == -EIO || err == -ETIMEDOUT);
}

/* Another peer has the first item; the others it does not answer. */
static bool hedge(struct r2net_request *req, unsigned long waited_us)
{
	if (req->nr % 2)
		return false;
	if (r2net_request_claim(req, 0))
		told(req, 0, -EIO, NULL);
	return true;
}

static void released(struct r2net_request *req)
{
	struct asked *request = container_of(req, struct asked, req);
	struct fate *fate = &fates[request->n];

	might_sleep();
	check(!fate->released && fate->told == fate->want);
	fate->released = true;
	asked[request->n] = NULL;
	kfree(request);
}

static void detached(struct r2net_request *req)
{
	check(req->type != R2NET_READ || !r2net_request_undone(req));
}

static const struct r2net_request_ops ops = { told, detached, hedge, released };

static void request_make(struct asked *request, const struct wish *wish)
{
	static const struct r2net_fence fence;
	static const u8 types[] = { R2NET_READ, R2NET_READ, R2NET_WRITE, R2NET_READ,
				    R2NET_READ, R2NET_READ, R2NET_FENCE, R2NET_PING };
	struct r2net_request *req = &request->req;
	u32 length = wish->length[0] | wish->length[1] << 8, i;

	req->ops = &ops;
	req->type = types[wish->type % ARRAY_SIZE(types)];
	req->patient = wish->type & 8;
	req->bulk = wish->type & 16;
	req->hedge = wish->type & 32 && req->type == R2NET_READ;
	req->nr = 1;
	if (req->type == R2NET_FENCE) {
		req->payload = &fence;
		req->payload_length = sizeof(fence);
	}
	if (req->type != R2NET_READ && req->type != R2NET_WRITE)
		return;
	req->nr = 1 + wish->nr % R2NET_MAX_ITEMS;
	req->items = request->items;
	for (i = 0; i < req->nr; i++, length += wish->step) {
		req->items[i].length = cpu_to_le32(1 + length % R2NET_MAX_ITEM_LEN);
		if (req->type == R2NET_WRITE)
			req->payload_length += 1 + length % R2NET_MAX_ITEM_LEN;
	}
	req->payload = stream_payload;
}

static void submit(struct r2net_peer *peer, const struct wish *wish)
{
	struct asked *request = kzalloc(sizeof(*request), GFP_KERNEL);

	if (!request)
		return;
	request->n = nr_asked;
	request_make(request, wish);
	fates[nr_asked] = (struct fate){ .want = GENMASK(request->req.nr - 1, 0) };
	asked[nr_asked] = request;
	if (r2net_submit(peer, &request->req)) {
		check(!fates[nr_asked].told && !fates[nr_asked].released);
		asked[nr_asked] = NULL;
		kfree(request);
	} else {
		nr_asked++;
	}
}

static int link_send(struct socket *sock, const void *bytes, size_t len)
{
	struct link *link = container_of(sock, struct link, sock);
	struct r2net_hdr hdr;

	memcpy(&hdr, bytes, sizeof(hdr));
	check(r2net_request_valid(&hdr, link->conn->role) && len == sizeof(hdr) + le32_to_cpu(hdr.length));
	link->tags[le64_to_cpu(hdr.tag) % R2NET_MAX_WINDOW] = le64_to_cpu(hdr.tag);
	return ++nr_sent == setup.unsent ? -EPIPE : (int)len;
}

static void ask_others(struct r2net_peer *peer)
{
	unsigned int i;

	for (i = 0; i < nr_asked; i++)
		if (asked[i])
			asked[i]->req.submitted -= HEDGE_AFTER;
	peer->hedge.work.func(&peer->hedge.work);
}

/* What other threads may do at any time. */
static void happen(struct r2net_peer *peer)
{
	switch (setup.event % 3) {
	case 0:
		r2net_peers_lock();
		r2net_peer_dead(peer);
		r2net_peers_unlock();
		break;
	case 1:
		peer->monitor.work.func(&peer->monitor.work);
		break;
	default:
		ask_others(peer);
	}
}

/* A frame begins: what may be sent is sent before it. */
static void next_frame(struct link *link)
{
	struct r2net_hdr hdr;

	if (++nr_frames == setup.when)
		happen(link->conn->peer);
	task_run(link->conn->sender);
	ASAN_POISON_MEMORY_REGION(link->conn->bytes, CONN_CHUNK);
	if (stream.left)
		stream_make(link->conn, link->tags);
	stream.frame = stream.at;
	stream.next = SIZE_MAX;
	if (stream.size - stream.at < sizeof(hdr))
		return;
	memcpy(&hdr, stream.bytes + stream.at, sizeof(hdr));
	stream.next = stream.frame + sizeof(hdr) + le32_to_cpu(hdr.length);
}

static int link_recv(struct socket *sock, void *buf, size_t len)
{
	struct link *link = container_of(sock, struct link, sock);
	size_t offset = (u8 *)buf - (u8 *)link->conn->bytes, got;

	check(link == reading && len);
	if (stream.at == stream.next)
		next_frame(link);
	got = min(len, stream.size - stream.at);
	if (setup.piece)
		got = min(got, (size_t)setup.piece * (len > LONG ? LONG : 1));
	if (offset < CONN_CHUNK) {
		check(len <= CONN_CHUNK - offset);
		ASAN_UNPOISON_MEMORY_REGION(buf, got);
	}
	memcpy(buf, stream.bytes + stream.at, got);
	stream.at += got;
	return got;
}

static void link_add(struct r2net_peer *peer, unsigned int n)
{
	struct link *link = &links[n];
	const char *text;

	*link = (struct link){
		.sock = { .type = SOCK_STREAM, .sk = &link->sk, .send = link_send, .recv = link_recv },
		.sk = { .sk_family = AF_INET, .sk_protocol = IPPROTO_TCP, .sk_state = TCP_ESTABLISHED },
	};
	shim_socket = &link->sock;
	if (!r2net_conn_add(peer, n + 1, n == LINKS - 1 ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA,
			    1 + setup.window % R2NET_MAX_WINDOW, 0, &text))
		link->conn = list_entry(peer->conns.prev, struct r2net_conn, link);
	else
		check(text && shim_allocation_failed() && !link->sock.refs);
}

static void work(struct r2net_peer *peer)
{
	shim_run_work();
	if (setup.flags & FLAG_HEDGE)
		ask_others(peer);
	if (setup.flags & FLAG_LATE || !list_empty(&peer->fencing))
		peer->monitor.work.func(&peer->monitor.work);
	shim_run_work();
}

/* The lender writes to one connection, until that ends. */
static void serve(struct r2net_peer *peer, struct link *link)
{
	unsigned long malformed = ramster_events[COUNT_malformed_answers];
	size_t conns = list_count_nodes(&peer->conns);

	if (!link->sock.refs)
		return;
	reading = link;
	task_run(link->conn->sender);
	stream.next = stream.at;
	task_run(link->conn->receiver);
	check(link->conn->failed);
	check(ramster_events[COUNT_malformed_answers] - malformed <= 1);
	if (!setup.when || nr_frames < setup.when)
		check(peer->state != RAMSTER_PEER_DEAD && list_count_nodes(&peer->conns) == conns - 1);
	ASAN_UNPOISON_MEMORY_REGION(link->conn->bytes, CONN_CHUNK);
	work(peer);
}

static struct r2net_peer *peer_up(void)
{
	unsigned int ms = setup.flags & FLAG_LATE ? 0 : 1000000;
	struct r2net_peer *peer;

	check(!r2net_init());
	shim_fail_allocation(setup.failed);
	r2net_peers_lock();
	peer = r2net_peer_set(&node, INSTANCE, ms, ms) ? NULL : r2net_peer_find(NODE, INSTANCE);
	r2net_peers_unlock();
	return peer;
}

static void answer(struct r2net_peer *peer, const struct wish *wishes)
{
	unsigned int i;

	if (setup.flags & FLAG_EARLY)
		for (i = 0; i < setup.requests; i++)
			submit(peer, &wishes[i]);
	for (i = 0; i < LINKS; i++)
		link_add(peer, i);
	if (!(setup.flags & FLAG_EARLY))
		for (i = 0; i < setup.requests; i++)
			submit(peer, &wishes[i]);
	for (i = 0; i < LINKS; i++)
		if (links[i].sock.refs)
			task_run(links[i].conn->sender);
	work(peer);
	for (i = 0; i < LINKS; i++)
		serve(peer, &links[(i + (setup.control % 2 ? LINKS - 1 : 0)) % LINKS]);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct wish wishes[MAX_REQUESTS];
	struct r2net_peer *peer;
	unsigned int i;

	if (size < sizeof(setup) || size > MAX_INPUT)
		return 0;
	memcpy(&setup, input, sizeof(setup));
	input += sizeof(setup);
	size -= sizeof(setup);
	setup.requests = min(setup.requests % (MAX_REQUESTS + 1), size / sizeof(*wishes));
	memcpy(wishes, input, setup.requests * sizeof(*wishes));
	stream_init(input + setup.requests * sizeof(*wishes), size - setup.requests * sizeof(*wishes),
		    setup.flags & FLAG_REPAIR);
	nr_asked = nr_sent = nr_frames = 0;

	peer = peer_up();
	if (peer)
		answer(peer, wishes);
	shim_fail_allocation(0);
	r2net_stop();
	shim_run_work();
	r2net_exit();
	for (i = 0; i < nr_asked; i++)
		check(fates[i].released);
	for (i = 0; i < LINKS; i++)
		check(!links[i].sock.refs);
	check(!shim_allocated());
	return 0;
}
