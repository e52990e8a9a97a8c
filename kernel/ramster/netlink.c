// SPDX-License-Identifier: GPL-2.0
/*
 * netlink.c - takes ramsterd's commands and answers its questions; its events are netlink_event.c's.
 *
 * No command waits for a peer. Every command holds r2net_peers_lock while it works on a peer.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "conn.h"
#include "counters.h"
#include "deadline.h"
#include "frontswap.h"
#include "lease.h"
#include "lent.h"
#include "move.h"
#include "netlink.h"
#include "nodemanager.h"
#include "peer.h"
#include "remotify.h"

#define DEADLINE_MIN_MS 100
#define DEADLINE_MAX_MS 60000
#define SLOW_DEADLINE_MAX_MS 600000

static u64 instance; /* of this load of the module */

static const struct nla_policy policy[RAMSTER_A_MAX + 1] = {
	[RAMSTER_A_NODE] = NLA_POLICY_MAX(NLA_U32, R2NET_MAX_NODES - 1),
	[RAMSTER_A_LENDER_INSTANCE] = { .type = NLA_U64 },
	[RAMSTER_A_DEADLINE_MS] = { .type = NLA_U32 },
	[RAMSTER_A_SLOW_DEADLINE_MS] = { .type = NLA_U32 },
	[RAMSTER_A_CONN] = NLA_POLICY_MIN(NLA_U32, 1),
	[RAMSTER_A_ROLE] = NLA_POLICY_RANGE(NLA_U32, R2NET_ROLE_DATA, R2NET_ROLE_CONTROL),
	[RAMSTER_A_WINDOW] = NLA_POLICY_RANGE(NLA_U32, 1, R2NET_MAX_WINDOW),
	[RAMSTER_A_FD] = { .type = NLA_U32 },
	[RAMSTER_A_EXTENT_SIZE] = { .type = NLA_U32 },
	[RAMSTER_A_LEASES] = { .type = NLA_BINARY, .len = RAMSTER_NL_MAX_LEASES * sizeof(struct ramster_nl_lease) },
	[RAMSTER_A_COUNT] = { .type = NLA_U32 },
	[RAMSTER_A_KEEP] = { .type = NLA_U32 },
};

/* Whether the attributes named, ended by 0, are all there. */
static int need_attrs(struct genl_info *info, const unsigned char *attrs)
{
	for (; *attrs; attrs++) {
		if (info->attrs[*attrs])
			continue;
		GENL_SET_ERR_MSG(info, "an attribute that this command needs is missing");
		return -EINVAL;
	}
	return 0;
}

/* The peer that NODE and LENDER_INSTANCE name, with r2net_peers_lock taken; or an error, without. */
static struct r2net_peer *lock_peer(struct genl_info *info)
{
	struct r2net_peer *peer;

	r2net_peers_lock();
	peer = r2net_peer_find(nla_get_u32(info->attrs[RAMSTER_A_NODE]),
			       nla_get_u64(info->attrs[RAMSTER_A_LENDER_INSTANCE]));
	if (peer)
		return peer;
	r2net_peers_unlock();
	GENL_SET_ERR_MSG(info, "no such peer: PEER_SET makes it known");
	return ERR_PTR(-ENOENT);
}

static int put_counters(struct sk_buff *msg)
{
	struct nlattr *all = nla_nest_start(msg, RAMSTER_A_COUNTERS), *one;
	const char *name;
	unsigned int i;
	u64 value;

	if (!all)
		return -EMSGSIZE;
	for (i = 0; counter_read(i, &name, &value); i++) {
		one = nla_nest_start(msg, RAMSTER_A_COUNTER);
		if (!one || nla_put_string(msg, RAMSTER_A_COUNTER_NAME, name) ||
		    nla_put_u64_64bit(msg, RAMSTER_A_COUNTER_VALUE, value, RAMSTER_A_PAD))
			return -EMSGSIZE;
		nla_nest_end(msg, one);
	}
	nla_nest_end(msg, all);
	return 0;
}

static u32 frontends(void)
{
	u32 bits = RAMSTER_FRONTEND_SWAPDEV;

	if (frontswap_attached()) {
		bits |= RAMSTER_FRONTEND_FRONTSWAP;
		if (frontswap_may_be_remote())
			bits |= RAMSTER_FRONTEND_FRONTSWAP_REMOTE;
	}
	return bits;
}

static int cmd_status_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE + PAGE_SIZE, GFP_KERNEL);
	void *hdr;

	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &netlink_family, 0, RAMSTER_CMD_STATUS_GET);
	if (!hdr || nla_put_u64_64bit(msg, RAMSTER_A_INSTANCE, instance, RAMSTER_A_PAD) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_NEED, remotify_need(), RAMSTER_A_PAD) ||
	    nla_put_u32(msg, RAMSTER_A_FRONTENDS, frontends()) || put_counters(msg)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int cmd_peer_set(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, RAMSTER_A_DEADLINE_MS,
						RAMSTER_A_SLOW_DEADLINE_MS, 0 };
	struct nodemanager_node *node;
	u32 deadline, slow_deadline;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	deadline = nla_get_u32(info->attrs[RAMSTER_A_DEADLINE_MS]);
	slow_deadline = nla_get_u32(info->attrs[RAMSTER_A_SLOW_DEADLINE_MS]);
	if (deadline < DEADLINE_MIN_MS || deadline > DEADLINE_MAX_MS) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[RAMSTER_A_DEADLINE_MS],
				    "the deadline must lie between 100 and 60000 ms");
		return -ERANGE;
	}
	if (slow_deadline < deadline || slow_deadline > SLOW_DEADLINE_MAX_MS) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[RAMSTER_A_SLOW_DEADLINE_MS],
				    "the slow deadline must lie between the deadline and 600000 ms");
		return -ERANGE;
	}
	node = nodemanager_get(nla_get_u32(info->attrs[RAMSTER_A_NODE]));
	if (IS_ERR(node)) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[RAMSTER_A_NODE], "no node of that number in configfs");
		return PTR_ERR(node);
	}
	r2net_peers_lock();
	r2net_peers_reap();
	err = r2net_peer_set(node, nla_get_u64(info->attrs[RAMSTER_A_LENDER_INSTANCE]), deadline, slow_deadline);
	r2net_peers_unlock();
	if (err)
		nodemanager_put(node);
	return min(err, 0);
}

static int cmd_peer_dead(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, 0 };
	struct r2net_peer *peer;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	peer = lock_peer(info);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	r2net_peer_dead(peer);
	r2net_peers_reap();
	r2net_peers_unlock();
	return 0;
}

static int cmd_peer_away(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, 0 };
	struct r2net_peer *peer;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	peer = lock_peer(info);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	deadline_away(peer);
	r2net_peers_unlock();
	return 0;
}

static int cmd_conn_add(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE,
						RAMSTER_A_LENDER_INSTANCE,
						RAMSTER_A_CONN,
						RAMSTER_A_ROLE,
						RAMSTER_A_WINDOW,
						RAMSTER_A_FD,
						0 };
	struct r2net_peer *peer;
	const char *text = NULL;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	peer = lock_peer(info);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	r2net_peer_get(peer);
	/* Threads are made, which takes memory as others have it: whoever frees some must not wait for this. */
	r2net_peers_unlock();
	err = r2net_conn_add(peer, nla_get_u32(info->attrs[RAMSTER_A_CONN]), nla_get_u32(info->attrs[RAMSTER_A_ROLE]),
			     nla_get_u32(info->attrs[RAMSTER_A_WINDOW]), nla_get_u32(info->attrs[RAMSTER_A_FD]), &text);
	r2net_peer_put(peer);
	if (err && info->extack)
		info->extack->_msg = text;
	if (!err)
		remotify_wake();
	return err;
}

static int cmd_conn_del(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_CONN, 0 };
	struct r2net_conn *conn, *next;
	struct r2net_peer *peer;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	err = -ENOENT;
	r2net_peers_lock();
	list_for_each_entry(peer, &r2net_peers, link) {
		if (peer->node != nla_get_u32(info->attrs[RAMSTER_A_NODE]))
			continue;
		spin_lock(&peer->lock);
		list_for_each_entry_safe(conn, next, &peer->conns, link) {
			if (conn->number != nla_get_u32(info->attrs[RAMSTER_A_CONN]))
				continue;
			r2net_conn_abort_locked(conn);
			err = 0;
		}
		spin_unlock(&peer->lock);
	}
	r2net_peers_unlock();
	if (err)
		GENL_SET_ERR_MSG(info, "no such connection");
	return err;
}

static int cmd_lease_add(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, RAMSTER_A_EXTENT_SIZE,
						RAMSTER_A_LEASES, 0 };
	const struct ramster_nl_lease *leases;
	struct r2net_peer *peer;
	int err = need_attrs(info, needed), len;

	if (err)
		return err;
	leases = nla_data(info->attrs[RAMSTER_A_LEASES]);
	len = nla_len(info->attrs[RAMSTER_A_LEASES]);
	if (!len || len % sizeof(*leases)) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[RAMSTER_A_LEASES], "not an array of leases");
		return -EINVAL;
	}
	peer = lock_peer(info);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	err = READ_ONCE(peer->state) == RAMSTER_PEER_DEAD
		      ? -EHOSTDOWN
		      : lease_add(peer, nla_get_u32(info->attrs[RAMSTER_A_EXTENT_SIZE]), leases, len / sizeof(*leases));
	r2net_peers_unlock();
	if (err == -EINVAL)
		GENL_SET_ERR_MSG(info, "extents must be multiples of 2 MiB, up to 64 MiB");
	else if (err == -EEXIST)
		GENL_SET_ERR_MSG(info, "one of these leases is known already");
	else if (err == -EHOSTDOWN)
		GENL_SET_ERR_MSG(info, "the peer is dead");
	if (!err) {
		remotify_wake();
		move_wake();
	}
	return err;
}

static int put_leases(struct sk_buff *msg, const struct r2net_peer *peer, u32 size,
		      const struct ramster_nl_lease *leases, unsigned int nr)
{
	if (nla_put_u32(msg, RAMSTER_A_NODE, peer->node) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_LENDER_INSTANCE, peer->lender_instance, RAMSTER_A_PAD) ||
	    nla_put_u32(msg, RAMSTER_A_EXTENT_SIZE, size) ||
	    nla_put(msg, RAMSTER_A_LEASES, nr * sizeof(*leases), leases))
		return -EMSGSIZE;
	return 0;
}

/* Collects empty extents of all incarnations of a node; a reply names only one of them. */
static int cmd_lease_return(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, RAMSTER_A_COUNT, 0 };
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES];
	struct r2net_peer *peer;
	struct sk_buff *msg;
	u32 nr;
	void *hdr;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	nr = nla_get_u32(info->attrs[RAMSTER_A_COUNT]);
	if (!nr || nr > RAMSTER_NL_MAX_LEASES) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[RAMSTER_A_COUNT], "the count must lie between 1 and 64");
		return -ERANGE;
	}
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	peer = lock_peer(info);
	if (IS_ERR(peer)) {
		nlmsg_free(msg);
		return PTR_ERR(peer);
	}
	nr = lease_return(peer, leases, nr);
	hdr = genlmsg_put_reply(msg, info, &netlink_family, 0, RAMSTER_CMD_LEASE_RETURN);
	err = hdr ? put_leases(msg, peer, 0, leases, nr) : -EMSGSIZE;
	r2net_peers_unlock();
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int cmd_lease_keep(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_NODE, RAMSTER_A_LENDER_INSTANCE, RAMSTER_A_KEEP, 0 };
	struct r2net_peer *peer;
	int err = need_attrs(info, needed);

	if (err)
		return err;
	peer = lock_peer(info);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	lease_keep(peer, nla_get_u32(info->attrs[RAMSTER_A_KEEP]));
	r2net_peers_unlock();
	move_wake();
	return 0;
}

static int cmd_home(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_COUNT, 0 };
	int err = need_attrs(info, needed);

	if (!err)
		move_home(nla_get_u32(info->attrs[RAMSTER_A_COUNT]));
	return err;
}

static int cmd_lent_group(struct sk_buff *skb, struct genl_info *info)
{
	static const unsigned char needed[] = { RAMSTER_A_FD, 0 };
	int err = need_attrs(info, needed);

	if (err)
		return err;
	err = lent_set_group(nla_get_u32(info->attrs[RAMSTER_A_FD]));
	if (err == -EOPNOTSUPP)
		GENL_SET_ERR_MSG(info, "this kernel does not account memory by control group (CONFIG_MEMCG)");
	else if (err)
		GENL_SET_ERR_MSG(info, "that is no control group of a cgroup2 file system");
	return err;
}

static unsigned int peer_nr_conns(struct r2net_peer *peer)
{
	struct r2net_conn *conn;
	unsigned int nr = 0;

	spin_lock(&peer->lock);
	list_for_each_entry(conn, &peer->conns, link)
		nr++;
	spin_unlock(&peer->lock);
	return nr;
}

static int put_peer(struct sk_buff *msg, struct r2net_peer *peer)
{
	struct lease_space space;

	lease_space_read(&peer->space, &space);
	if (nla_put_u32(msg, RAMSTER_A_NODE, peer->node) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_LENDER_INSTANCE, peer->lender_instance, RAMSTER_A_PAD) ||
	    nla_put_u32(msg, RAMSTER_A_STATE, READ_ONCE(peer->state)) ||
	    nla_put_u32(msg, RAMSTER_A_EXTENTS, space.nr) || nla_put_u32(msg, RAMSTER_A_LEAVING, space.leaving) ||
	    nla_put_u32(msg, RAMSTER_A_SPARE, space.nr - space.backing) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_SPACE, space.bytes, RAMSTER_A_PAD) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_USED, space.used, RAMSTER_A_PAD) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_PAGES, space.pages, RAMSTER_A_PAD) ||
	    nla_put_u32(msg, RAMSTER_A_CONNS, peer_nr_conns(peer)) ||
	    nla_put_u32(msg, RAMSTER_A_RTT_US, READ_ONCE(peer->rtt_us)))
		return -EMSGSIZE;
	return 0;
}

/*
 * Dumps go through the objects in order: cb->args[0] objects have been sent. A peer's extents take several messages:
 * of the next peer cb->args[1] have been.
 */
static int dump_peers(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct r2net_peer *peer;
	long i = 0;
	void *hdr;

	r2net_peers_lock();
	if (!cb->args[0])
		r2net_peers_reap(); /* also those whose last page was freed by now */
	list_for_each_entry(peer, &r2net_peers, link) {
		if (i++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &netlink_family, NLM_F_MULTI,
				  RAMSTER_CMD_PEER_GET);
		if (!hdr)
			break;
		if (put_peer(skb, peer)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = i;
	}
	r2net_peers_unlock();
	return skb->len;
}

static int put_conn(struct sk_buff *msg, const struct r2net_conn *conn)
{
	if (nla_put_u32(msg, RAMSTER_A_NODE, conn->peer->node) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_LENDER_INSTANCE, conn->peer->lender_instance, RAMSTER_A_PAD) ||
	    nla_put_u32(msg, RAMSTER_A_CONN, conn->number) || nla_put_u32(msg, RAMSTER_A_ROLE, conn->role) ||
	    nla_put_u32(msg, RAMSTER_A_INFLIGHT, conn->nr_inflight) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_TX_BYTES, READ_ONCE(conn->tx_bytes), RAMSTER_A_PAD) ||
	    nla_put_u64_64bit(msg, RAMSTER_A_RX_BYTES, READ_ONCE(conn->rx_bytes), RAMSTER_A_PAD))
		return -EMSGSIZE;
	return 0;
}

/* Returns false when the message is full. */
static bool dump_peer_conns(struct sk_buff *skb, struct netlink_callback *cb, struct r2net_peer *peer, long *i)
{
	struct r2net_conn *conn;
	bool room = true;
	void *hdr;

	spin_lock(&peer->lock);
	list_for_each_entry(conn, &peer->conns, link) {
		if ((*i)++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &netlink_family, NLM_F_MULTI,
				  RAMSTER_CMD_CONN_GET);
		room = hdr && !put_conn(skb, conn);
		if (!room) {
			if (hdr)
				genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = *i;
	}
	spin_unlock(&peer->lock);
	return room;
}

static int dump_conns(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct r2net_peer *peer;
	long i = 0;

	r2net_peers_lock();
	list_for_each_entry(peer, &r2net_peers, link)
		if (!dump_peer_conns(skb, cb, peer, &i))
			break;
	r2net_peers_unlock();
	return skb->len;
}

/* Returns false when the message is full. */
static bool dump_peer_leases(struct sk_buff *skb, struct netlink_callback *cb, struct r2net_peer *peer)
{
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES];
	u32 size, from = cb->args[1];
	unsigned int nr;
	void *hdr;

	while ((nr = lease_list(peer, &from, &size, leases, ARRAY_SIZE(leases)))) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &netlink_family, NLM_F_MULTI,
				  RAMSTER_CMD_LEASE_GET);
		if (!hdr)
			return false;
		if (put_leases(skb, peer, size, leases, nr)) {
			genlmsg_cancel(skb, hdr);
			return false;
		}
		genlmsg_end(skb, hdr);
		cb->args[1] = from;
	}
	return true;
}

static int dump_leases(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct r2net_peer *peer;
	long i = 0;

	r2net_peers_lock();
	list_for_each_entry(peer, &r2net_peers, link) {
		if (i++ < cb->args[0])
			continue;
		if (READ_ONCE(peer->state) != RAMSTER_PEER_DEAD && !dump_peer_leases(skb, cb, peer))
			break;
		cb->args[0] = i;
		cb->args[1] = 0;
	}
	r2net_peers_unlock();
	return skb->len;
}

static const struct genl_small_ops ops[] = {
	{ .cmd = RAMSTER_CMD_STATUS_GET, .doit = cmd_status_get, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_PEER_SET, .doit = cmd_peer_set, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_PEER_GET, .dumpit = dump_peers, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_PEER_DEAD, .doit = cmd_peer_dead, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_PEER_AWAY, .doit = cmd_peer_away, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_CONN_ADD, .doit = cmd_conn_add, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_CONN_DEL, .doit = cmd_conn_del, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_CONN_GET, .dumpit = dump_conns, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_LEASE_ADD, .doit = cmd_lease_add, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_LEASE_GET, .dumpit = dump_leases, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_LEASE_RETURN, .doit = cmd_lease_return, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_LEASE_KEEP, .doit = cmd_lease_keep, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_LENT_GROUP, .doit = cmd_lent_group, .flags = GENL_ADMIN_PERM },
	{ .cmd = RAMSTER_CMD_HOME, .doit = cmd_home, .flags = GENL_ADMIN_PERM },
};

static const struct genl_multicast_group groups[] = { { .name = RAMSTER_NL_EVENTS } };

struct genl_family netlink_family __ro_after_init = {
	.name = RAMSTER_NL_NAME,
	.version = RAMSTER_NL_VERSION,
	.maxattr = RAMSTER_A_MAX,
	.policy = policy,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int netlink_init(void)
{
	do {
		get_random_bytes(&instance, sizeof(instance));
	} while (!instance);
	return genl_register_family(&netlink_family);
}

void netlink_exit(void)
{
	genl_unregister_family(&netlink_family);
}
