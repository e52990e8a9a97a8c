// SPDX-License-Identifier: GPL-2.0
/*
 * hedge.c - finds READs that have waited too long for their peer.
 */
#include <linux/minmax.h>

#include "conn.h"
#include "hedge.h"
#include "peer.h"
#include "request.h"

#define HEDGE_RETRY (HZ / 50) /* while no other peer can be asked */

/* What has waited long enough: a reference each. */
struct waiting {
	struct r2net_request *req[32];
	unsigned int nr;
	unsigned long next; /* jiffies until there will be more; 0: not as it looks now */
};

void hedge_watch(struct r2net_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	queue_delayed_work(r2net_wq, &peer->hedge, HEDGE_AFTER);
}

void hedge_avoid(struct r2net_peer *peer)
{
	WRITE_ONCE(peer->slow_until, jiffies + HEDGE_AVOID);
}

static void look_again(struct waiting *waiting, unsigned long after)
{
	waiting->next = waiting->next ? min(waiting->next, after) : after;
}

static void look(struct r2net_request *req, struct waiting *waiting)
{
	unsigned long waited = jiffies - req->submitted;

	if (!req->hedge || req->hedged || !r2net_request_undone(req))
		return;
	if (waited < HEDGE_AFTER) {
		look_again(waiting, HEDGE_AFTER - waited);
	} else if (waiting->nr == ARRAY_SIZE(waiting->req)) {
		look_again(waiting, 1);
	} else {
		refcount_inc(&req->ref);
		req->hedged = true;
		waiting->req[waiting->nr++] = req;
	}
}

/* What is not sent yet. Once others have answered it all it need not be: that is looked for, too. */
static void look_through(struct list_head *queue, struct waiting *waiting)
{
	struct r2net_request *req;

	list_for_each_entry(req, queue, link) {
		if (req->hedged)
			look_again(waiting, HEDGE_AFTER);
		look(req, waiting);
	}
}

static void look_at_all(struct r2net_peer *peer, struct waiting *waiting)
{
	struct r2net_conn *conn;
	unsigned int i;

	lockdep_assert_held(&peer->lock);
	list_for_each_entry(conn, &peer->conns, link) {
		for (i = 0; i < R2NET_MAX_WINDOW; i++)
			if (conn->inflight[i])
				look(conn->inflight[i], waiting);
		look_through(&conn->urgent, waiting);
	}
	look_through(&peer->waiting, waiting);
}

static void hedge_work(struct work_struct *work)
{
	struct r2net_peer *peer = container_of(work, struct r2net_peer, hedge.work);
	struct waiting waiting = { .nr = 0 };
	struct r2net_request *req;
	unsigned int i;

	r2net_peer_drop_unsent(peer);
	spin_lock(&peer->lock);
	look_at_all(peer, &waiting);
	spin_unlock(&peer->lock);
	for (i = 0; i < waiting.nr; i++) {
		req = waiting.req[i];
		if (req->ops->hedge(req, jiffies_to_usecs(jiffies - req->submitted))) {
			hedge_avoid(peer);
			look_again(&waiting, HEDGE_AFTER);
		} else {
			spin_lock(&peer->lock);
			req->hedged = false;
			spin_unlock(&peer->lock);
			look_again(&waiting, HEDGE_RETRY);
		}
		r2net_request_put(req);
	}
	if (waiting.next)
		mod_delayed_work(r2net_wq, &peer->hedge, waiting.next);
}

void hedge_init(struct r2net_peer *peer)
{
	peer->slow_until = jiffies;
	peer->rtt_at = jiffies;
	INIT_DELAYED_WORK(&peer->hedge, hedge_work);
}

void hedge_exit(struct r2net_peer *peer)
{
	cancel_delayed_work_sync(&peer->hedge);
}
