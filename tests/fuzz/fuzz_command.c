// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_command - libFuzzer target: what a process with CAP_NET_ADMIN can ask of the module by generic netlink. netlink.c,
 * netlink_event.c and all that they work on (peers, connections, deadlines, leases, extents) are the module's own, over
 * the shim of the unit tests and genl.c.
 *
 * Input: a sequence of steps. Messages of any command and attributes; dumps, a datagram at a time, while what they tell of
 * changes; sockets break, time goes by, memory runs out.
 *
 * What a command hands on is in range. An error has its text. Answers and events are whole, and a dump that nothing comes
 * between has everything once. In the end nothing is left of any peer, connection, lease or node.
 */
#include <linux/err.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "conn.h"
#include "counters.h"
#include "extent.h"
#include "extent_table.h"
#include "frontswap.h"
#include "lease.h"
#include "lent.h"
#include "move.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"
#include "remotify.h"
#include "seal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/genl.h"
#include "tests/fuzz/task.h"

#define STEPS 64
#define NODES 3
#define DUMPS 2
/* Bytes of a dump's datagram at least, so that one message fits. The kernel's have more. */
#define ROOM(cmd) ((cmd) == RAMSTER_CMD_LEASE_GET ? 640 : 160)
#define ROUNDS 4096

enum step {
	STEP_MESSAGE,
	STEP_MESSAGE_TOO,
	STEP_RAW,
	STEP_NEXT,
	STEP_DUMP,
	STEP_TIME,
	STEP_BREAK,
	STEP_MEMORY,
	STEPS_NR
};

/* ---- What surrounds the module's files ---- */

struct nodemanager_node {
	int refs;
};

static struct nodemanager_node nodes[NODES];

struct nodemanager_node *nodemanager_get(u32 num)
{
	might_sleep();
	check(num < R2NET_MAX_NODES);
	if (num >= NODES)
		return ERR_PTR(-ENOENT);
	nodes[num].refs++;
	return &nodes[num];
}

void nodemanager_put(struct nodemanager_node *node)
{
	check(node->refs-- > 0);
}

u32 nodemanager_number(const struct nodemanager_node *node)
{
	return node - nodes;
}

bool frontswap_attached(void)
{
	return true;
}

bool frontswap_may_be_remote(void)
{
	return true;
}

int lent_set_group(int fd)
{
	might_sleep();
	return fd == 0 ? 0 : fd == 1 ? -ENOENT : fd == 2 ? -EOPNOTSUPP : -EBADF;
}

u64 remotify_need(void)
{
	return 1 << 20;
}

void remotify_wake(void)
{
}

void move_wake(void)
{
}

void move_leases_came(void)
{
}

void move_home(unsigned int pages)
{
}

bool seal_is_on(void)
{
	return true;
}

u64 seal_serial(void)
{
	return 1;
}

DEFINE_PER_CPU(unsigned long[RAMSTER_NR_EVENTS], ramster_events);

/* As many and as long as the module's, and some to come. */
bool counter_read(unsigned int i, const char **name, u64 *value)
{
	static const char *const names[] = {
#define X(name) #name,
		RAMSTER_EVENTS(X)
#undef X
	};

	*name = i < ARRAY_SIZE(names) ? names[i] : "bookkeeping_per_page_milli";
	*value = i;
	return i < ARRAY_SIZE(names) + 32;
}

/* Sockets by their descriptors; of the last kind there is none. */
static struct sock socks[] = {
	{ .sk_family = AF_INET, .sk_protocol = IPPROTO_TCP, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_INET6, .sk_protocol = IPPROTO_TCP, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_UNIX, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_VSOCK, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_INET, .sk_protocol = 17, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_INET, .sk_protocol = 132, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = 16, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_INET, .sk_protocol = IPPROTO_TCP, .icsk = { "tls" }, .sk_state = TCP_ESTABLISHED },
	{ .sk_family = AF_INET, .sk_protocol = IPPROTO_TCP },
};
static struct socket sockets[ARRAY_SIZE(socks)];

struct socket *sockfd_lookup(int fd, int *err)
{
	might_sleep();
	if (fd < 0 || fd >= (int)ARRAY_SIZE(socks)) {
		*err = fd < 0 ? -EBADF : -ENOTSOCK;
		return NULL;
	}
	sockets[fd].sk = &socks[fd];
	sockets[fd].type = socks[fd].sk_protocol == 17 ? 2 : SOCK_STREAM;
	sockets[fd].refs++;
	return &sockets[fd];
}

void sockfd_put(struct socket *sock)
{
	might_sleep();
	check(sock->refs-- > 0);
}

int kernel_sock_shutdown(struct socket *sock, int how)
{
	return 0;
}

int sock_sendmsg(struct socket *sock, struct msghdr *msg)
{
	might_sleep();
	return msg->msg_iter.count;
}

/* The other end is gone. */
int kernel_recvmsg(struct socket *sock, struct msghdr *msg, struct kvec *vec, size_t nr, size_t len, int flags)
{
	might_sleep();
	return 0;
}

/* ---- What is handed on (--wrap) ---- */

int __real_r2net_conn_add(struct r2net_peer *peer, u32 number, enum r2net_role role, u32 window, int fd,
			  const char **text);
int __wrap_r2net_conn_add(struct r2net_peer *peer, u32 number, enum r2net_role role, u32 window, int fd,
			  const char **text);

int __wrap_r2net_conn_add(struct r2net_peer *peer, u32 number, enum r2net_role role, u32 window, int fd,
			  const char **text)
{
	check(number >= 1 && (role == R2NET_ROLE_DATA || role == R2NET_ROLE_CONTROL));
	check(window >= 1 && window <= R2NET_MAX_WINDOW);
	return __real_r2net_conn_add(peer, number, role, window, fd, text);
}

int __real_lease_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr);
int __wrap_lease_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr);

int __wrap_lease_add(struct r2net_peer *peer, u32 size, const struct ramster_nl_lease *new, unsigned int nr)
{
	check(nr >= 1 && nr <= RAMSTER_NL_MAX_LEASES && peer->state != RAMSTER_PEER_DEAD);
	return __real_lease_add(peer, size, new, nr);
}

unsigned int __real_lease_return(struct r2net_peer *peer, struct ramster_nl_lease *gone, unsigned int max);
unsigned int __wrap_lease_return(struct r2net_peer *peer, struct ramster_nl_lease *gone, unsigned int max);

unsigned int __wrap_lease_return(struct r2net_peer *peer, struct ramster_nl_lease *gone, unsigned int max)
{
	check(max >= 1 && max <= RAMSTER_NL_MAX_LEASES);
	return __real_lease_return(peer, gone, max);
}

int __real_r2net_peer_set(struct nodemanager_node *node, u64 instance, u32 deadline_ms, u32 slow_ms);
int __wrap_r2net_peer_set(struct nodemanager_node *node, u64 instance, u32 deadline_ms, u32 slow_ms);

int __wrap_r2net_peer_set(struct nodemanager_node *node, u64 instance, u32 deadline_ms, u32 slow_ms)
{
	check(deadline_ms >= 100 && deadline_ms <= 60000 && slow_ms >= deadline_ms && slow_ms <= 600000);
	return __real_r2net_peer_set(node, instance, deadline_ms, slow_ms);
}

/* ---- What the module says ---- */

/* The sizes of what has one, as ramster_nl.h has them. */
static int attribute_size(unsigned int type)
{
	switch (type) {
	case RAMSTER_A_INSTANCE:
	case RAMSTER_A_LENDER_INSTANCE:
	case RAMSTER_A_NEED:
	case RAMSTER_A_SPACE:
	case RAMSTER_A_USED:
	case RAMSTER_A_PAGES:
	case RAMSTER_A_TX_BYTES:
	case RAMSTER_A_RX_BYTES:
	case RAMSTER_A_COUNTER_VALUE:
		return sizeof(u64);
	case RAMSTER_A_LEASES:
	case RAMSTER_A_COUNTERS:
	case RAMSTER_A_COUNTER:
	case RAMSTER_A_COUNTER_NAME:
		return -1;
	default:
		return sizeof(u32);
	}
}

static void check_attributes(const u8 *bytes, size_t len)
{
	while (len) {
		const struct nlattr *nla = (const struct nlattr *)bytes;
		unsigned int type = nla->nla_type & NLA_TYPE_MASK;
		int size = attribute_size(type);

		check(len >= NLA_HDRLEN && nla->nla_len >= NLA_HDRLEN && NLA_ALIGN(nla->nla_len) <= len);
		check(type && type <= RAMSTER_A_MAX && (size < 0 || size == nla_len(nla)));
		if (nla->nla_type & NLA_F_NESTED)
			check_attributes(nla_data(nla), nla_len(nla));
		if (type == RAMSTER_A_LEASES)
			check(nla_len(nla) % sizeof(struct ramster_nl_lease) == 0);
		if (type == RAMSTER_A_COUNTER_NAME)
			check(strnlen(nla_data(nla), nla_len(nla)) + 1 == (size_t)nla_len(nla));
		bytes += NLA_ALIGN(nla->nla_len);
		len -= NLA_ALIGN(nla->nla_len);
	}
}

/* Returns how many messages of @cmd, or leases in them, there are. */
static unsigned int check_answer(const struct sk_buff *skb, unsigned int cmd)
{
	unsigned int nr = 0;
	size_t at, head = NLMSG_HDRLEN + GENL_HDRLEN;

	for (at = 0; at < skb->len;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(skb->data + at);
		const struct genlmsghdr *hdr = NLMSG_DATA(nlh);
		const struct nlattr *nla;

		check(skb->len - at >= head && nlh->nlmsg_len >= head && nlh->nlmsg_len <= skb->len - at);
		check(hdr->cmd && hdr->cmd <= RAMSTER_CMD_MAX && hdr->version == RAMSTER_NL_VERSION);
		check_attributes(skb->data + at + head, nlh->nlmsg_len - head);
		nr += hdr->cmd == cmd;
		for (size_t i = head; cmd == RAMSTER_CMD_LEASE_GET && i < nlh->nlmsg_len;
		     i += NLA_ALIGN(nla->nla_len)) {
			nla = (const struct nlattr *)(skb->data + at + i);
			if (nla->nla_type == RAMSTER_A_LEASES)
				nr += nla_len(nla) / sizeof(struct ramster_nl_lease) - 1;
		}
		at += NLMSG_ALIGN(nlh->nlmsg_len);
	}
	return nr;
}

static void answered(const struct sk_buff *skb, bool event)
{
	check(skb->len && check_answer(skb, RAMSTER_CMD_UNSPEC) == 0);
}

/* ---- What is asked ---- */

static struct genl_dump dumps[DUMPS];

static void put(u8 **at, unsigned int type, const void *bytes, size_t len)
{
	struct nlattr nla = { NLA_HDRLEN + len, type };

	memset(*at, 0, NLA_ALIGN(nla.nla_len));
	memcpy(*at, &nla, sizeof(nla));
	memcpy(*at + NLA_HDRLEN, bytes, len);
	*at += NLA_ALIGN(nla.nla_len);
}

static void put_number(u8 **at, unsigned int type, u64 number)
{
	put(at, type, &number, type == RAMSTER_A_LENDER_INSTANCE ? sizeof(u64) : sizeof(u32));
}

static u64 choose(struct input *in, const u32 *from, unsigned int nr)
{
	unsigned int i = take_u8(in);

	return i == 0xff ? take_u64(in) : from[i % nr];
}

/*
 * Attributes of whatever a command could need, without those of @lack, with values at the limits of what is taken. Returns
 * whether the leases are no array.
 */
static bool put_attributes(struct input *in, u8 **at, unsigned int lack)
{
	static const struct {
		unsigned int type, nr;
		u32 from[8];
	} attributes[] = {
		{ RAMSTER_A_NODE, 5, { 0, 1, 2, 3, 254 } },
		{ RAMSTER_A_LENDER_INSTANCE, 4, { 1, 2, 3, 4 } },
		{ RAMSTER_A_DEADLINE_MS, 5, { 3000, 100, 60000, 99, 60001 } },
		{ RAMSTER_A_SLOW_DEADLINE_MS, 4, { 60000, 600000, 600001, 99 } },
		{ RAMSTER_A_CONN, 4, { 1, 2, 3, 0 } },
		{ RAMSTER_A_ROLE, 4, { 1, 2, 0, 3 } },
		{ RAMSTER_A_WINDOW, 4, { 32, 1, 64, 65 } },
		{ RAMSTER_A_FD, 8, { 0, 1, 2, 3, 4, 5, 7, 8 } },
		{ RAMSTER_A_EXTENT_SIZE, 5, { 2 << 20, 4 << 20, 64 << 20, 66 << 20, 3 << 20 } },
		{ RAMSTER_A_COUNT, 5, { 1, 64, 65, 0, 3 } },
		{ RAMSTER_A_KEEP, 3, { 0, 1, ~0U } },
	};
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES + 2];
	unsigned int i, nr;

	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		if (!(lack & 1 << i))
			put_number(at, attributes[i].type, choose(in, attributes[i].from, attributes[i].nr));
	if (lack & 1 << i)
		return false;
	nr = (1 + take_u8(in)) % ARRAY_SIZE(leases);
	lack = take_u8(in);
	for (i = 0; i < nr; i++)
		leases[i] = (struct ramster_nl_lease){ lack + i, 1 + lack / 128 };
	put(at, RAMSTER_A_LEASES, leases, nr * sizeof(*leases) + (lack == 0xff));
	return !nr || lack == 0xff;
}

/* "An error is an errno with an extack text." */
static int receive(const u8 *bytes, size_t len, struct genl_dump *dump)
{
	struct netlink_ext_ack extack = { NULL };
	int err = genl_receive(bytes, len, &extack, dump);

	check(err <= 0 && err > -MAX_ERRNO);
	check(!err || err == -ENOMEM || (extack._msg && *extack._msg));
	return err;
}

/* One that is free, as by closing the socket of another dump. */
static struct genl_dump *dump_for(unsigned int which)
{
	genl_dump_end(&dumps[which % DUMPS]);
	return &dumps[which % DUMPS];
}

static void message(struct input *in)
{
	static _Alignas(8) u8 bytes[2048];
	unsigned int cmd = take_u8(in), how = take_u8(in), lack = how & 1 ? take_u16(in) : 0;
	struct nlmsghdr *nlh = (struct nlmsghdr *)bytes;
	struct genlmsghdr *hdr = NLMSG_DATA(nlh);
	u8 *at = bytes + NLMSG_HDRLEN + GENL_HDRLEN;
	bool no_array;
	int err;

	cmd %= RAMSTER_CMD_MAX + 2;
	no_array = put_attributes(in, &at, lack);
	*nlh = (struct nlmsghdr){ .nlmsg_len = at - bytes, .nlmsg_type = 0x20, .nlmsg_flags = NLM_F_REQUEST };
	*hdr = (struct genlmsghdr){ .cmd = cmd, .version = RAMSTER_NL_VERSION };
	if ((cmd == RAMSTER_CMD_PEER_GET || cmd == RAMSTER_CMD_CONN_GET || cmd == RAMSTER_CMD_LEASE_GET) !=
	    !!(how & 2)) {
		nlh->nlmsg_flags |= NLM_F_DUMP;
		nlh->nlmsg_len = at - bytes;
	}
	if (how & 4)
		take_spoil(in, bytes, min(at - bytes, 255L));
	err = receive(bytes, at - bytes, dump_for(how >> 7));
	check(err || cmd != RAMSTER_CMD_LEASE_ADD || !no_array || how & 4);
}

static void raw(struct input *in)
{
	size_t got;
	const u8 *bytes = take(in, take_u8(in), &got);
	_Alignas(8) u8 copy[256];

	memcpy(copy, bytes, got);
	receive(copy, got, dump_for(0));
}

static void next(struct input *in)
{
	unsigned int what = take_u8(in);
	struct genl_dump *dump = &dumps[what % DUMPS];
	struct sk_buff *skb;

	if (!dump->op)
		return;
	skb = genl_dump_next(dump, ROOM(dump->op->cmd) + what);
	if (!skb)
		return;
	check_answer(skb, RAMSTER_CMD_UNSPEC);
	nlmsg_free(skb);
}

static unsigned int have(unsigned int cmd)
{
	struct r2net_peer *peer;
	struct lease *lease;
	unsigned int nr = 0;

	if (cmd == RAMSTER_CMD_PEER_GET)
		return list_count_nodes(&r2net_peers);
	if (cmd == RAMSTER_CMD_CONN_GET)
		list_for_each_entry(peer, &r2net_peers, link)
			nr += list_count_nodes(&peer->conns);
	if (cmd == RAMSTER_CMD_LEASE_GET)
		list_for_each_entry(lease, &extent_leases, link)
			nr += lease->peer->state != RAMSTER_PEER_DEAD;
	return nr;
}

/* A dump from its beginning to its end. */
static void dump_whole(struct input *in)
{
	static const u8 cmds[] = { RAMSTER_CMD_PEER_GET, RAMSTER_CMD_CONN_GET, RAMSTER_CMD_LEASE_GET };
	unsigned int cmd = cmds[take_u8(in) % 3], room = ROOM(cmd) + take_u8(in), told = 0, rounds;
	struct {
		struct nlmsghdr nlh;
		struct genlmsghdr hdr;
	} bytes = { { sizeof(bytes), 0x20, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 }, { cmd, RAMSTER_NL_VERSION, 0 } };
	struct genl_dump *dump = dump_for(0);
	struct sk_buff *skb;

	receive((u8 *)&bytes, sizeof(bytes), dump);
	for (rounds = 0; dump->op; rounds++) {
		check(rounds < ROUNDS);
		skb = genl_dump_next(dump, room);
		if (!skb)
			return;
		told += check_answer(skb, cmd);
		nlmsg_free(skb);
	}
	check(told == have(cmd));
}

/* The other end of a connection is gone. */
static void break_conn(struct input *in)
{
	struct r2net_conn *conn, *chosen = NULL;
	unsigned int n = take_u8(in) % 8;
	struct r2net_peer *peer;

	list_for_each_entry(peer, &r2net_peers, link)
		list_for_each_entry(conn, &peer->conns, link)
			if (!chosen || n--)
				chosen = conn;
	if (!chosen)
		return;
	task_run(chosen->sender);
	task_run(chosen->receiver);
}

/* What others tell of by events happens meanwhile, too. */
static void let_pass(struct input *in)
{
	shim_let_pass(take_u16(in));
	netlink_event_need(1);
	netlink_event_vacated();
	netlink_event_lost(1, 2);
}

static void step(struct input *in)
{
	switch ((enum step)(take_u8(in) % STEPS_NR)) {
	case STEP_RAW:
		raw(in);
		break;
	case STEP_NEXT:
		next(in);
		break;
	case STEP_DUMP:
		dump_whole(in);
		break;
	case STEP_TIME:
		let_pass(in);
		break;
	case STEP_BREAK:
		break_conn(in);
		break;
	case STEP_MEMORY:
		shim_fail_allocation(1 + take_u8(in) % 16);
		break;
	default:
		message(in);
	}
	shim_run_work();
}

static void tear_down(void)
{
	unsigned int i;

	shim_fail_allocation(0);
	for (i = 0; i < DUMPS; i++)
		genl_dump_end(&dumps[i]);
	r2net_stop();
	shim_run_work();
	netlink_exit();
	r2net_exit();
	extent_exit();
	for (i = 0; i < NODES; i++)
		check(!nodes[i].refs);
	for (i = 0; i < ARRAY_SIZE(sockets); i++)
		check(!sockets[i].refs);
	check(!shim_allocated());
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input in = { input, size };
	unsigned int steps;

	genl_answered = answered;
	check(!extent_init() && !r2net_init() && !netlink_init());
	for (steps = 0; in.len && steps < STEPS; steps++)
		step(&in);
	tear_down();
	return 0;
}
