// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_view - what the module says of itself: its answers as structs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kernel.h"
#include "daemon/kernel_nl.h"

/* The next entry of the growing array at *@array, zeroed; NULL and answer->error if memory is short. */
static void *grow(struct kernel_answer *answer, void **array, size_t size)
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

static int dump(struct kernel *k, uint8_t cmd, void (*parse)(struct kernel_answer *, struct nlattr **), void **array,
		unsigned int *len)
{
	struct kernel_answer answer = { .parse = parse, .to = array };
	int ret;

	*array = NULL;
	ret = kernel_run(k, kernel_begin(k, k->family, cmd, NLM_F_DUMP), &answer);
	if (ret) {
		free(*array);
		*array = NULL;
	}
	*len = ret ? 0 : answer.len;
	return ret;
}

static void parse_peer(struct kernel_answer *answer, struct nlattr **attrs)
{
	struct kernel_peer *peer = grow(answer, answer->to, sizeof(*peer));

	if (!peer)
		return;
	*peer = (struct kernel_peer){
		.node = kernel_get_u32(attrs, RAMSTER_A_NODE),
		.state = kernel_get_u32(attrs, RAMSTER_A_STATE),
		.lender_instance = kernel_get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
		.extents = kernel_get_u32(attrs, RAMSTER_A_EXTENTS),
		.spare = kernel_get_u32(attrs, RAMSTER_A_SPARE),
		.leaving = kernel_get_u32(attrs, RAMSTER_A_LEAVING),
		.conns = kernel_get_u32(attrs, RAMSTER_A_CONNS),
		.rtt_us = kernel_get_u32(attrs, RAMSTER_A_RTT_US),
		.space = kernel_get_u64(attrs, RAMSTER_A_SPACE),
		.used = kernel_get_u64(attrs, RAMSTER_A_USED),
		.pages = kernel_get_u64(attrs, RAMSTER_A_PAGES),
	};
}

static void parse_conn(struct kernel_answer *answer, struct nlattr **attrs)
{
	struct kernel_conn *conn = grow(answer, answer->to, sizeof(*conn));

	if (!conn)
		return;
	*conn = (struct kernel_conn){
		.node = kernel_get_u32(attrs, RAMSTER_A_NODE),
		.conn = kernel_get_u32(attrs, RAMSTER_A_CONN),
		.role = kernel_get_u32(attrs, RAMSTER_A_ROLE),
		.inflight = kernel_get_u32(attrs, RAMSTER_A_INFLIGHT),
		.lender_instance = kernel_get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
		.tx_bytes = kernel_get_u64(attrs, RAMSTER_A_TX_BYTES),
		.rx_bytes = kernel_get_u64(attrs, RAMSTER_A_RX_BYTES),
	};
}

static void parse_lease(struct kernel_answer *answer, struct nlattr **attrs)
{
	struct ramster_nl_lease leases[RAMSTER_NL_MAX_LEASES];
	unsigned int count = kernel_get_leases(attrs, leases);
	struct kernel_lease *lease;

	for (unsigned int i = 0; i < count; i++) {
		lease = grow(answer, answer->to, sizeof(*lease));
		if (!lease)
			return;
		*lease = (struct kernel_lease){
			.node = kernel_get_u32(attrs, RAMSTER_A_NODE),
			.extent_size = kernel_get_u32(attrs, RAMSTER_A_EXTENT_SIZE),
			.lender_instance = kernel_get_u64(attrs, RAMSTER_A_LENDER_INSTANCE),
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
	mnl_attr_parse_nested(counter, kernel_collect, attrs);
	if (!attrs[RAMSTER_A_COUNTER_NAME] || mnl_attr_validate(attrs[RAMSTER_A_COUNTER_NAME], MNL_TYPE_NUL_STRING))
		return MNL_CB_OK;
	c = &view->counters[view->counters_len++];
	snprintf(c->name, sizeof(c->name), "%s", mnl_attr_get_str(attrs[RAMSTER_A_COUNTER_NAME]));
	c->value = kernel_get_u64(attrs, RAMSTER_A_COUNTER_VALUE);
	return MNL_CB_OK;
}

static void parse_status(struct kernel_answer *answer, struct nlattr **attrs)
{
	struct kernel_view *view = answer->to;

	view->instance = kernel_get_u64(attrs, RAMSTER_A_INSTANCE);
	view->need = kernel_get_u64(attrs, RAMSTER_A_NEED);
	view->frontends = kernel_get_u32(attrs, RAMSTER_A_FRONTENDS);
	view->counters_len = 0;
	if (attrs[RAMSTER_A_COUNTERS])
		mnl_attr_parse_nested(attrs[RAMSTER_A_COUNTERS], parse_counter, view);
}

int kernel_view_fill(struct kernel *k, struct kernel_view *view)
{
	struct kernel_answer answer = { .parse = parse_status, .to = view };
	int ret;

	ret = kernel_run(k, kernel_begin(k, k->family, RAMSTER_CMD_STATUS_GET, NLM_F_ACK), &answer);
	if (!ret)
		ret = dump(k, RAMSTER_CMD_PEER_GET, parse_peer, (void **)&view->peers, &view->peers_len);
	if (!ret)
		ret = dump(k, RAMSTER_CMD_CONN_GET, parse_conn, (void **)&view->conns, &view->conns_len);
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
