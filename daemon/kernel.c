// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel - the module's generic netlink.
 *
 * Two sockets: one for commands, which waits for each answer, and one that hears the events.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/kernel.h"

#define ANSWER_SECONDS 5
#define BUFFER_SIZE 65536

struct kernel {
	uv_loop_t *loop;
	const struct kernel_events *events;
	void *ctx;
	struct mnl_socket *commands; /* NULL: no module */
	struct mnl_socket *hints;
	uv_poll_t *poll; /* of hints */
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char error[128];
	char out[BUFFER_SIZE], in[BUFFER_SIZE];
};

/* One answer under way: the parser of its messages and what it fills in. */
struct answer {
	void (*parse)(struct answer *answer, struct nlattr **attrs);
	void *to;
	unsigned int len; /* entries of an array so far */
	int error;
	struct kernel *kernel;
};

/* ---- Attributes ---- */

static int collect(const struct nlattr *attr, void *data)
{
	struct nlattr **attrs = data;

	if (mnl_attr_get_type(attr) <= RAMSTER_A_MAX)
		attrs[mnl_attr_get_type(attr)] = (struct nlattr *)attr;
	return MNL_CB_OK;
}

static uint32_t get_u32(struct nlattr **attrs, unsigned int type)
{
	return attrs[type] && mnl_attr_get_payload_len(attrs[type]) == 4 ? mnl_attr_get_u32(attrs[type]) : 0;
}

static uint64_t get_u64(struct nlattr **attrs, unsigned int type)
{
	return attrs[type] && mnl_attr_get_payload_len(attrs[type]) == 8 ? mnl_attr_get_u64(attrs[type]) : 0;
}

static unsigned int get_leases(struct nlattr **attrs, struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES])
{
	size_t len = attrs[RAMSTER_A_LEASES] ? mnl_attr_get_payload_len(attrs[RAMSTER_A_LEASES]) : 0;

	if (len > RAMSTER_NL_MAX_LEASES * sizeof(*leases))
		len = RAMSTER_NL_MAX_LEASES * sizeof(*leases);
	if (len)
		memcpy(leases, mnl_attr_get_payload(attrs[RAMSTER_A_LEASES]), len);
	return len / sizeof(*leases);
}

/* ---- Commands ---- */

static struct nlmsghdr *begin(struct kernel *k, uint16_t family, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(k->out);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++k->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = RAMSTER_NL_VERSION;
	return nlh;
}

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attrs[RAMSTER_A_MAX + 1] = { 0 };
	struct answer *answer = data;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect, attrs);
	if (answer->parse)
		answer->parse(answer, attrs);
	return MNL_CB_OK;
}

static int find_text(const struct nlattr *attr, void *data)
{
	const char **text = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* An acknowledgement. With NETLINK_CAP_ACK it does not repeat the request, so that the text follows the error. */
static int on_ack(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	struct answer *answer = data;
	const char *text = NULL;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err)) {
		answer->error = -EBADMSG;
		return MNL_CB_STOP;
	}
	answer->error = err->error;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, sizeof(*err), find_text, &text);
	if (text)
		snprintf(answer->kernel->error, sizeof(answer->kernel->error), "%s (%s)", text, strerror(-err->error));
	return MNL_CB_STOP;
}

/* The end of a dump. */
static int on_done(const struct nlmsghdr *nlh, void *data)
{
	return MNL_CB_STOP;
}

static int run(struct kernel *k, struct nlmsghdr *nlh, struct answer *answer)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = { [NLMSG_ERROR] = on_ack, [NLMSG_DONE] = on_done };
	unsigned int portid;
	ssize_t len;
	int ret;

	if (!k->commands)
		return -ENOENT;
	k->error[0] = 0;
	answer->kernel = k;
	portid = mnl_socket_get_portid(k->commands);
	if (mnl_socket_sendto(k->commands, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(k->commands, k->in, sizeof(k->in));
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		ret = mnl_cb_run2(k->in, len, k->seq, portid, on_message, answer, control, NLMSG_MIN_TYPE);
		if (ret < 0 && errno == EPROTO)
			ret = MNL_CB_OK; /* the late answer to a command that was given up */
	} while (ret > 0);
	if (ret < 0)
		answer->error = -errno;
	if (answer->error && !k->error[0])
		snprintf(k->error, sizeof(k->error), "%s", strerror(-answer->error));
	return answer->error;
}

static int command(struct kernel *k, struct nlmsghdr *nlh)
{
	struct answer answer = { 0 };

	nlh->nlmsg_flags |= NLM_F_ACK;
	return run(k, nlh, &answer);
}

static struct nlmsghdr *begin_peer(struct kernel *k, uint8_t cmd, uint32_t node, uint64_t lender_instance)
{
	struct nlmsghdr *nlh = begin(k, k->family, cmd, 0);

	mnl_attr_put_u32(nlh, RAMSTER_A_NODE, node);
	mnl_attr_put_u64(nlh, RAMSTER_A_LENDER_INSTANCE, lender_instance);
	return nlh;
}

int kernel_peer_set(struct kernel *k, uint32_t node, uint64_t lender_instance, uint32_t deadline_ms,
		    uint32_t slow_deadline_ms)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_PEER_SET, node, lender_instance);

	mnl_attr_put_u32(nlh, RAMSTER_A_DEADLINE_MS, deadline_ms);
	mnl_attr_put_u32(nlh, RAMSTER_A_SLOW_DEADLINE_MS, slow_deadline_ms);
	return command(k, nlh);
}

int kernel_peer_dead(struct kernel *k, uint32_t node, uint64_t lender_instance)
{
	return command(k, begin_peer(k, RAMSTER_CMD_PEER_DEAD, node, lender_instance));
}

int kernel_peer_away(struct kernel *k, uint32_t node, uint64_t lender_instance)
{
	return command(k, begin_peer(k, RAMSTER_CMD_PEER_AWAY, node, lender_instance));
}

int kernel_conn_add(struct kernel *k, uint32_t node, uint64_t lender_instance, uint32_t conn, uint32_t role,
		    uint32_t window, int fd)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_CONN_ADD, node, lender_instance);

	mnl_attr_put_u32(nlh, RAMSTER_A_CONN, conn);
	mnl_attr_put_u32(nlh, RAMSTER_A_ROLE, role);
	mnl_attr_put_u32(nlh, RAMSTER_A_WINDOW, window);
	mnl_attr_put_u32(nlh, RAMSTER_A_FD, fd);
	return command(k, nlh);
}

int kernel_lease_add(struct kernel *k, uint32_t node, uint64_t lender_instance, uint32_t extent_size,
		     const struct ramster_nl_lease *leases, unsigned int count)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_LEASE_ADD, node, lender_instance);

	mnl_attr_put_u32(nlh, RAMSTER_A_EXTENT_SIZE, extent_size);
	mnl_attr_put(nlh, RAMSTER_A_LEASES, count * sizeof(*leases), leases);
	return command(k, nlh);
}

static void parse_returned(struct answer *answer, struct nlattr **attrs)
{
	answer->len = get_leases(attrs, answer->to);
}

int kernel_lease_return(struct kernel *k, uint32_t node, uint64_t lender_instance, unsigned int count,
			struct ramster_nl_lease *leases, unsigned int *len)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_LEASE_RETURN, node, lender_instance);
	struct answer answer = { .parse = parse_returned, .to = leases };
	int ret;

	mnl_attr_put_u32(nlh, RAMSTER_A_COUNT, count);
	nlh->nlmsg_flags |= NLM_F_ACK;
	ret = run(k, nlh, &answer);
	*len = ret ? 0 : answer.len;
	return ret;
}

int kernel_lease_keep(struct kernel *k, uint32_t node, uint64_t lender_instance, uint32_t keep)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_LEASE_KEEP, node, lender_instance);

	mnl_attr_put_u32(nlh, RAMSTER_A_KEEP, keep);
	return command(k, nlh);
}

int kernel_home(struct kernel *k, uint32_t pages)
{
	struct nlmsghdr *nlh = begin(k, k->family, RAMSTER_CMD_HOME, 0);

	mnl_attr_put_u32(nlh, RAMSTER_A_COUNT, pages);
	return command(k, nlh);
}

int kernel_lent_group(struct kernel *k, int fd)
{
	struct nlmsghdr *nlh = begin(k, k->family, RAMSTER_CMD_LENT_GROUP, 0);

	mnl_attr_put_u32(nlh, RAMSTER_A_FD, fd);
	return command(k, nlh);
}

/* ---- Dumps ---- */

/* The next entry of the growing array at *@array, zeroed; NULL and answer->error if memory is short. */
static void *grow(struct answer *answer, void **array, size_t size)
{
	void *grown, *entry;

	if (answer->error)
		return NULL;
	if (!(answer->len & (answer->len - 1))) {
		grown = realloc(*array, size * (answer->len ? 2 * answer->len : 1));
		if (!grown) {
			answer->error = -ENOMEM;
			return NULL;
		}
		*array = grown;
	}
	entry = (char *)*array + size * answer->len++;
	memset(entry, 0, size);
	return entry;
}

static int dump(struct kernel *k, uint8_t cmd, void (*parse)(struct answer *, struct nlattr **), void **array,
		unsigned int *len)
{
	struct answer answer = { .parse = parse, .to = array };
	int ret;

	*array = NULL;
	ret = run(k, begin(k, k->family, cmd, NLM_F_DUMP), &answer);
	if (ret) {
		free(*array);
		*array = NULL;
	}
	*len = ret ? 0 : answer.len;
	return ret;
}

static void parse_peer(struct answer *answer, struct nlattr **attrs)
{
	struct kernel_peer *peer = grow(answer, answer->to, sizeof(*peer));

	if (!peer)
		return;
	*peer = (struct kernel_peer){
		.node = get_u32(attrs, RAMSTER_A_NODE),
		.state = get_u32(attrs, RAMSTER_A_STATE),
		.lender_instance = get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
		.extents = get_u32(attrs, RAMSTER_A_EXTENTS),
		.spare = get_u32(attrs, RAMSTER_A_SPARE),
		.leaving = get_u32(attrs, RAMSTER_A_LEAVING),
		.conns = get_u32(attrs, RAMSTER_A_CONNS),
		.rtt_us = get_u32(attrs, RAMSTER_A_RTT_US),
		.space = get_u64(attrs, RAMSTER_A_SPACE),
		.used = get_u64(attrs, RAMSTER_A_USED),
		.pages = get_u64(attrs, RAMSTER_A_PAGES),
	};
}

static void parse_conn(struct answer *answer, struct nlattr **attrs)
{
	struct kernel_conn *conn = grow(answer, answer->to, sizeof(*conn));

	if (!conn)
		return;
	*conn = (struct kernel_conn){
		.node = get_u32(attrs, RAMSTER_A_NODE),
		.conn = get_u32(attrs, RAMSTER_A_CONN),
		.role = get_u32(attrs, RAMSTER_A_ROLE),
		.inflight = get_u32(attrs, RAMSTER_A_INFLIGHT),
		.lender_instance = get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
		.tx_bytes = get_u64(attrs, RAMSTER_A_TX_BYTES),
		.rx_bytes = get_u64(attrs, RAMSTER_A_RX_BYTES),
	};
}

static void parse_lease(struct answer *answer, struct nlattr **attrs)
{
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES];
	unsigned int count = get_leases(attrs, leases);
	struct kernel_lease *lease;

	for (unsigned int i = 0; i < count; i++) {
		lease = grow(answer, answer->to, sizeof(*lease));
		if (!lease)
			return;
		*lease = (struct kernel_lease){
			.node = get_u32(attrs, RAMSTER_A_NODE),
			.extent_size = get_u32(attrs, RAMSTER_A_EXTENT_SIZE),
			.lender_instance = get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
			.lease = leases[i],
		};
	}
}

int kernel_lease_get(struct kernel *k, struct kernel_lease **leases, unsigned int *len)
{
	return dump(k, RAMSTER_CMD_LEASE_GET, parse_lease, (void **)leases, len);
}

static int parse_counter(const struct nlattr *counter, void *data)
{
	struct nlattr *attrs[RAMSTER_A_MAX + 1] = { 0 };
	struct kernel_view *view = data;
	struct kernel_counter *c;

	if (mnl_attr_get_type(counter) != RAMSTER_A_COUNTER || view->counters_len == KERNEL_MAX_COUNTERS)
		return MNL_CB_OK;
	mnl_attr_parse_nested(counter, collect, attrs);
	if (!attrs[RAMSTER_A_COUNTER_NAME] || mnl_attr_validate(attrs[RAMSTER_A_COUNTER_NAME], MNL_TYPE_NUL_STRING))
		return MNL_CB_OK;
	c = &view->counters[view->counters_len++];
	snprintf(c->name, sizeof(c->name), "%s", mnl_attr_get_str(attrs[RAMSTER_A_COUNTER_NAME]));
	c->value = get_u64(attrs, RAMSTER_A_COUNTER_VALUE);
	return MNL_CB_OK;
}

static void parse_status(struct answer *answer, struct nlattr **attrs)
{
	struct kernel_view *view = answer->to;

	view->instance = get_u64(attrs, RAMSTER_A_INSTANCE);
	view->need = get_u64(attrs, RAMSTER_A_NEED);
	view->frontends = get_u32(attrs, RAMSTER_A_FRONTENDS);
	view->counters_len = 0;
	if (attrs[RAMSTER_A_COUNTERS])
		mnl_attr_parse_nested(attrs[RAMSTER_A_COUNTERS], parse_counter, view);
}

/* ---- Events ---- */

static int on_hint(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attrs[RAMSTER_A_MAX + 1] = { 0 };
	struct kernel *k = data;

	if (nlh->nlmsg_type != k->family)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*genl), collect, attrs);
	switch (genl->cmd) {
	case RAMSTER_CMD_EVENT_NEED:
		k->events->need(k->ctx);
		break;
	case RAMSTER_CMD_EVENT_CONN_DOWN:
		k->events->conn_down(k->ctx, get_u32(attrs, RAMSTER_A_NODE), get_u32(attrs, RAMSTER_A_CONN));
		break;
	case RAMSTER_CMD_EVENT_PEER:
		k->events->peer(k->ctx, get_u32(attrs, RAMSTER_A_NODE), get_u32(attrs, RAMSTER_A_STATE));
		break;
	case RAMSTER_CMD_EVENT_LOST:
		k->events->lost(k->ctx, get_u32(attrs, RAMSTER_A_NODE), get_u64(attrs, RAMSTER_A_PAGES));
		break;
	case RAMSTER_CMD_EVENT_VACATED:
		k->events->vacated(k->ctx);
		break;
	}
	return MNL_CB_OK;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct kernel *k = poll->data;
	char buffer[8192];
	ssize_t len;

	/* Lost events do no harm: what they say is read each second too. */
	len = recv(mnl_socket_get_fd(k->hints), buffer, sizeof(buffer), MSG_DONTWAIT);
	if (len > 0)
		mnl_cb_run(buffer, len, 0, 0, on_hint, k);
}

/* ---- Presence ---- */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void disconnect(struct kernel *k)
{
	if (k->poll) {
		uv_close((uv_handle_t *)k->poll, on_poll_closed);
		k->poll = NULL;
	}
	if (k->hints)
		mnl_socket_close(k->hints);
	if (k->commands)
		mnl_socket_close(k->commands);
	k->hints = NULL;
	k->commands = NULL;
}

static int find_group(const struct nlattr *group, void *data)
{
	const struct nlattr *attr, *id = NULL;
	struct kernel *k = data;
	const char *name = "";

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = attr;
	}
	if (id && !strcmp(name, RAMSTER_NL_EVENTS))
		k->group = mnl_attr_get_u32(id);
	return MNL_CB_OK;
}

/* Attribute numbers of the generic netlink controller are small; those that matter here fit the common table. */
static void parse_family(struct answer *answer, struct nlattr **attrs)
{
	struct kernel *k = answer->to;

	if (attrs[CTRL_ATTR_FAMILY_ID])
		k->family = mnl_attr_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	if (attrs[CTRL_ATTR_MCAST_GROUPS])
		mnl_attr_parse_nested(attrs[CTRL_ATTR_MCAST_GROUPS], find_group, k);
}

static struct mnl_socket *open_socket(void)
{
	struct timeval timeout = { .tv_sec = ANSWER_SECONDS };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	int one = 1;

	if (!s)
		return NULL;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(s);
		return NULL;
	}
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &one, sizeof(one));
	return s;
}

static int listen_events(struct kernel *k)
{
	k->hints = open_socket();
	k->poll = calloc(1, sizeof(*k->poll));
	if (!k->hints || !k->poll || uv_poll_init(k->loop, k->poll, mnl_socket_get_fd(k->hints))) {
		free(k->poll);
		k->poll = NULL;
		return -ENOMEM;
	}
	k->poll->data = k;
	if (mnl_socket_setsockopt(k->hints, NETLINK_ADD_MEMBERSHIP, &k->group, sizeof(k->group)) < 0)
		return -errno;
	return uv_poll_start(k->poll, UV_READABLE, on_readable);
}

static int connect_module(struct kernel *k)
{
	struct answer answer = { .parse = parse_family, .to = k };
	struct nlmsghdr *nlh;
	int ret;

	k->family = 0;
	k->commands = open_socket();
	if (!k->commands)
		return -errno;
	nlh = begin(k, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, RAMSTER_NL_NAME);
	ret = run(k, nlh, &answer);
	if (!ret && !k->family)
		ret = -ENOENT;
	if (!ret)
		ret = listen_events(k);
	if (ret)
		disconnect(k);
	return ret;
}

static int read_view(struct kernel *k, struct kernel_view *view)
{
	struct answer answer = { .parse = parse_status, .to = view };
	int ret;

	ret = run(k, begin(k, k->family, RAMSTER_CMD_STATUS_GET, NLM_F_ACK), &answer);
	if (!ret)
		ret = dump(k, RAMSTER_CMD_PEER_GET, parse_peer, (void **)&view->peers, &view->peers_len);
	if (!ret)
		ret = dump(k, RAMSTER_CMD_CONN_GET, parse_conn, (void **)&view->conns, &view->conns_len);
	return ret;
}

int kernel_view_read(struct kernel *k, struct kernel_view *view)
{
	struct kernel_view fresh = { 0 };
	int ret = 0;

	if (!k->commands)
		ret = connect_module(k);
	if (!ret)
		ret = read_view(k, &fresh);
	if (!ret) {
		kernel_view_clear(view);
		*view = fresh;
		return 0;
	}
	kernel_view_clear(&fresh);
	if (ret == -ENOENT)
		kernel_view_clear(view);
	disconnect(k); /* whatever went wrong, the next reading starts afresh */
	return ret;
}

void kernel_view_clear(struct kernel_view *view)
{
	free(view->peers);
	free(view->conns);
	memset(view, 0, sizeof(*view));
}

const struct kernel_peer *kernel_view_peer(const struct kernel_view *view, uint32_t node, uint64_t lender_instance)
{
	const struct kernel_peer *dead = NULL;

	for (unsigned int i = 0; i < view->peers_len; i++) {
		const struct kernel_peer *p = &view->peers[i];

		if (p->node != node || p->lender_instance != lender_instance)
			continue;
		if (p->state != RAMSTER_PEER_DEAD)
			return p;
		dead = p;
	}
	return dead;
}

uint64_t kernel_view_counter(const struct kernel_view *view, const char *name)
{
	for (unsigned int i = 0; i < view->counters_len; i++)
		if (!strcmp(view->counters[i].name, name))
			return view->counters[i].value;
	return 0;
}

struct kernel *kernel_new(uv_loop_t *loop, const struct kernel_events *events, void *ctx)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->loop = loop;
	k->events = events;
	k->ctx = ctx;
	k->seq = time(NULL);
	return k;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	disconnect(k);
	free(k);
}

const char *kernel_error(const struct kernel *k)
{
	return k->error;
}
