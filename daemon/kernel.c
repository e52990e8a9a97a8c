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
#include "daemon/kernel_nl.h"

#define ANSWER_SECONDS 5

/* ---- Attributes ---- */

int kernel_collect(const struct nlattr *attr, void *data)
{
	struct nlattr **attrs = data;

	if (mnl_attr_get_type(attr) <= RAMSTER_A_MAX)
		attrs[mnl_attr_get_type(attr)] = (struct nlattr *)attr;
	return MNL_CB_OK;
}

uint32_t kernel_get_u32(struct nlattr **attrs, unsigned int type)
{
	return attrs[type] && mnl_attr_get_payload_len(attrs[type]) == 4 ? mnl_attr_get_u32(attrs[type]) : 0;
}

uint64_t kernel_get_u64(struct nlattr **attrs, unsigned int type)
{
	return attrs[type] && mnl_attr_get_payload_len(attrs[type]) == 8 ? mnl_attr_get_u64(attrs[type]) : 0;
}

unsigned int kernel_get_leases(struct nlattr **attrs, struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES])
{
	size_t len = attrs[RAMSTER_A_LEASES] ? mnl_attr_get_payload_len(attrs[RAMSTER_A_LEASES]) : 0;

	if (len > RAMSTER_NL_MAX_LEASES * sizeof(*leases))
		len = RAMSTER_NL_MAX_LEASES * sizeof(*leases);
	if (len)
		memcpy(leases, mnl_attr_get_payload(attrs[RAMSTER_A_LEASES]), len);
	return len / sizeof(*leases);
}

/* ---- Commands ---- */

struct nlmsghdr *kernel_begin(struct kernel *k, uint16_t family, uint8_t cmd, uint16_t flags)
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
	struct kernel_answer *answer = data;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), kernel_collect, attrs);
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
	struct kernel_answer *answer = data;
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

/* Sends a command and reads all of its answer. Returns 0 or -errno. */
static int exchange(struct kernel *k, const struct nlmsghdr *nlh, struct kernel_answer *answer)
{
	static mnl_cb_t control[NLMSG_MIN_TYPE] = { [NLMSG_ERROR] = on_ack, [NLMSG_DONE] = on_done };
	unsigned int portid = mnl_socket_get_portid(k->commands);
	ssize_t len;
	int ret;

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
	return ret < 0 ? -errno : answer->error;
}

int kernel_run(struct kernel *k, struct nlmsghdr *nlh, struct kernel_answer *answer)
{
	int ret;

	k->error[0] = 0;
	answer->kernel = k;
	ret = k->commands ? exchange(k, nlh, answer) : -ENOENT;
	if (ret && !k->error[0])
		snprintf(k->error, sizeof(k->error), "%s", strerror(-ret));
	return ret;
}

static int command(struct kernel *k, struct nlmsghdr *nlh)
{
	struct kernel_answer answer = { 0 };

	nlh->nlmsg_flags |= NLM_F_ACK;
	return kernel_run(k, nlh, &answer);
}

static struct nlmsghdr *begin_peer(struct kernel *k, uint8_t cmd, uint32_t node, uint64_t lender_instance)
{
	struct nlmsghdr *nlh = kernel_begin(k, k->family, cmd, 0);

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

static void parse_returned(struct kernel_answer *answer, struct nlattr **attrs)
{
	answer->len = kernel_get_leases(attrs, answer->to);
}

int kernel_lease_return(struct kernel *k, uint32_t node, uint64_t lender_instance, unsigned int count,
			struct ramster_nl_lease *leases, unsigned int *len)
{
	struct nlmsghdr *nlh = begin_peer(k, RAMSTER_CMD_LEASE_RETURN, node, lender_instance);
	struct kernel_answer answer = { .parse = parse_returned, .to = leases };
	int ret;

	mnl_attr_put_u32(nlh, RAMSTER_A_COUNT, count);
	nlh->nlmsg_flags |= NLM_F_ACK;
	ret = kernel_run(k, nlh, &answer);
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
	struct nlmsghdr *nlh = kernel_begin(k, k->family, RAMSTER_CMD_HOME, 0);

	mnl_attr_put_u32(nlh, RAMSTER_A_COUNT, pages);
	return command(k, nlh);
}

int kernel_lent_group(struct kernel *k, int fd)
{
	struct nlmsghdr *nlh = kernel_begin(k, k->family, RAMSTER_CMD_LENT_GROUP, 0);

	mnl_attr_put_u32(nlh, RAMSTER_A_FD, fd);
	return command(k, nlh);
}

/* ---- Events ---- */

static int on_hint(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attrs[RAMSTER_A_MAX + 1] = { 0 };
	struct kernel *k = data;

	if (nlh->nlmsg_type != k->family)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*genl), kernel_collect, attrs);
	switch (genl->cmd) {
	case RAMSTER_CMD_EVENT_NEED:
		k->events->need(k->ctx);
		break;
	case RAMSTER_CMD_EVENT_CONN_DOWN:
		k->events->conn_down(k->ctx, kernel_get_u32(attrs, RAMSTER_A_NODE),
				     kernel_get_u32(attrs, RAMSTER_A_CONN));
		break;
	case RAMSTER_CMD_EVENT_PEER:
		k->events->peer(k->ctx, kernel_get_u32(attrs, RAMSTER_A_NODE), kernel_get_u32(attrs, RAMSTER_A_STATE));
		break;
	case RAMSTER_CMD_EVENT_LOST:
		k->events->lost(k->ctx, kernel_get_u32(attrs, RAMSTER_A_NODE), kernel_get_u64(attrs, RAMSTER_A_PAGES));
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
static void parse_family(struct kernel_answer *answer, struct nlattr **attrs)
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
	struct kernel_answer answer = { .parse = parse_family, .to = k };
	struct nlmsghdr *nlh;
	int ret;

	k->family = 0;
	k->commands = open_socket();
	if (!k->commands)
		return -errno;
	nlh = kernel_begin(k, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, RAMSTER_NL_NAME);
	ret = kernel_run(k, nlh, &answer);
	if (!ret && !k->family)
		ret = -ENOENT;
	if (!ret)
		ret = listen_events(k);
	if (ret)
		disconnect(k);
	return ret;
}

int kernel_view_read(struct kernel *k, struct kernel_view *view)
{
	struct kernel_view fresh = { 0 };
	int ret = 0;

	if (!k->commands)
		ret = connect_module(k);
	if (!ret)
		ret = kernel_view_fill(k, &fresh);
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
