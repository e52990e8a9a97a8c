// SPDX-License-Identifier: GPL-2.0-or-later
/* message - see message.h. */
#include "daemon/control.h"
#include "proto/r2net.h"
#include "tests/fuzz/message.h"

#define LEASES 80

static Ramster__Lease leases[LEASES], *pointers[LEASES];
static uint8_t token[R2NET_TOKEN_LEN + 1];

/* Mostly @usual; or one of the three after it, or 0. */
static uint64_t instance(struct input *in, uint64_t usual)
{
	unsigned int which = take_u8(in);

	return which < 0xc0 ? usual + which / 0x40 : which < 0xe0 ? 0 : usual;
}

static uint32_t extent_size(struct input *in)
{
	static const uint32_t sizes[] = { 2 << 20, 2 << 20, 2 << 20, 4 << 20, 64 << 20, 66 << 20, 3 << 20, 0 };

	return sizes[take_u8(in) % 8];
}

/* Returns how many. */
static size_t make_leases(struct input *in)
{
	size_t nr = take_u8(in) % (LEASES + 1);
	unsigned int first = take_u8(in), size = extent_size(in);

	for (size_t i = 0; i < nr; i++) {
		leases[i] = (Ramster__Lease)RAMSTER__LEASE__INIT;
		leases[i].extent = first + i;
		leases[i].generation = 1 + first / 0x80 - first / 0xff;
		leases[i].size = size;
		pointers[i] = &leases[i];
	}
	return nr;
}

static void make_hello(struct input *in, const struct message_names *names, Ramster__Message *m)
{
	static Ramster__Hello hello;
	unsigned int wrong = take_u8(in);

	hello = (Ramster__Hello)RAMSTER__HELLO__INIT;
	hello.protocol = CONTROL_PROTOCOL + (wrong == 1);
	hello.cluster = wrong == 2 ? "other" : (char *)names->cluster;
	hello.node = names->from + (wrong == 3);
	hello.to = names->to + (wrong == 4);
	hello.owner_instance = instance(in, MESSAGE_MODULE);
	m->body_case = RAMSTER__MESSAGE__BODY_HELLO;
	m->hello = &hello;
}

static void make_advertise(struct input *in, Ramster__Message *m)
{
	static Ramster__Advertise body;
	unsigned int flags = take_u8(in);

	body = (Ramster__Advertise)RAMSTER__ADVERTISE__INIT;
	body.free = (uint64_t)take_u8(in) << 21;
	body.lent = (uint64_t)take_u8(in) << 21;
	body.lender_instance = instance(in, MESSAGE_LENDER);
	body.data_port = flags & 1 ? take_u32(in) : 7701;
	body.borrowing = flags & 2;
	body.draining = flags & 4;
	body.owner_instance = instance(in, MESSAGE_MODULE);
	m->body_case = RAMSTER__MESSAGE__BODY_ADVERTISE;
	m->advertise = &body;
}

static void make_request(struct input *in, Ramster__Message *m)
{
	static Ramster__LeaseRequest body;

	body = (Ramster__LeaseRequest)RAMSTER__LEASE_REQUEST__INIT;
	body.owner_instance = instance(in, MESSAGE_MODULE);
	body.count = take_u8(in) % 67;
	body.extent_size = extent_size(in);
	m->body_case = RAMSTER__MESSAGE__BODY_LEASE_REQUEST;
	m->lease_request = &body;
}

static void make_grant(struct input *in, Ramster__Message *m)
{
	static Ramster__LeaseGrant body;
	unsigned int flags = take_u8(in);

	body = (Ramster__LeaseGrant)RAMSTER__LEASE_GRANT__INIT;
	body.error = flags & 1 ? take_u8(in) % 10 : 0;
	body.n_leases = make_leases(in);
	body.leases = pointers;
	body.extent_size = extent_size(in);
	body.token.data = token;
	body.token.len = R2NET_TOKEN_LEN + (flags & 2 ? 1 : 0) - (flags & 4 ? 1 : 0);
	body.lender_instance = instance(in, MESSAGE_LENDER);
	body.data_port = flags & 8 ? take_u32(in) : 7701;
	m->body_case = RAMSTER__MESSAGE__BODY_LEASE_GRANT;
	m->lease_grant = &body;
}

static void make_return(struct input *in, const struct message_names *names, Ramster__Message *m)
{
	static Ramster__LeaseReturn body;

	body = (Ramster__LeaseReturn)RAMSTER__LEASE_RETURN__INIT;
	body.owner_instance = instance(in, MESSAGE_MODULE);
	body.lender_instance = instance(in, names->lender);
	body.n_leases = make_leases(in);
	body.leases = pointers;
	m->body_case = RAMSTER__MESSAGE__BODY_LEASE_RETURN;
	m->lease_return = &body;
}

static void make_list(struct input *in, Ramster__Message *m)
{
	static Ramster__ListLeases ask;
	static Ramster__LeaseList list;
	unsigned int flags = take_u8(in);

	if (flags & 1) {
		ask = (Ramster__ListLeases)RAMSTER__LIST_LEASES__INIT;
		ask.owner_instance = instance(in, MESSAGE_MODULE);
		m->body_case = RAMSTER__MESSAGE__BODY_LIST_LEASES;
		m->list_leases = &ask;
		return;
	}
	list = (Ramster__LeaseList)RAMSTER__LEASE_LIST__INIT;
	list.lender_instance = instance(in, MESSAGE_LENDER);
	list.n_leases = make_leases(in);
	list.leases = pointers;
	list.last = !(flags & 2);
	m->body_case = RAMSTER__MESSAGE__BODY_LEASE_LIST;
	m->lease_list = &list;
}

static void make_revoke(struct input *in, const struct message_names *names, Ramster__Message *m)
{
	static Ramster__LeaseRevoke body;
	unsigned int keep = take_u8(in);

	body = (Ramster__LeaseRevoke)RAMSTER__LEASE_REVOKE__INIT;
	body.owner_instance = instance(in, names->module);
	body.lender_instance = instance(in, MESSAGE_LENDER);
	body.keep = keep == 0xff ? UINT32_MAX : keep;
	m->body_case = RAMSTER__MESSAGE__BODY_LEASE_REVOKE;
	m->lease_revoke = &body;
}

/* Those that have no more than a word. */
static void make_short(struct input *in, Ramster__Message *m)
{
	static Ramster__Refuse refuse;
	static Ramster__Ping ping;
	static Ramster__Drain drain;
	unsigned int what = take_u8(in);

	refuse = (Ramster__Refuse)RAMSTER__REFUSE__INIT;
	ping = (Ramster__Ping)RAMSTER__PING__INIT;
	drain = (Ramster__Drain)RAMSTER__DRAIN__INIT;
	if (what % 3 == 0) {
		m->body_case = RAMSTER__MESSAGE__BODY_PING;
		m->ping = &ping;
	} else if (what % 3 == 1) {
		drain.on = what & 4;
		m->body_case = RAMSTER__MESSAGE__BODY_DRAIN;
		m->drain = &drain;
	} else {
		refuse.reason = what & 4 ? "a reason\nof \x7f two lines" : "";
		m->body_case = RAMSTER__MESSAGE__BODY_REFUSE;
		m->refuse = &refuse;
	}
}

size_t message_make(struct input *in, const struct message_names *names, uint8_t bytes[MESSAGE_MAX])
{
	Ramster__Message m = RAMSTER__MESSAGE__INIT;
	size_t len;

	switch (take_u8(in) % 8) {
	case 0:
		make_hello(in, names, &m);
		break;
	case 1:
		make_advertise(in, &m);
		break;
	case 2:
		make_request(in, &m);
		break;
	case 3:
		make_grant(in, &m);
		break;
	case 4:
		make_return(in, names, &m);
		break;
	case 5:
		make_list(in, &m);
		break;
	case 6:
		make_revoke(in, names, &m);
		break;
	default:
		make_short(in, &m);
	}
	len = ramster__message__get_packed_size(&m);
	check(len <= MESSAGE_MAX);
	return ramster__message__pack(&m, bytes);
}
