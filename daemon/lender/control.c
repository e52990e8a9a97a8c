// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * control - see control.h.
 *
 * A FENCE is answered when the connection that it names has left; until then PINGs go on being answered. So fences wait
 * in a list, looked through each time the eventfd says that a connection of this owner has left.
 *
 * These requests take no turn of the gate: a turn lasts as long as lent memory takes to come from swap, and by PING a slow
 * lender is told from a dead one. So that a flood of them is not served beyond an owner's share, it is slowed down instead.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "daemon/lender/bucket.h"
#include "daemon/lender/control.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/owner.h"

#define NS_PER_MS 1000000

/* Requests a second on a connection, in place of a bucket's bytes: a whole window may come at once, and far fewer do. */
#define CONTROL_RATE (R2NET_MAX_WINDOW * UINT64_C(1000000000) / BUCKET_BURST_NS)

struct fence {
	__le64 tag;
	uint32_t number; /* of the connection that it waits for */
};

struct fences {
	struct fence waiting[R2NET_MAX_WINDOW];
	unsigned int count;
};

/* Answers the fences whose connections have left. */
static bool fences_answer(struct connection *conn, struct fences *fences)
{
	unsigned int i = 0;
	struct fence done;

	while (i < fences->count) {
		if (owner_has(conn, fences->waiting[i].number)) {
			i++;
			continue;
		}
		done = fences->waiting[i];
		fences->waiting[i] = fences->waiting[--fences->count];
		if (!connection_answer(conn, done.tag, R2NET_OK))
			return false;
	}
	return true;
}

static bool fence(struct connection *conn, struct fences *fences, __le64 tag)
{
	struct r2net_fence request;
	enum r2net_status status;
	uint32_t number;

	if (!connection_receive(conn, &request, sizeof(request))) {
		connection_malformed(conn, "FENCE cut short");
		return false;
	}
	if (request.reserved) {
		connection_malformed(conn, "FENCE with a reserved field set");
		return false;
	}
	if (fences->count == R2NET_MAX_WINDOW) {
		connection_malformed(conn, "more FENCEs in flight than the window");
		return false;
	}
	number = le32_to_cpu(request.conn);
	status = owner_fence(conn, number);
	if (status != R2NET_OK)
		return connection_answer(conn, tag, status);
	fences->waiting[fences->count++] = (struct fence){ .tag = tag, .number = number };
	return fences_answer(conn, fences);
}

static bool serve_request(struct connection *conn, struct fences *fences)
{
	struct r2net_hdr hdr;
	size_t got;

	got = connection_begin(conn, &hdr, sizeof(hdr));
	if (!got)
		return false;
	if (got < sizeof(hdr) && !connection_receive(conn, (uint8_t *)&hdr + got, sizeof(hdr) - got)) {
		connection_malformed(conn, "header cut short");
		return false;
	}
	if (!r2net_request_valid(&hdr, R2NET_ROLE_CONTROL)) {
		connection_malformed(conn, "not a PING or FENCE");
		return false;
	}
	if (hdr.type == R2NET_PING)
		return connection_answer(conn, hdr.tag, R2NET_OK);
	return fence(conn, fences, hdr.tag);
}

static void wait_for_rate(struct connection *conn, struct bucket *bucket)
{
	uint64_t ns = bucket_take(bucket, 1, monotonic_ms() * NS_PER_MS);

	if (ns)
		connection_pause(conn, ns);
}

void control_serve(struct connection *conn)
{
	struct bucket bucket = { .rate = CONTROL_RATE };
	struct pollfd fds[] = { { .fd = conn->fd, .events = POLLIN }, { .fd = conn->wake, .events = POLLIN } };
	struct fences fences = { .count = 0 };
	eventfd_t events;

	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents) {
			eventfd_read(conn->wake, &events);
			if (!fences_answer(conn, &fences))
				break;
		}
		if (!fds[0].revents)
			continue;
		wait_for_rate(conn, &bucket);
		if (atomic_load(&conn->shut) || !serve_request(conn, &fences))
			break;
	}
}
