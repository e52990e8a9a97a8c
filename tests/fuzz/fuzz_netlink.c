// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_netlink - libFuzzer target: what the module's generic netlink can answer and tell ramsterd: status, peers, connections,
 * leases, acknowledgements and events, through libmnl's own parsing.
 *
 * Input: first what is asked, then the datagrams that come. Each is one message whose header is right, around attributes that
 * are made of the input; or bytes of the input as they are. The length of the message itself is right: the kernel wrote it, and
 * libmnl takes one above 2^31 for a small one.
 */
#include <errno.h>
#include <unistd.h>

#include "daemon/kernel.c"
#include "proto/r2net.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

#define FAMILY 0x20
#define PORT 77
#define DATAGRAMS 64
#define ROOM 32768 /* bytes of a datagram, or a little more */

struct mnl_socket {
	int fd;
};

static struct mnl_socket sockets[2]; /* commands, hints */
static unsigned int opened, datagrams;
static struct kernel *kernel;
static struct input *in;
static unsigned int events;

/* ---- In the place of libmnl's sockets ---- */

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	struct mnl_socket *s = &sockets[opened % 2];

	if (opened++ % 2)
		s->fd = loop_socket();
	return s;
}

int mnl_socket_bind(struct mnl_socket *s, unsigned int groups, pid_t pid)
{
	return 0;
}

int mnl_socket_close(struct mnl_socket *s)
{
	if (s == &sockets[1]) {
		close(s->fd);
		close(loop_peer);
	}
	opened = 0;
	return 0;
}

int mnl_socket_get_fd(const struct mnl_socket *s)
{
	return s == &sockets[1] ? s->fd : -1;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *s)
{
	return PORT;
}

int mnl_socket_setsockopt(const struct mnl_socket *s, int type, void *buf, socklen_t len)
{
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *bytes, size_t len)
{
	const struct nlmsghdr *nlh = bytes;

	check(mnl_nlmsg_ok(nlh, len) && len == nlh->nlmsg_len);
	return len;
}

/* Attributes of any type with the size that most of that type have, or with bytes of the input; some within others. */
static void put_attributes(struct nlmsghdr *nlh, unsigned int depth)
{
	unsigned int nr = take_u8(in), type, kind;
	struct nlattr *nest;
	size_t len;

	for (; nr && in->len && nlh->nlmsg_len < ROOM; nr--) {
		type = take_u8(in) % (RAMSTER_A_MAX + 3);
		kind = take_u8(in) % 5;
		if (kind == 0) {
			mnl_attr_put_u32(nlh, type, take_u32(in));
		} else if (kind == 1) {
			mnl_attr_put_u64(nlh, type, take_u64(in));
		} else if (kind == 2) {
			const uint8_t *bytes = take(in, take_u16(in) % 1024, &len);

			mnl_attr_put(nlh, type, len, bytes);
		} else if (kind == 3) {
			mnl_attr_put_strz(nlh, type, take_u8(in) & 1 ? RAMSTER_NL_EVENTS : "loads");
		} else if (depth < 3) {
			nest = mnl_attr_nest_start(nlh, type);
			put_attributes(nlh, depth + 1);
			mnl_attr_nest_end(nlh, nest);
		}
	}
}

/* Returns the datagram's length. */
static size_t make_datagram(char *bytes, size_t room)
{
	static const int errors[] = { 0, 0, -ENOENT, -EINVAL };
	unsigned int kind = take_u8(in) % 5;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(bytes);
	struct genlmsghdr *genl;
	struct nlmsgerr *err;
	size_t len;

	nlh->nlmsg_seq = kernel->seq;
	nlh->nlmsg_pid = PORT;
	nlh->nlmsg_type = kind == 1 ? NLMSG_ERROR : kind == 2 ? NLMSG_DONE : FAMILY;
	nlh->nlmsg_flags = kind == 1 ? NLM_F_ACK_TLVS : NLM_F_MULTI;
	if (kind == 1) {
		err = mnl_nlmsg_put_extra_header(nlh, sizeof(*err));
		err->error = errors[take_u8(in) % 4];
	} else if (kind == 4) { /* anything, also less than a header of generic netlink */
		const uint8_t *raw = take(in, take_u16(in) % 512, &len);

		memcpy(mnl_nlmsg_get_payload(nlh), raw, len);
		nlh->nlmsg_len += len;
		return nlh->nlmsg_len;
	} else {
		genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
		genl->cmd = take_u8(in) % (RAMSTER_CMD_MAX + 2);
	}
	put_attributes(nlh, 0);
	check(nlh->nlmsg_len <= room);
	return nlh->nlmsg_len;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *bytes, size_t room)
{
	if (!in->len || ++datagrams > DATAGRAMS) {
		errno = EAGAIN;
		return -1;
	}
	return make_datagram(bytes, room);
}

/* ---- Events ---- */

static void on_need(void *ctx)
{
	events++;
}

static void on_conn_down(void *ctx, uint32_t node, uint32_t conn)
{
	events++;
}

static void on_peer(void *ctx, uint32_t node, uint32_t state)
{
	events++;
}

static void on_lost(void *ctx, uint32_t node, uint64_t pages)
{
	events++;
}

static const struct kernel_events kernel_events = {
	.need = on_need,
	.conn_down = on_conn_down,
	.peer = on_peer,
	.lost = on_lost,
	.vacated = on_need,
};

static void hear_event(void)
{
	static _Alignas(struct nlmsghdr) char bytes[65536];
	size_t len = make_datagram(bytes, sizeof(bytes));

	if (!kernel->hints || !len || len > 8192)
		return;
	check(send(loop_peer, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
	loop_poll();
	check(!loop_readable());
}

/* ---- What is asked ---- */

static void read_view(void)
{
	static struct kernel_view view;
	int ret = kernel_view_read(kernel, &view);

	check(ret <= 0);
	check(view.counters_len <= KERNEL_MAX_COUNTERS);
	for (unsigned int i = 0; i < view.counters_len; i++)
		check(strnlen(view.counters[i].name, KERNEL_NAME_LEN) < KERNEL_NAME_LEN);
	check(!view.peers_len == !view.peers && !view.conns_len == !view.conns);
	if (view.peers_len)
		check(kernel_view_peer(&view, view.peers->node, view.peers->lender_instance));
	check(kernel_view_counter(&view, "nothing of that name") == 0);
	kernel_view_clear(&view);
}

static void ask_leases(bool back)
{
	struct ramster_nl_lease returned[RAMSTER_NL_MAX_LEASES];
	struct kernel_lease *leases = NULL;
	unsigned int len;
	int ret;

	if (back)
		ret = kernel_lease_return(kernel, 1, 2, RAMSTER_NL_MAX_LEASES, returned, &len);
	else
		ret = kernel_lease_get(kernel, &leases, &len);
	check(!ret || !len);
	check(!back || len <= RAMSTER_NL_MAX_LEASES);
	check(strnlen(kernel_error(kernel), sizeof(kernel->error)) < sizeof(kernel->error));
	free(leases);
}

static void command_of(unsigned int which)
{
	static const struct ramster_nl_lease leases[2] = { { 1, 1 }, { 2, 1 } };
	int ret = which == 0   ? kernel_peer_set(kernel, 1, 2, 100, 200)
		  : which == 1 ? kernel_peer_dead(kernel, 1, 2)
		  : which == 2 ? kernel_peer_away(kernel, 1, 2)
		  : which == 3 ? kernel_conn_add(kernel, 1, 2, 3, R2NET_ROLE_DATA, 32, 4)
		  : which == 4 ? kernel_lease_add(kernel, 1, 2, R2NET_EXTENT_MIN, leases, 2)
		  : which == 5 ? kernel_lease_keep(kernel, 1, 2, 3)
		  : which == 6 ? kernel_home(kernel, 1)
			       : kernel_lent_group(kernel, 0);

	check(!ret || *kernel_error(kernel));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input all = { input, size };
	unsigned int steps;

	in = &all;
	datagrams = 0;
	kernel = kernel_new(NULL, &kernel_events, NULL);
	check(kernel);
	for (steps = 0; in->len && steps < 16; steps++) {
		unsigned int what = take_u8(in);

		if (what % 5 == 0 || !kernel->commands)
			read_view();
		else if (what % 5 == 1)
			hear_event();
		else if (what % 5 == 4)
			command_of(what / 5 % 8);
		else
			ask_leases(what % 5 == 2);
	}
	kernel_free(kernel);
	loop_run_closed();
	return 0;
}
