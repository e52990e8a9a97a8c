// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_control - libFuzzer target: what the ramsterds of other nodes can say: any bytes on control connections, cut anywhere,
 * into the real framing, peers, leases, donor and revocation.
 *
 * Input: a sequence of steps: connections come and go, bytes or messages arrive, this node's own lender answers, time goes
 * by. This is node 1; node 0 connects to it, and it connects to node 2.
 *
 * This node's lender and module are asked only for what their interfaces allow, whatever the others say; what is kept for a
 * peer is bounded, and so is what is asked of the lender in its name.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "daemon/donor.h"
#include "daemon/frame.h"
#include "daemon/lend.h"
#include "daemon/log.h"
#include "daemon/membership.h"
#include "daemon/peer.h"
#include "daemon/revoke.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/neighbour.h"

#define SELF 1
#define NODES NEIGHBOUR_NODES
#define LENDER 0x101 /* this node's; those of the others come from the input */
#define MODULE 0x201
#define QUESTIONS 2048 /* more than all peers together may have open */
#define QUESTIONS_OF_PEER 256
#define STEPS 200
#define FOUND_MAX (1U << 18)

#define NODE(number)                                                                                                   \
	"node:\nname = n" number "\nnumber = " number "\naddress = 10.0.0.1" number "\nport = 7700\ncluster = demo\n"

enum step {
	STEP_BYTES,
	STEP_MESSAGE,
	STEP_ACCEPT,
	STEP_OPENED,
	STEP_LOST,
	STEP_REPLY,
	STEP_TIME,
	STEP_MEMBER,
	STEP_VIEW,
	STEP_SAY,
	STEP_MODULE,
	STEPS_NR
};

/* One end of a connection; the fuzzer is the other. */
struct transport {
	const struct transport_events *events; /* NULL: closed */
	void *ctx;
};

struct question {
	struct lender_request request;
	sidedoor_reply_fn reply;
	void *ctx;
};

static const char file[] = "cluster:\nname = demo\nextent_size = 2M\n" NODE("0") NODE("1") NODE("2");

static struct ramsterd d;
static struct conf conf;
static struct question questions[QUESTIONS];
static unsigned int questions_len;
static struct transport transports[NODES]; /* by the node at the other end */
static struct control *greeting; /* accepted from node 0, which has said nothing yet */
static struct lender_status lender = { .instance = LENDER, .port = 7701 };
static bool borrowing, send_fails;
static int proven; /* the node that a handshake has proven, or -1 */
static const char *proven_key; /* the id of its key; NULL: there was no handshake */
static struct auth our_auth = { .keys = { .keys = { { .id = "0123abcd" } }, .len = 1 } };

/* ---- What carries connections ---- */

static struct transport *connect_to(uv_loop_t *loop, const struct transport_target *target,
				    const struct transport_events *events, void *ctx, int *error)
{
	check(target->node == 2 && !transports[2].events);
	transports[2] = (struct transport){ .events = events, .ctx = ctx };
	return &transports[2];
}

static struct transport *accept_from(uv_stream_t *listener, const struct auth *auth,
				     const struct transport_events *events, void *ctx)
{
	check(!transports[0].events);
	transports[0] = (struct transport){ .events = events, .ctx = ctx };
	return &transports[0];
}

/* Whatever is sent is a message that the other side takes. */
static int send_bytes(struct transport *transport, const void *bytes, size_t len)
{
	struct frame_reader reader = { .limit = FRAME_LIMIT_PEER };
	Ramster__Message *message;
	const uint8_t *body;

	check(transport->events && !frame_push(&reader, bytes, len));
	check(frame_next(&reader, &body) == (int64_t)len - FRAME_HEADER);
	message = ramster__message__unpack(NULL, len - FRAME_HEADER, body);
	check(message && message->body_case != RAMSTER__MESSAGE__BODY__NOT_SET);
	ramster__message__free_unpacked(message, NULL);
	frame_free(&reader);
	return send_fails ? UV_EPIPE : 0;
}

static void remote(struct transport *transport, struct in_addr *address)
{
	inet_pton(AF_INET, conf.nodes[transport - transports].address, address);
}

static int socket_of(struct transport *transport)
{
	return -1;
}

static int node_of(struct transport *transport)
{
	return proven;
}

static const char *key(struct transport *transport)
{
	return proven_key;
}

static void close_transport(struct transport *transport)
{
	check(transport->events);
	transport->events = NULL;
}

static const struct transport_ops ops = {
	.name = "fuzzer",
	.connect = connect_to,
	.accept = accept_from,
	.send = send_bytes,
	.remote = remote,
	.socket = socket_of,
	.node = node_of,
	.key = key,
	.close = close_transport,
};

/* ---- What surrounds the fuzzed files ---- */

const struct transport_ops *ramsterd_transport(const struct ramsterd *daemon)
{
	return &ops;
}

struct sockaddr_in ramsterd_address(const struct conf_node *node)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(node->port) };

	inet_pton(AF_INET, node->address, &address.sin_addr);
	return address;
}

void ramsterd_random(void *bytes, size_t len)
{
	memset(bytes, 1, len);
}

bool ramsterd_second(const struct ramsterd *daemon, uint64_t *at_ms)
{
	*at_ms = uv_now(NULL);
	return true;
}

void ramsterd_tick_soon(struct ramsterd *daemon)
{
	daemon->soon = true;
}

bool lend_borrowing(const struct ramsterd *daemon)
{
	return borrowing;
}

struct offer lend_offer(const struct ramsterd *daemon)
{
	return (struct offer){ .lender_instance = LENDER, .owner_instance = MODULE, .data_port = lender.port };
}

uint64_t lend_to_revoke(const struct ramsterd *daemon)
{
	return borrowing ? R2NET_EXTENT_MIN : 0;
}

const struct lender_status *sidedoor_status(const struct sidedoor *door)
{
	return lender.instance ? &lender : NULL;
}

/* The lender is asked what it takes, about the peer that is behind it. */
int sidedoor_call(struct sidedoor *door, const struct lender_request *request, sidedoor_reply_fn reply, void *ctx)
{
	const struct lender_request *rq = request;

	check(rq->command >= LENDER_ADMIT && rq->command <= LENDER_LIST);
	check(rq->command == LENDER_LIST || (rq->owner < NODES && rq->owner != SELF && rq->instance));
	if (rq->command == LENDER_LEASE)
		check(rq->extent_size >= R2NET_EXTENT_MIN && rq->extent_size <= R2NET_EXTENT_MAX &&
		      rq->extent_size % R2NET_EXTENT_MIN == 0 &&
		      (rq->count == 1 || rq->count <= LEASE_ASK_MAX * conf.extent_size / rq->extent_size));
	if (rq->command == LENDER_LEASE || rq->command == LENDER_RELEASE)
		check(rq->count >= 1 && rq->count <= LENDER_MAX_LEASES);
	if (neighbour.door_fails)
		return -ENOTCONN;
	check(questions_len < QUESTIONS);
	if (reply)
		questions[questions_len++] = (struct question){ *rq, reply, ctx };
	return 0;
}

/* ---- Membership: who is a member the input says ---- */

static void control_changed(struct peer *peer, bool up)
{
}

static void advertise(struct ramsterd *daemon)
{
	struct peer *peer;

	for_each_peer(daemon, peer) peer_advertise(peer);
}

static const struct offer *no_offer(const struct peer *peer)
{
	return NULL;
}

static const struct membership_ops membership = { .control_changed = control_changed,
						  .advertise = advertise,
						  .offer = no_offer };

/* ---- The listener's part ---- */

static void greeted(void *ctx, const Ramster__Message *message)
{
	struct control *control = greeting;
	char reason[PEER_REASON_LEN];
	struct peer *peer = NULL;

	greeting = NULL;
	if (message->body_case == RAMSTER__MESSAGE__BODY_HELLO)
		peer = peer_check_hello(&d, message->hello, control, reason);
	/* Who has proven to be one node is not taken for another, nor by a key that is retired. */
	check(!peer || proven < 0 || peer->node.number == (unsigned int)proven);
	check(!peer || !proven_key || authkeys_find(&our_auth.keys, proven_key));
	if (peer == d.peers[0] && peer) {
		peer_adopt(peer, control, message->hello);
		return;
	}
	control_close(control);
}

static void greeting_ended(void *ctx, const char *why, enum control_end end)
{
	control_close(greeting);
	greeting = NULL;
}

static const struct control_events greeting_events = { .message = greeted, .ended = greeting_ended };

/* ---- Steps ---- */

static void receive(struct transport *transport, const uint8_t *bytes, size_t len, size_t chunk)
{
	while (transport->events && len) {
		size_t now = chunk && chunk < len ? chunk : len;

		transport->events->received(transport->ctx, bytes, now);
		bytes += now;
		len -= now;
	}
}

static void receive_bytes(struct input *in, struct transport *transport)
{
	size_t chunk = take_u8(in), len;
	const uint8_t *bytes = take(in, take_u16(in) % 2048, &len);

	receive(transport, bytes, len, chunk);
}

/* A frame that is right, around what the input has. */
static void receive_message(struct input *in, struct transport *transport)
{
	uint8_t frame[FRAME_HEADER + 2048];
	size_t chunk = take_u8(in), len;
	const uint8_t *bytes = take(in, take_u16(in) % 2048, &len);

	frame_header(frame, len);
	memcpy(frame + FRAME_HEADER, bytes, len);
	receive(transport, frame, FRAME_HEADER + len, chunk);
}

static void accept_connection(void)
{
	int error = 0;

	/* The newer takes the older's place; the fuzzer has room for one. */
	if (transports[0].events)
		transports[0].events->ended(transports[0].ctx, "replaced", error);
	greeting = control_accept(&ops, NULL, NULL, FRAME_LIMIT_PEER, &greeting_events, NULL);
	check(greeting);
}

/* A message that is right, or nearly. */
static void receive_said(struct input *in, struct transport *transport)
{
	const struct message_names names = { .from = transport - transports,
					     .to = SELF,
					     .cluster = "demo",
					     .module = d.view.instance,
					     .lender = lender.instance };
	uint8_t frame[FRAME_HEADER + MESSAGE_MAX];
	size_t len = message_make(in, &names, frame + FRAME_HEADER);

	frame_header(frame, len);
	receive(transport, frame, FRAME_HEADER + len, 0);
}

/* Of the modules of this moment, and of earlier ones. */
static uint64_t owner_instance(struct input *in)
{
	unsigned int which = take_u8(in);

	return which < 0x80 ? MESSAGE_MODULE + which % 3 : 1 + which % 3;
}

/* This node's lender keeps to its interface. */
static void answer_question(struct input *in)
{
	static const int errors[] = { 0, 0, 0, -EINVAL, -ENOMEM, -EDQUOT, -ENOTCONN };
	struct lender_reply reply = { .status = lender };
	int error = errors[take_u8(in) % (sizeof(errors) / sizeof(*errors))];
	struct question q;

	if (!questions_len)
		return;
	q = questions[0];
	memmove(questions, questions + 1, --questions_len * sizeof(q));
	reply.count = take_u8(in) % (LENDER_MAX_LEASES + 1);
	if (q.request.command == LENDER_LEASE && reply.count > q.request.count)
		reply.count = q.request.count;
	if (q.request.command == LENDER_LIST)
		reply.cursor = take_u8(in) & 3;
	reply.held = reply.count;
	for (unsigned int i = 0; i < reply.count; i++)
		reply.leases[i] = (struct lender_lease){ .extent = i + 1,
							 .generation = 1,
							 .size = R2NET_EXTENT_MIN,
							 .owner = take_u8(in),
							 .instance = owner_instance(in) };
	q.reply(q.ctx, error, error == -ENOTCONN ? NULL : &reply);
}

static void tick(void)
{
	d.soon = false;
	lease_tick(&d);
	donor_tick(d.donor);
}

static void let_pass(struct input *in)
{
	loop_let_pass(take_u16(in));
	tick();
}

/* What the module says of itself, and how this node is. */
static void see_module(struct input *in)
{
	unsigned int what = take_u8(in);

	d.view.need = what & 1 ? take_u32(in) : 0;
	d.view.instance = what & 2 ? 0 : MODULE;
	neighbour.link_ready = what & 4;
	neighbour.token_wanted = what & 8;
	borrowing = what & 16;
	lender.instance = what & 32 ? 0 : LENDER;
	neighbour.peer.leaving = what & 64 ? neighbour.peer.extents : 0;
	d.view.peers = &neighbour.peer;
	d.view.peers_len = neighbour.peer.lender_instance != 0;
	if (!d.view.instance)
		lease_restart(&d);
}

/* What the module has of some donor, perhaps of one that is in cluster.conf no more. */
static void change_module(struct input *in)
{
	static const uint32_t nodes[] = { 2, 0, 9, 2 };
	unsigned int what = take_u8(in), how = take_u8(in), extents = take_u8(in);

	neighbour.peer = (struct kernel_peer){ .node = nodes[what % 4],
					       .state = what / 4 % 4,
					       .lender_instance = MESSAGE_LENDER + what / 16 % 2,
					       .extents = extents,
					       .leaving = what & 64 ? extents : extents / 2,
					       .space = (uint64_t)extents * conf.extent_size,
					       .pages = what & 128 ? 1000 : 0 };
	neighbour.peer.used = how & 1 ? neighbour.peer.space : 0;
	neighbour.module_fails = how & 2;
	neighbour.link_fails = neighbour.door_fails = how & 4;
	neighbour.much_spare = how & 8;
	conf.nodes[SELF].lend = how & 16 ? CONF_LEND_OFF : CONF_LEND_AUTO;
	send_fails = what & 32;
	proven = how & 32 ? (int)(extents % 3) : -1;
	proven_key = how & 64 ? how & 32 ? "0123abcd" : "retired!" : NULL;
	if (how & 128)
		peer_keys_changed(d.peers[2]);
	d.view.peers = &neighbour.peer;
	d.view.peers_len = 1;
}

static void step(struct input *in)
{
	enum step what = take_u8(in) % STEPS_NR;
	struct transport *transport = &transports[take_u8(in) & 2];
	struct peer *peer = d.peers[transport - transports];

	switch (what) {
	case STEP_BYTES:
		receive_bytes(in, transport);
		break;
	case STEP_MESSAGE:
		receive_message(in, transport);
		break;
	case STEP_ACCEPT:
		accept_connection();
		break;
	case STEP_OPENED:
		if (peer->state == PEER_CONNECTING)
			transport->events->opened(transport->ctx);
		break;
	case STEP_LOST:
		if (transport->events)
			transport->events->ended(transport->ctx, "lost", TRANSPORT_LOST);
		break;
	case STEP_REPLY:
		answer_question(in);
		break;
	case STEP_TIME:
		let_pass(in);
		break;
	case STEP_SAY:
		receive_said(in, transport);
		break;
	case STEP_MODULE:
		change_module(in);
		break;
	case STEP_MEMBER:
		peer_set_member(peer, take_u8(in) & 1);
		break;
	default:
		see_module(in);
	}
}

static void check_invariants(void)
{
	unsigned int open[NODES] = { 0 };

	for (unsigned int i = 0; i < questions_len; i++)
		if (questions[i].request.command != LENDER_EXPEL && questions[i].request.owner < NODES)
			open[questions[i].request.owner]++;
	for (unsigned int node = 0; node < NODES; node += 2) {
		const struct peer *peer = d.peers[node];
		const struct borrow *b = &peer->borrow;

		/* Of nobody's: the walk through all leases, which counts here as node 0's, and a token that is replaced. */
		check(open[peer->node.number] <= QUESTIONS_OF_PEER + 2);
		check(b->found_len <= FOUND_MAX && b->granted_len <= RAMSTER_NL_MAX_LEASES);
		check((peer->state == PEER_IDLE) == !peer->control);
		check(peer->state == PEER_UP || !peer->offer.lender_instance);
	}
}

static void set_up(void)
{
	char error[CONF_ERROR_LEN];

	if (!conf.nodes_len)
		check(!conf_parse("fuzz", file, strlen(file), &conf, error));
	log_set_level(-1);
	neighbour = (struct neighbour){ .extent_size = conf.extent_size };
	lender.instance = LENDER;
	borrowing = send_fails = false;
	proven = -1;
	proven_key = NULL;
	conf.nodes[SELF].lend = CONF_LEND_AUTO;
	d = (struct ramsterd){ .conf = &conf, .self = &conf.nodes[SELF], .membership = &membership, .auth = &our_auth };
	strcpy(d.drain_path, "/dev/null/drain"); /* nothing is remembered */
	d.view.instance = MODULE;
	d.donor = donor_new(&d);
	d.revoke = revoke_new(&d);
	d.peers[0] = peer_new(&d, &conf.nodes[0]);
	d.peers[2] = peer_new(&d, &conf.nodes[2]);
	check(d.donor && d.revoke && d.peers[0] && d.peers[2]);
	loop_let_pass(1); /* it connects */
}

static void tear_down(void)
{
	for (unsigned int node = 0; node < NODES; node += 2) {
		peer_free(d.peers[node]);
		d.peers[node] = NULL;
	}
	if (greeting)
		greeting_ended(NULL, "", CONTROL_LOST);
	/* As a side door that is closed answers, also to what is asked by that. */
	for (unsigned int i = 0; i < questions_len; i++)
		questions[i].reply(questions[i].ctx, -ENOTCONN, NULL);
	questions_len = 0;
	revoke_free(d.revoke);
	donor_free(d.donor);
	loop_run_closed();
	check(!transports[0].events && !transports[2].events);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input in = { input, size };

	set_up();
	for (unsigned int steps = 0; in.len && steps < STEPS; steps++) {
		step(&in);
		check_invariants();
	}
	tear_down();
	return 0;
}
