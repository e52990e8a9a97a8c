// SPDX-License-Identifier: GPL-2.0
/*
 * conn.c - sends requests and receives answers on one socket.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "conn.h"
#include "counters.h"
#include "netlink.h"
#include "once.h"
#include "peer.h"
#include "reserve.h"
#include "trace.h"

#define SEND_BUFFERS_CONNS                                                                                             \
	4 /* each connection gets this part of reserve_send_bytes(): as many as there are with two donors */
#define SEND_BUFFER_MIN (64U << 10)
#define SEND_BUFFER_MAX (1U << 20)

static void conn_fail(struct r2net_conn *conn, const char *what, int err)
{
	bool first;

	spin_lock(&conn->peer->lock);
	first = !conn->failed;
	r2net_conn_abort_locked(conn);
	spin_unlock(&conn->peer->lock);
	if (first)
		pr_warn_ratelimited("node %u: connection %u ended: %s (%d)\n", conn->peer->node, conn->number, what,
				    err);
}

void r2net_conn_abort_locked(struct r2net_conn *conn)
{
	lockdep_assert_held(&conn->peer->lock);
	if (conn->failed)
		return;
	WRITE_ONCE(conn->failed, true);
	list_del_init(&conn->link);
	count(connections_failed);
	queue_work(r2net_wq, &conn->teardown);
}

void r2net_conn_queue(struct r2net_conn *conn, struct r2net_request *req)
{
	lockdep_assert_held(&conn->peer->lock);
	if (!r2net_conn_due(conn))
		conn->progress = jiffies;
	req->conn = conn->number;
	list_add_tail(&req->link, req->type == R2NET_WRITE || req->bulk ? &conn->bulk : &conn->urgent);
	ADD_ONCE(conn->nr_queued, 1);
	wake_up(&conn->wake);
}

bool r2net_conn_due(const struct r2net_conn *conn)
{
	const struct r2net_request *req;
	unsigned int i;

	lockdep_assert_held(&conn->peer->lock);
	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		if (conn->inflight[i] && (r2net_request_undone(conn->inflight[i]) || conn->inflight[i]->hedged))
			return true;
	list_for_each_entry(req, &conn->urgent, link)
		if (r2net_request_undone(req))
			return true;
	return !list_empty(&conn->bulk);
}

static bool conn_may_send(struct r2net_conn *conn)
{
	return READ_ONCE(conn->failed) || (READ_ONCE(conn->nr_queued) && READ_ONCE(conn->nr_inflight) < conn->window);
}

/* The next request to send, with a reference and its tag set, or NULL. */
static struct r2net_request *conn_next(struct r2net_conn *conn)
{
	struct r2net_request *req = NULL;
	unsigned int slot;

	spin_lock(&conn->peer->lock);
	if (conn->failed || conn->nr_inflight == conn->window)
		goto out;
	req = list_first_entry_or_null(&conn->urgent, struct r2net_request, link);
	if (!req)
		req = list_first_entry_or_null(&conn->bulk, struct r2net_request, link);
	if (!req)
		goto out;
	list_del_init(&req->link);
	SUB_ONCE(conn->nr_queued, 1);
	for (slot = 0; conn->inflight[slot]; slot++)
		;
	conn->inflight[slot] = req;
	ADD_ONCE(conn->nr_inflight, 1);
	req->tag = ++conn->serial * R2NET_MAX_WINDOW + slot;
	req->sent = ktime_get();
	WRITE_ONCE(conn->sending_since, req->sent);
	refcount_inc(&req->ref);
out:
	spin_unlock(&conn->peer->lock);
	return req;
}

static int conn_send(struct r2net_conn *conn, struct r2net_request *req)
{
	u16 items = req->items ? req->nr : 0;
	size_t table = items * sizeof(*req->items);
	struct r2net_hdr hdr = {
		.magic = cpu_to_le32(R2NET_MAGIC),
		.version = R2NET_VERSION,
		.type = req->type,
		.items = cpu_to_le16(items),
		.length = cpu_to_le32(table + req->payload_length),
		.tag = cpu_to_le64(req->tag),
	};
	struct kvec vec[] = {
		{ &hdr, sizeof(hdr) },
		{ req->items, table },
		{ (void *)req->payload, req->payload_length },
	};
	size_t left = sizeof(hdr) + table + req->payload_length;
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	int sent;

	ADD_ONCE(conn->tx_bytes, left);
	count_add(tx_bytes, left);
	trace_ramster_send(conn->peer->node, conn->number, req->type, req->nr, left);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, vec, ARRAY_SIZE(vec), left);
	while (left) {
		sent = sock_sendmsg(conn->sock, &msg);
		if (sent <= 0)
			return sent ?: -EPIPE;
		left -= sent;
	}
	return 0;
}

/* Threads end only when they are told to: whoever stops them holds no reference to an exited task. */
static int conn_wait_for_stop(struct r2net_conn *conn)
{
	wait_event_idle(conn->wake, kthread_should_stop());
	return 0;
}

/* The threads may use the reserves: what this one sends makes room, what the other receives ends a fault. */
static int conn_sender(void *data)
{
	struct r2net_conn *conn = data;
	unsigned int flags = reserve_task_enter();
	struct r2net_request *req;
	int err;

	while (!READ_ONCE(conn->failed)) {
		wait_event_idle(conn->wake, conn_may_send(conn));
		req = conn_next(conn);
		if (!req)
			continue;
		err = conn_send(conn, req);
		WRITE_ONCE(conn->sending_since, 0);
		r2net_request_put(req);
		if (err)
			conn_fail(conn, "sending failed", err);
	}
	reserve_task_leave(flags);
	return conn_wait_for_stop(conn);
}

static int conn_recv(struct r2net_conn *conn, void *buf, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
	struct kvec vec = { buf, len };
	int got;

	while (len) {
		got = kernel_recvmsg(conn->sock, &msg, &vec, 1, len, MSG_WAITALL);
		if (got <= 0)
			return got ?: -ECONNRESET;
		vec.iov_base += got;
		vec.iov_len -= got;
		len -= got;
		ADD_ONCE(conn->rx_bytes, got);
		count_add(rx_bytes, got);
	}
	return 0;
}

/* The request that an answer is for, with a reference. It stays in the window until conn_answered(). */
static struct r2net_request *conn_find(struct r2net_conn *conn, u64 tag)
{
	struct r2net_request *req;

	spin_lock(&conn->peer->lock);
	req = conn->inflight[tag % R2NET_MAX_WINDOW];
	if (req && req->tag == tag)
		refcount_inc(&req->ref);
	else
		req = NULL;
	spin_unlock(&conn->peer->lock);
	return req;
}

static void conn_answered(struct r2net_conn *conn, struct r2net_request *req)
{
	spin_lock(&conn->peer->lock);
	conn->inflight[req->tag % R2NET_MAX_WINDOW] = NULL;
	SUB_ONCE(conn->nr_inflight, 1);
	conn->progress = jiffies;
	spin_unlock(&conn->peer->lock);
	wake_up(&conn->wake);
	r2net_peer_heard(conn->peer, req->type == R2NET_READ && !req->bulk
					     ? max_t(s64, 1, ktime_us_delta(ktime_get(), req->sent))
					     : 0);
	r2net_request_put(req); /* it is no longer outstanding */
}

static int result_error(const struct r2net_result *result)
{
	switch (le32_to_cpu(result->status)) {
	case R2NET_OK:
		return 0;
	case R2NET_ESTALE:
		return -ESTALE;
	case R2NET_ERANGE:
		return -ERANGE;
	default:
		return -EREMOTEIO;
	}
}

static void conn_item(struct r2net_conn *conn, struct r2net_request *req, unsigned int i, void *bytes)
{
	if (r2net_request_claim(req, i))
		req->ops->item(req, i, result_error(&conn->results[i]), bytes);
}

/* How many items from @first on, up to @end, fit into one chunk, and their bytes. */
static unsigned int conn_chunk(const struct r2net_conn *conn, unsigned int first, unsigned int end, u32 *length)
{
	unsigned int i;

	*length = 0;
	for (i = first; i < end; i++) {
		u32 item = le32_to_cpu(conn->results[i].length);

		if (*length + item > CONN_CHUNK)
			break;
		*length += item;
	}
	return i - first;
}

static void conn_items(struct r2net_conn *conn, struct r2net_request *req, unsigned int first, unsigned int nr)
{
	void *bytes = conn->bytes;
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		conn_item(conn, req, i, bytes);
		bytes += le32_to_cpu(conn->results[i].length);
	}
}

/* Receives the body of an answer to @req and hands its items over, each as soon as its bytes are here. */
static int conn_recv_items(struct r2net_conn *conn, const struct r2net_hdr *hdr, struct r2net_request *req)
{
	size_t table = req->nr * sizeof(*conn->results);
	bool single = req->nr == 1;
	unsigned int i, nr;
	u32 length;
	int err;

	if (le16_to_cpu(hdr->items) != req->nr)
		return -EBADMSG;
	for (i = 0; i < req->nr; i++)
		conn->expect[i] = req->type == R2NET_READ ? le32_to_cpu(req->items[i].length) : 0;
	/* An answer of one item comes in one piece. */
	err = conn_recv(conn, conn->bytes, single ? le32_to_cpu(hdr->length) : table);
	if (err)
		return err;
	memcpy(conn->results, conn->bytes, table);
	if (!r2net_results_valid(hdr, conn->results, conn->expect, req->nr))
		return -EBADMSG;
	if (single) {
		conn_item(conn, req, 0, conn->bytes + table);
		return 0;
	}
	/* The first item alone, as a task waits for it; then as many at a time as the chunk takes. */
	for (i = 0; i < req->nr; i += nr) {
		nr = conn_chunk(conn, i, i ? req->nr : 1, &length);
		err = conn_recv(conn, conn->bytes, length);
		if (err)
			return err;
		conn_items(conn, req, i, nr);
	}
	return 0;
}

static int conn_recv_answer(struct r2net_conn *conn)
{
	struct r2net_request *req;
	struct r2net_hdr hdr;
	int err;

	err = conn_recv(conn, &hdr, sizeof(hdr));
	if (err)
		return err;
	if (!r2net_answer_valid(&hdr))
		return -EBADMSG;
	req = conn_find(conn, le64_to_cpu(hdr.tag));
	if (!req)
		return -EBADMSG;
	err = conn_recv_items(conn, &hdr, req);
	trace_ramster_receive(conn->peer->node, conn->number, req->type, req->nr, le32_to_cpu(hdr.length), err);
	if (!err)
		conn_answered(conn, req);
	r2net_request_put(req);
	return err;
}

static int conn_receiver(void *data)
{
	struct r2net_conn *conn = data;
	unsigned int flags = reserve_task_enter();
	int err;

	while (!READ_ONCE(conn->failed)) {
		err = conn_recv_answer(conn);
		if (err == -EBADMSG) {
			count(malformed_answers);
			conn_fail(conn, "malformed answer", err);
		} else if (err) {
			conn_fail(conn, "receiving failed", err);
		}
	}
	reserve_task_leave(flags);
	return conn_wait_for_stop(conn);
}

/* Requests that the connection still had. Its threads are gone. */
static void conn_collect(struct r2net_conn *conn, struct list_head *requests)
{
	unsigned int i;

	spin_lock(&conn->peer->lock);
	for (i = 0; i < R2NET_MAX_WINDOW; i++)
		if (conn->inflight[i])
			list_add_tail(&conn->inflight[i]->link, requests);
	list_splice_tail_init(&conn->urgent, requests);
	list_splice_tail_init(&conn->bulk, requests);
	spin_unlock(&conn->peer->lock);
}

/* Aborts rather than closes: what stands in the send buffer must not reach the lender any more. */
static void conn_release_socket(struct r2net_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	sock_no_linger(sk);
	lock_sock(sk);
	reserve_socket_leave(sk);
	release_sock(sk);
	sockfd_put(conn->sock);
}

static void conn_free(struct r2net_conn *conn)
{
	kvfree(conn->bytes);
	kfree(conn);
}

static void conn_teardown(struct work_struct *work)
{
	struct r2net_conn *conn = container_of(work, struct r2net_conn, teardown);
	struct r2net_peer *peer = conn->peer;
	u32 number = conn->number;
	LIST_HEAD(requests);

	kernel_sock_shutdown(conn->sock, SHUT_RDWR);
	wake_up(&conn->wake);
	kthread_stop(conn->sender);
	kthread_stop(conn->receiver);
	conn_release_socket(conn);
	conn_collect(conn, &requests);
	r2net_peer_conn_gone(peer, &requests);
	conn_free(conn);
	netlink_event_conn_down(peer->node, number);
	r2net_peer_put(peer);
}

static struct socket *conn_socket(int fd, const char **text)
{
	struct socket *sock;
	struct sock *sk;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		*text = "not a socket";
		return ERR_PTR(err);
	}
	sk = sock->sk;
	err = -EPROTOTYPE;
	*text = "not a stream socket of TCP, AF_UNIX or AF_VSOCK";
	if (sock->type != SOCK_STREAM)
		goto err_put;
	if (sk->sk_family != AF_INET && sk->sk_family != AF_INET6 && sk->sk_family != AF_UNIX &&
	    sk->sk_family != AF_VSOCK)
		goto err_put;
	if ((sk->sk_family == AF_INET || sk->sk_family == AF_INET6) && sk->sk_protocol != IPPROTO_TCP)
		goto err_put;
	err = -EBUSY;
	*text = "the TCP socket has an upper layer protocol";
	if (sk->sk_protocol == IPPROTO_TCP && sk->sk_family != AF_UNIX && inet_csk(sk)->icsk_ulp_ops)
		goto err_put;
	err = -ENOTCONN;
	*text = "the socket is not connected";
	/* For AF_UNIX and AF_VSOCK the states' numbers are TCP's. */
	if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED)
		goto err_put;
	*text = NULL;
	return sock;

err_put:
	sockfd_put(sock);
	return ERR_PTR(err);
}

static struct lock_class_key conn_slock_key[2], conn_sk_key[2];

/* Our sockets' locks are taken while memory is reclaimed, users' sockets' are not: they are classes of their own. */
static void conn_reclassify(struct sock *sk)
{
	if (!IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC) || !sock_allow_reclassification(sk))
		return;
	if (sk->sk_family == AF_INET)
		sock_lock_init_class_and_name(sk, "slock-AF_INET-RAMSTER", &conn_slock_key[0],
					      "sk_lock-AF_INET-RAMSTER", &conn_sk_key[0]);
	else if (sk->sk_family == AF_INET6)
		sock_lock_init_class_and_name(sk, "slock-AF_INET6-RAMSTER", &conn_slock_key[1],
					      "sk_lock-AF_INET6-RAMSTER", &conn_sk_key[1]);
}

static void conn_prepare_socket(struct r2net_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	conn_reclassify(sk);
	lock_sock(sk);
	sk->sk_allocation = GFP_NOIO;
	compat_sk_no_task_frag(sk);
	reserve_socket_enter(sk);
	sk->sk_sndtimeo = MAX_SCHEDULE_TIMEOUT;
	sk->sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
	sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(sk->sk_sndbuf,
		   clamp_t(unsigned long, reserve_send_bytes() / SEND_BUFFERS_CONNS, SEND_BUFFER_MIN, SEND_BUFFER_MAX));
	release_sock(sk);
	if (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) {
		tcp_sock_set_nodelay(sk);
		tcp_sock_set_user_timeout(sk, jiffies_to_msecs(READ_ONCE(conn->peer->slow_deadline)));
		sock_set_keepalive(sk);
	}
}

static int conn_start_threads(struct r2net_conn *conn)
{
	conn->sender = kthread_create(conn_sender, conn, "r2net_tx/%u", conn->number);
	if (IS_ERR(conn->sender))
		return PTR_ERR(conn->sender);
	conn->receiver = kthread_create(conn_receiver, conn, "r2net_rx/%u", conn->number);
	if (IS_ERR(conn->receiver)) {
		kthread_stop(conn->sender);
		return PTR_ERR(conn->receiver);
	}
	return 0;
}

/*
 * Makes the connection one of its peer's and starts its threads, unless there is one of that number. All under the lock
 * that its end takes: once that is released the connection may be gone.
 */
static int conn_link(struct r2net_conn *conn)
{
	struct r2net_peer *peer = conn->peer;
	struct r2net_conn *other;
	bool up = false;
	int err = 0;

	spin_lock(&peer->lock);
	list_for_each_entry(other, &peer->conns, link)
		if (other->number == conn->number)
			err = -EEXIST;
	if (peer->state == RAMSTER_PEER_DEAD)
		err = -EHOSTDOWN;
	if (!err) {
		list_add_tail(&conn->link, &peer->conns);
		wake_up_process(conn->sender);
		wake_up_process(conn->receiver);
		up = r2net_peer_conn_added(peer, conn);
	}
	spin_unlock(&peer->lock);
	if (up)
		netlink_event_peer(peer->node, RAMSTER_PEER_UP);
	return err;
}

int r2net_conn_add(struct r2net_peer *peer, u32 number, enum r2net_role role, u32 window, int fd, const char **text)
{
	struct r2net_conn *conn;
	int err;

	*text = "out of memory";
	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn)
		return -ENOMEM;
	err = -ENOMEM;
	conn->bytes = kvmalloc(CONN_CHUNK, GFP_KERNEL);
	if (!conn->bytes)
		goto err_free;
	conn->number = number;
	conn->role = role;
	conn->window = window;
	conn->progress = jiffies;
	INIT_LIST_HEAD(&conn->urgent);
	INIT_LIST_HEAD(&conn->bulk);
	init_waitqueue_head(&conn->wake);
	INIT_WORK(&conn->teardown, conn_teardown);
	conn->peer = r2net_peer_get(peer);
	conn->sock = conn_socket(fd, text);
	if (IS_ERR(conn->sock)) {
		err = PTR_ERR(conn->sock);
		goto err_conn;
	}
	*text = "the connection's threads cannot be started";
	err = conn_start_threads(conn);
	if (err)
		goto err_socket;
	*text = "the peer is dead or has a connection of that number";
	conn_prepare_socket(conn);
	err = conn_link(conn);
	if (err)
		goto err_threads;
	*text = NULL;
	return 0;

err_threads:
	lock_sock(conn->sock->sk);
	reserve_socket_leave(conn->sock->sk);
	release_sock(conn->sock->sk);
	kthread_stop(conn->sender);
	kthread_stop(conn->receiver);
err_socket:
	sockfd_put(conn->sock);
err_conn:
	r2net_peer_put(peer);
err_free:
	conn_free(conn);
	return err;
}
