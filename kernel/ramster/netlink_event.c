// SPDX-License-Identifier: GPL-2.0
/*
 * netlink_event.c - tells ramsterd what has happened, if it listens: hints, which may be lost.
 */
#include <linux/jiffies.h>
#include <net/genetlink.h>

#include "netlink.h"

/* Begins an event; NULL if nobody listens. */
static struct sk_buff *event_new(u8 cmd, void **hdr)
{
	struct sk_buff *msg;

	if (!genl_has_listeners(&netlink_family, &init_net, 0))
		return NULL;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_NOWAIT | __GFP_NOWARN);
	if (!msg)
		return NULL;
	*hdr = genlmsg_put(msg, 0, 0, &netlink_family, 0, cmd);
	if (*hdr)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static void event_send(struct sk_buff *msg, void *hdr, int err)
{
	if (err) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	genlmsg_multicast(&netlink_family, msg, 0, 0, GFP_NOWAIT | __GFP_NOWARN);
}

void netlink_event_need(u64 bytes)
{
	static unsigned long last;
	struct sk_buff *msg;
	void *hdr;

	/* ramsterd also asks by itself: a hint now and then is enough. */
	if (time_before(jiffies, READ_ONCE(last) + HZ / 10))
		return;
	WRITE_ONCE(last, jiffies);
	msg = event_new(RAMSTER_CMD_EVENT_NEED, &hdr);
	if (msg)
		event_send(msg, hdr, nla_put_u64_64bit(msg, RAMSTER_A_NEED, bytes, RAMSTER_A_PAD));
}

void netlink_event_conn_down(u32 node, u32 conn)
{
	struct sk_buff *msg;
	void *hdr;

	msg = event_new(RAMSTER_CMD_EVENT_CONN_DOWN, &hdr);
	if (msg)
		event_send(msg, hdr, nla_put_u32(msg, RAMSTER_A_NODE, node) ?: nla_put_u32(msg, RAMSTER_A_CONN, conn));
}

void netlink_event_peer(u32 node, enum ramster_nl_peer_state state)
{
	struct sk_buff *msg;
	void *hdr;

	msg = event_new(RAMSTER_CMD_EVENT_PEER, &hdr);
	if (msg)
		event_send(msg, hdr,
			   nla_put_u32(msg, RAMSTER_A_NODE, node) ?: nla_put_u32(msg, RAMSTER_A_STATE, state));
}

void netlink_event_lost(u32 node, u64 pages)
{
	struct sk_buff *msg;
	void *hdr;

	msg = event_new(RAMSTER_CMD_EVENT_LOST, &hdr);
	if (msg)
		event_send(msg, hdr,
			   nla_put_u32(msg, RAMSTER_A_NODE, node)
				   ?: nla_put_u64_64bit(msg, RAMSTER_A_PAGES, pages, RAMSTER_A_PAD));
}

void netlink_event_vacated(void)
{
	static unsigned long last;
	struct sk_buff *msg;
	void *hdr;

	/* What comes meanwhile ramsterd finds by itself, a second later at most. */
	if (time_before(jiffies, last + HZ / 4))
		return;
	last = jiffies;

	msg = event_new(RAMSTER_CMD_EVENT_VACATED, &hdr);
	if (msg)
		event_send(msg, hdr, 0);
}
