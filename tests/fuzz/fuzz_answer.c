// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_answer - libFuzzer target: what a hostile donor can answer the module: the real index, fetches, requests, deadlines
 * and connections, over wires whose other end is the input.
 *
 * Input: flags, then a sequence of steps. Pages are stored, sent, loaded, brought home and freed; connections come and end;
 * time goes by; memory runs out. A donor answers what it was asked in any order, twice or never, after the truth was altered,
 * cut, exchanged with other pages or with older ones; or sends what was never asked for. There may be a second donor, which
 * lends by itself or has copies of what the first has, so that it is asked as well when that is slow.
 *
 * A load ends once, and well only with the bytes that were stored last. In the end nothing is left of any page, request
 * or connection.
 */
#include <linux/err.h>
#include <linux/kthread.h>

/* There are no threads: the fuzzer itself does what they would. */
#define kthread_create(function, data, ...) ((void)(function), (struct task_struct *)(data))
#define wake_up_process(task) ((void)(task))
#define kthread_stop(task) ((void)(task))
#define kthread_should_stop() true
#include "kernel/ramster/conn.c"

#include "deadline.h"
#include "extent.h"
#include "fetch.h"
#include "nodemanager.h"
#include "node.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/batch.h"
#include "tests/unit/pages.h"
#include "tmem.h"
#include "zcache.h"

#define FLAG_SECOND 1
#define FLAG_COPIES 2
#define DONORS 2
#define EXTENTS 2 /* of a donor */
#define WIRES 6 /* in the life of one input */
#define ASKED 64 /* requests that the donor remembers, of a wire */
#define PAGES 64
#define SEEDS 3
#define LOADS 32
#define STEPS 256

enum step {
	STEP_STORE,
	STEP_SEND,
	STEP_LOAD,
	STEP_ANSWER,
	STEP_RAW,
	STEP_CONNECT,
	STEP_BREAK,
	STEP_TIME,
	STEP_FREE,
	STEP_DROP,
	STEP_AWAY,
	STEP_KEEP,
	STEPS_OFTEN,
	STEP_HOME = STEPS_OFTEN,
	STEP_MEMORY,
	STEPS_NR
};
#define STEP_SELDOM 0xf0 /* and more: one of those after STEPS_OFTEN */

/* How an answer differs from an honest one. */
#define ANSWER_OLD 1 /* bytes as they were before they were written last */
#define ANSWER_EXCHANGED 2 /* each item has the next one's bytes */
#define ANSWER_KEPT 4 /* the request can be answered again */
#define ANSWER_CUT 8
#define ANSWER_REFUSED 16 /* some items, with any status */
#define ANSWER_ALTERED 32

struct asked {
	struct r2net_hdr hdr;
	struct r2net_item items[R2NET_MAX_ITEMS];
};

/* The donor's end. */
struct wire {
	struct sock sk;
	struct socket sock;
	struct r2net_conn *conn; /* NULL: ended */
	struct donor *donor;
	bool broken; /* sending fails */
	struct asked asked[ASKED];
	unsigned int nr_asked;
	u8 in[R2NET_MAX_LENGTH + sizeof(struct r2net_hdr)]; /* on its way to the module */
	size_t len, at;
};

struct nodemanager_node {
	u32 number;
};

static struct donor {
	struct nodemanager_node node;
	struct r2net_peer *peer;
	u8 memory[EXTENTS][R2NET_EXTENT_MIN], before[EXTENTS][R2NET_EXTENT_MIN];
} donors[DONORS] = { { .node = { 2 } }, { .node = { 3 } } };
static unsigned int nr_donors;

struct load {
	struct tmem_load load;
	struct page page;
	unsigned int done;
	bool begun;
};

static struct wire wires[WIRES];
static unsigned int nr_wires;
static struct page pages[NR_PAGE_KINDS][SEEDS];
static const struct page *stored[PAGES]; /* what a load has to bring; NULL: nothing is stored */
static struct load loads[LOADS];
static unsigned int nr_loads;
static struct tmem_pool *pool;

/* ---- What surrounds the module's files ---- */

void netlink_event_need(u64 bytes)
{
}

void netlink_event_vacated(void)
{
}

void netlink_event_peer(u32 node, enum ramster_nl_peer_state state)
{
}

void netlink_event_lost(u32 node, u64 lost)
{
}

void netlink_event_conn_down(u32 node, u32 number)
{
	wires[number - 1].conn = NULL;
}

u32 nodemanager_number(const struct nodemanager_node *node)
{
	return node->number;
}

void nodemanager_put(struct nodemanager_node *node)
{
}

struct socket *sockfd_lookup(int fd, int *err)
{
	return &wires[fd].sock;
}

void sockfd_put(struct socket *sock)
{
}

int kernel_sock_shutdown(struct socket *sock, int how)
{
	return 0;
}

static struct wire *wire_of(struct socket *sock)
{
	return container_of(sock, struct wire, sock);
}

static u8 *item_bytes(u8 from[EXTENTS][R2NET_EXTENT_MIN], const struct r2net_item *item)
{
	u32 extent = le32_to_cpu(item->extent), offset = le32_to_cpu(item->offset);

	check(r2net_item_valid(item) && extent >= 1 && extent <= EXTENTS);
	check(offset <= R2NET_EXTENT_MIN - le32_to_cpu(item->length));
	return from[extent - 1] + offset;
}

/* The module has sent a request: as any lender it demands that it is well formed. */
int sock_sendmsg(struct socket *sock, struct msghdr *msg)
{
	struct wire *wire = wire_of(sock);
	const struct kvec *vec = msg->msg_iter.vec;
	const u8 *payload = vec[2].iov_base;
	struct asked asked;
	unsigned int i;

	if (wire->broken)
		return -EPIPE;
	asked.hdr = *(struct r2net_hdr *)vec[0].iov_base;
	check(r2net_request_valid(&asked.hdr, wire->conn->role));
	check(le32_to_cpu(asked.hdr.length) == vec[1].iov_len + vec[2].iov_len);
	if (vec[1].iov_len)
		memcpy(asked.items, vec[1].iov_base, vec[1].iov_len);
	for (i = 0; i < le16_to_cpu(asked.hdr.items); i++) {
		u32 length = le32_to_cpu(asked.items[i].length);
		u8 *there = item_bytes(wire->donor->memory, &asked.items[i]);

		if (asked.hdr.type != R2NET_WRITE)
			continue;
		memcpy(item_bytes(wire->donor->before, &asked.items[i]), there, length);
		memcpy(there, payload, length);
		payload += length;
	}
	if (wire->nr_asked < ASKED)
		wire->asked[wire->nr_asked++] = asked;
	return vec[0].iov_len + vec[1].iov_len + vec[2].iov_len;
}

int kernel_recvmsg(struct socket *sock, struct msghdr *msg, struct kvec *vec, size_t nr, size_t len, int flags)
{
	struct wire *wire = wire_of(sock);
	size_t got = min(len, wire->len - wire->at);

	memcpy(vec->iov_base, wire->in + wire->at, got);
	wire->at += got;
	return got;
}

/* ---- The connections' threads ---- */

static void send_all(struct wire *wire)
{
	struct r2net_request *req;
	int err;

	while (wire->conn && !wire->conn->failed && (req = conn_next(wire->conn))) {
		err = conn_send(wire->conn, req);
		r2net_request_put(req);
		if (err)
			conn_fail(wire->conn, "sending failed", err);
	}
}

static void receive_all(struct wire *wire)
{
	int err;

	while (wire->conn && !wire->conn->failed && wire->at < wire->len) {
		err = conn_recv_answer(wire->conn);
		if (err)
			conn_fail(wire->conn, err == -EBADMSG ? "malformed answer" : "receiving failed", err);
	}
	wire->len = 0;
	wire->at = 0;
}

static void run(void)
{
	unsigned int i;

	do {
		for (i = 0; i < nr_wires; i++)
			send_all(&wires[i]);
	} while (shim_run_work());
}

/* ---- Answers ---- */

/* What an honest lender answers, but for @how. Returns the frame's length. */
static size_t make_answer(struct input *in, struct donor *donor, const struct asked *asked, unsigned int how, u8 *frame)
{
	unsigned int items = max(1, le16_to_cpu(asked->hdr.items)), i;
	struct r2net_result results[R2NET_MAX_ITEMS] = { 0 };
	u8 *payload = frame + sizeof(asked->hdr) + items * sizeof(*results);
	struct r2net_hdr hdr = asked->hdr;

	for (i = 0; i < items; i++) {
		if (how & ANSWER_REFUSED)
			results[i].status = cpu_to_le32(take_u8(in) % 8);
		if (asked->hdr.type != R2NET_READ || results[i].status)
			continue;
		results[i].length = asked->items[i].length;
		memcpy(payload,
		       item_bytes(how & ANSWER_OLD ? donor->before : donor->memory,
				  &asked->items[how & ANSWER_EXCHANGED ? (i + 1) % items : i]),
		       le32_to_cpu(asked->items[how & ANSWER_EXCHANGED ? (i + 1) % items : i].length));
		payload += le32_to_cpu(results[i].length);
	}
	hdr.type = R2NET_ANSWER;
	hdr.items = cpu_to_le16(items);
	hdr.length = cpu_to_le32(payload - frame - sizeof(hdr));
	memcpy(frame, &hdr, sizeof(hdr));
	memcpy(frame + sizeof(hdr), results, items * sizeof(*results));
	return payload - frame;
}

static void answer(struct input *in, struct wire *wire)
{
	static u8 frame[sizeof(wire->in) + R2NET_MAX_ITEM_LEN];
	unsigned int n = take_u8(in), how = take_u8(in), i, altered;
	size_t len;

	if (!wire->nr_asked)
		return;
	n %= wire->nr_asked;
	len = make_answer(in, wire->donor, &wire->asked[n], how, frame);
	for (altered = how & ANSWER_ALTERED ? 1 + take_u8(in) % 8 : 0; altered; altered--) {
		i = take_u16(in) % len;
		frame[i] ^= take_u8(in);
	}
	if (how & ANSWER_CUT)
		len = take_u16(in) % len;
	if (!(how & ANSWER_KEPT))
		wire->asked[n] = wire->asked[--wire->nr_asked];
	memcpy(wire->in, frame, len);
	wire->len = len;
	receive_all(wire);
}

static void raw(struct input *in, struct wire *wire)
{
	size_t got;
	const u8 *bytes = take(in, take_u8(in), &got);

	memcpy(wire->in, bytes, got);
	wire->len = got;
	receive_all(wire);
}

/* ---- The node ---- */

static void connect_wire(struct input *in)
{
	unsigned int what = take_u8(in);
	enum r2net_role role = what & 1 ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA;
	u32 window = 1 + (31 ^ take_u8(in)) % R2NET_MAX_WINDOW;
	struct donor *donor = &donors[what / 2 % nr_donors];
	struct wire *wire = &wires[nr_wires];
	struct r2net_conn *conn;
	const char *text;

	if (nr_wires == WIRES)
		return;
	wire->sk = (struct sock){ .sk_family = AF_INET, .sk_protocol = IPPROTO_TCP, .sk_state = TCP_ESTABLISHED };
	wire->sock = (struct socket){ .type = SOCK_STREAM, .sk = &wire->sk };
	wire->conn = NULL;
	wire->donor = donor;
	wire->broken = false;
	wire->nr_asked = 0;
	if (r2net_conn_add(donor->peer, nr_wires + 1, role, window, nr_wires, &text))
		return;
	nr_wires++;
	list_for_each_entry(conn, &donor->peer->conns, link)
		if (conn->number == nr_wires)
			wire->conn = conn;
}

/* A page that a load may still be written to, or that it brings, is not changed: front ends see to that. */
static bool busy(unsigned int index)
{
	unsigned int i;

	for (i = 0; i < nr_loads; i++)
		if (loads[i].load.index == index && !loads[i].done)
			return true;
	return false;
}

static void store(struct input *in)
{
	unsigned int index = take_u8(in) % PAGES, what = take_u8(in);
	struct page *page = &pages[what % NR_PAGE_KINDS][what / NR_PAGE_KINDS % SEEDS];

	if (!busy(index) && !tmem_store(pool, index, page, false))
		stored[index] = page;
}

static void load_done(struct tmem_load *tmem, int err)
{
	struct load *load = container_of(tmem, struct load, load);
	const struct page *right = stored[tmem->index];

	check(!load->done++);
	check(err == 0 || err == -ENOENT || err == -EIO);
	check(err != -ENOENT || !right);
	if (!err)
		check(right && !memcmp(&load->page, right, sizeof(*right)));
}

static void load(struct input *in)
{
	struct load *load = &loads[nr_loads];
	unsigned int index = take_u8(in);

	if (nr_loads == LOADS)
		return;
	nr_loads++;
	load->done = 0;
	memset(&load->page, 0x5a, sizeof(load->page));
	load->load = (struct tmem_load){ .pool = pool,
					 .index = index % PAGES,
					 .page = &load->page,
					 .patient = index & 0x80,
					 .start = ktime_get(),
					 .done = load_done };
	tmem_load(&load->load);
}

static void free_page_at(struct input *in)
{
	unsigned int index = take_u8(in) % PAGES;

	if (busy(index))
		return;
	check(tmem_invalidate(pool, index) == (stored[index] != NULL));
	stored[index] = NULL;
}

static void home(struct input *in)
{
	unsigned int from = take_u8(in), nr = 1 + from / PAGES * 8, i;
	u32 indices[32];

	for (i = 0; i < nr; i++)
		indices[i] = (from + i) % PAGES;
	fetch_home(pool, indices, nr, FETCH_HOME);
	check(fetch_home_wait(FETCH_HOME, UINT_MAX, 0));
}

static struct r2net_peer *some_peer(struct input *in)
{
	return donors[nr_donors > 1 ? take_u8(in) % nr_donors : 0].peer;
}

static void drop_clean(void)
{
	struct zpage *zpage;

	while ((zpage = zcache_take_clean()))
		tmem_drop_clean(zpage);
}

static void wire_step(struct input *in, enum step what)
{
	struct wire *wire = &wires[take_u8(in) % max(1U, nr_wires)];

	if (!wire->conn)
		return;
	if (what == STEP_ANSWER)
		answer(in, wire);
	else if (what == STEP_RAW)
		raw(in, wire);
	else
		wire->broken = true;
}

static void step(struct input *in)
{
	unsigned int byte = take_u8(in);
	enum step what = byte % STEPS_OFTEN;

	if (byte >= STEP_SELDOM)
		what = STEPS_OFTEN + byte % (STEPS_NR - STEPS_OFTEN);
	switch (what) {
	case STEP_STORE:
		store(in);
		break;
	case STEP_SEND:
		batch_send(1 + take_u8(in) % BATCH_MAX);
		break;
	case STEP_LOAD:
		load(in);
		break;
	case STEP_CONNECT:
		connect_wire(in);
		break;
	case STEP_TIME:
		shim_let_pass(take_u16(in));
		break;
	case STEP_FREE:
		free_page_at(in);
		break;
	case STEP_DROP:
		drop_clean();
		break;
	case STEP_AWAY:
		deadline_away(some_peer(in));
		break;
	case STEP_KEEP:
		lease_keep(some_peer(in), take_u8(in) % 3);
		lease_mark();
		break;
	case STEP_HOME:
		home(in);
		break;
	case STEP_MEMORY:
		shim_fail_allocation(1 + take_u8(in) % 16);
		break;
	default:
		wire_step(in, what);
	}
	run();
}

static void start(void)
{
	unsigned int kind, seed;

	node_up("zbud", "lzo");
	extent_exit(); /* what is kept in reserve there would look like a leak */
	for (kind = 0; kind < NR_PAGE_KINDS; kind++)
		for (seed = 0; seed < SEEDS; seed++)
			page_make(&pages[kind][seed], kind, seed);
}

static void donor_up(struct donor *donor)
{
	static const struct ramster_nl_lease leases[EXTENTS] = { { 1, 1 }, { 2, 1 } };

	r2net_peers_lock();
	check(!r2net_peer_set(&donor->node, 7, 3000, 30000));
	donor->peer = r2net_peer_find(donor->node.number, 7);
	r2net_peers_unlock();
	check(donor->peer);
	connect_wire(&(struct input){ (const u8[]){ 2 * (donor - donors) }, 1 }); /* extents are of peers that are up */
	check(!lease_add(donor->peer, R2NET_EXTENT_MIN, leases, EXTENTS));
}

static void set_up(unsigned int flags)
{
	unsigned int i;

	nr_wires = 0;
	nr_loads = 0;
	memset(stored, 0, sizeof(stored));
	check(!extent_init());
	extent_set_copies(flags & FLAG_SECOND && flags & FLAG_COPIES ? 2 : 1);
	pool = tmem_pool_new();
	check(pool);
	nr_donors = flags & FLAG_SECOND ? 2 : 1;
	for (i = 0; i < nr_donors; i++)
		donor_up(&donors[i]);
}

static void tear_down(long allocated)
{
	unsigned int i;

	shim_fail_allocation(0);
	/* As main.c does it: no front end, no pool, no peer. Loads that wait end with their peer. */
	r2net_peers_lock();
	for (i = 0; i < nr_donors; i++)
		r2net_peer_dead(donors[i].peer);
	r2net_peers_unlock();
	run();
	for (i = 0; i < nr_loads; i++)
		check(loads[i].done == 1);
	tmem_pool_destroy(pool);
	r2net_stop();
	shim_let_pass(0);
	check(!extent_pages() && !extent_used_bytes());
	check(!zcache_pages() && !zcache_clean_pages() && !zcache_zpage_bytes() && !tmem_same_pages());
	extent_exit();
	check(shim_allocated() == allocated);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input in = { input, size };
	unsigned int steps;
	long allocated;

	if (!stored[0] && !pages[PAGE_TEXT][0].bytes[0])
		start();
	allocated = shim_allocated();
	set_up(take_u8(&in));
	for (steps = 0; in.len && steps < STEPS; steps++)
		step(&in);
	tear_down(allocated);
	return 0;
}
