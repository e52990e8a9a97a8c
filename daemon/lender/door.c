// SPDX-License-Identifier: GPL-2.0-or-later
/* door - see door.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/lender/account.h"
#include "daemon/lender/door.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/lease.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"
#include "proto/lender.h"

#define DOOR_CLIENTS 16
#define DOOR_BACKLOG 16

static _Atomic unsigned int clients;
static struct log_limit refused_limit = LOG_LIMIT(5, 10000);

static void fill_status(struct lender_status *status)
{
	status->instance = self.instance;
	status->read_items = count_get(read_items);
	status->read_bytes = count_get(read_bytes);
	status->write_items = count_get(write_items);
	status->write_bytes = count_get(write_bytes);
	status->refused_hello = count_get(refused_hello);
	status->malformed = count_get(malformed);
	status->stale = count_get(stale);
	status->range = count_get(range);
	status->port = self.port;
	status->connections = count_get(connections);
	status->donor = self.node;
	extent_usage(status);
}

/* Whether a request's values are in range, those that its command reads. */
static bool request_valid(const struct lender_request *rq)
{
	bool owner = rq->owner < R2NET_MAX_NODES && rq->instance;
	bool count = rq->count >= 1 && rq->count <= LENDER_MAX_LEASES;

	if (rq->protocol != LENDER_PROTOCOL)
		return false;
	switch (rq->command) {
	case LENDER_STATUS:
	case LENDER_LIMIT:
		return true;
	case LENDER_ADMIT:
	case LENDER_EXPEL:
		return owner;
	case LENDER_LEASE:
		return owner && count && rq->extent_size >= R2NET_EXTENT_MIN && rq->extent_size <= R2NET_EXTENT_MAX &&
		       rq->extent_size % R2NET_EXTENT_MIN == 0;
	case LENDER_RELEASE:
		return owner && count;
	case LENDER_LIST:
		return rq->cursor < EXTENT_IDS;
	case LENDER_BANDWIDTH:
		return rq->owner < R2NET_MAX_NODES && (!rq->limit || rq->limit >= LENDER_MIN_BANDWIDTH);
	case LENDER_OWNERS:
		return rq->cursor < R2NET_MAX_NODES;
	default:
		return false;
	}
}

static void lease(const struct lender_request *rq, struct lender_reply *reply)
{
	int err = 0;

	while (!err && reply->count < rq->count) {
		err = extent_lease(rq->owner, rq->instance, rq->extent_size, rq->limit, &reply->leases[reply->count]);
		if (!err)
			reply->count++;
	}
	if ((err == -ENOMEM || err == -EDQUOT) && !reply->count)
		reply->error = err;
}

/* Releases only what belongs to the owner instance that the request names. */
static void release(struct lender_request *rq, struct lender_reply *reply)
{
	unsigned int i;

	for (i = 0; i < rq->count; i++) {
		rq->leases[i].owner = rq->owner;
		rq->leases[i].instance = rq->instance;
	}
	reply->count = lease_end(rq->leases, rq->count);
}

static void run(struct lender_request *rq, struct lender_reply *reply)
{
	bool owner = true;

	switch (rq->command) {
	case LENDER_LIMIT:
		extent_set_limit(rq->limit);
		owner = false;
		break;
	case LENDER_ADMIT:
		owner_admit(rq->owner, rq->instance, rq->token);
		break;
	case LENDER_LEASE:
		lease(rq, reply);
		break;
	case LENDER_RELEASE:
		release(rq, reply);
		break;
	case LENDER_EXPEL:
		owner_expel(rq->owner, rq->instance);
		reply->count = lease_end_some(rq->owner, rq->instance);
		break;
	case LENDER_LIST:
		reply->cursor = rq->cursor;
		reply->count = extent_list(&reply->cursor, reply->leases, LENDER_MAX_LEASES);
		owner = false;
		break;
	case LENDER_BANDWIDTH:
		account_bandwidth(rq->owner, rq->limit);
		owner = false;
		break;
	case LENDER_OWNERS:
		reply->cursor = rq->cursor;
		reply->count = account_list(&reply->cursor, reply->owners, LENDER_MAX_OWNERS);
		owner = false;
		break;
	default:
		owner = false;
	}
	if (owner)
		reply->held = extent_held(rq->owner) / R2NET_EXTENT_MIN;
}

static void *door_thread(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct lender_request rq;
	struct lender_reply reply;
	ssize_t got;

	/* MSG_TRUNC tells the real length of a packet that is too long. */
	while ((got = recv(fd, &rq, sizeof(rq), MSG_TRUNC)) > 0) {
		memset(&reply, 0, sizeof(reply));
		if (got == sizeof(rq) && request_valid(&rq))
			run(&rq, &reply);
		else
			reply.error = -EINVAL;
		fill_status(&reply.status);
		if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			break;
	}
	explicit_bzero(&rq, sizeof(rq));
	close(fd);
	atomic_fetch_sub(&clients, 1);
	return NULL;
}

static bool client_allowed(int fd)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length))
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	log_limited(&refused_limit, LOG_WARNING,
		    "side door: process %d of user %u refused: only root and user %u may use it", cred.pid, cred.uid,
		    geteuid());
	return false;
}

void door_start(int fd)
{
	pthread_t thread;

	if (!client_allowed(fd)) {
		close(fd);
		return;
	}
	if (atomic_fetch_add(&clients, 1) < DOOR_CLIENTS &&
	    !pthread_create(&thread, NULL, door_thread, (void *)(intptr_t)fd)) {
		pthread_detach(thread);
		return;
	}
	log_limited(&refused_limit, LOG_WARNING,
		    "side door: client refused: %d are served already or no thread can start", DOOR_CLIENTS);
	atomic_fetch_sub(&clients, 1);
	close(fd);
}

/* The lock is released by the kernel when the process ends, however it ends. Returns -1, reported. */
static int lock_path(const char *path)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_err("%s: %s; the directory must exist and be writable", name, strerror(errno));
		return -1;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	log_err("%s: another lender is running on this path", path);
	close(fd);
	return -1;
}

/* Returns false, reported, if something else than a socket is in the way. */
static bool remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return true;
	if (S_ISSOCK(st.st_mode) && !unlink(path))
		return true;
	log_err("%s: exists and is not a socket that can be replaced; remove it or choose another path", path);
	return false;
}

int door_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, lock;

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_err("%s: path is too long for a socket (%zu bytes at most)", path, sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, path);
	lock = lock_path(path);
	if (lock < 0)
		return -1;
	if (!remove_stale(path))
		goto err_lock;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !chmod(path, 0660) &&
	    !listen(fd, DOOR_BACKLOG))
		return fd;
	log_err("%s: cannot listen: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
err_lock:
	close(lock);
	return -1;
}
