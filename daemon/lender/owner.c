// SPDX-License-Identifier: GPL-2.0-or-later
/* owner - see owner.h. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "daemon/lender/account.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/lender/table.h"

/*
 * The connection numbers that an instance has used or fenced last: none of them is taken again. Older ones are forgotten,
 * which is safe: nobody else can repeat an opening, and an instance's ramsterd makes each number once. Only equal numbers
 * bar each other, as honest ones may jump (to the clock, when ramsterd has lost its file, and with what it tries elsewhere)
 * and one that is far ahead must not bar all that the instance has yet to use.
 */
#define NUMBERS_KEPT 256

struct numbers {
	uint64_t count; /* ever */
	uint32_t last[NUMBERS_KEPT]; /* number i at i % NUMBERS_KEPT */
};

/* Lock order: owner.lock, then the extent table's and the log's. No two owners' locks are held together. */
struct owner {
	pthread_mutex_t lock; /* of all below; not held over blocking I/O */
	pthread_cond_t left; /* a connection left */
	bool admitted; /* token is valid */
	uint64_t instance; /* admitted last; 0 is none */
	uint8_t token[R2NET_TOKEN_LEN];
	struct numbers numbers; /* of this instance */
	struct connection *connections; /* of any instance */
	unsigned int count;
};

static struct owner owners[R2NET_MAX_NODES];
static struct table *kept; /* tokens outlive us here; each owner's under its lock. Or NULL */

void owner_init(struct table *table)
{
	unsigned int i;

	kept = table;
	for (i = 0; i < R2NET_MAX_NODES; i++) {
		pthread_mutex_init(&owners[i].lock, NULL);
		pthread_cond_init(&owners[i].left, NULL);
		if (!kept)
			continue;
		owners[i].instance = table_admitted(kept, i, owners[i].token);
		owners[i].admitted = owners[i].instance;
	}
}

/* Marks a number as used. Returns false if it was already. */
static bool number_use(struct numbers *numbers, uint32_t number)
{
	for (uint64_t i = 0; i < numbers->count && i < NUMBERS_KEPT; i++)
		if (numbers->last[i] == number)
			return false;
	numbers->last[numbers->count++ % NUMBERS_KEPT] = number;
	return true;
}

/* Under the owner's lock. */
static void shut(struct connection *conn)
{
	atomic_store(&conn->shut, true);
	shutdown(conn->fd, SHUT_RDWR);
}

/* Under the owner's lock. Whether it may have one more connection of this role. */
static bool has_room(const struct owner *own, enum r2net_role role)
{
	const struct connection *conn;
	unsigned int control = 0;

	for (conn = own->connections; conn; conn = conn->next)
		control += conn->role == R2NET_ROLE_CONTROL;
	return own->count < R2NET_MAX_CONNS && (role != R2NET_ROLE_CONTROL || control < OWNER_MAX_CONTROL);
}

/* Under the owner's lock. */
static struct connection *find(struct owner *own, uint64_t instance, uint32_t number)
{
	struct connection *conn;

	for (conn = own->connections; conn; conn = conn->next)
		if (conn->instance == instance && conn->number == number)
			break;
	return conn;
}

void owner_admit(uint32_t owner, uint64_t instance, const uint8_t *token)
{
	struct owner *own = &owners[owner];
	struct connection *conn;

	pthread_mutex_lock(&own->lock);
	if (own->instance != instance) {
		for (conn = own->connections; conn; conn = conn->next)
			shut(conn);
		own->instance = instance;
		own->numbers = (struct numbers){ 0 };
	}
	memcpy(own->token, token, R2NET_TOKEN_LEN);
	own->admitted = true;
	if (kept)
		table_admit(kept, owner, instance, token);
	pthread_mutex_unlock(&own->lock);
}

void owner_expel(uint32_t owner, uint64_t instance)
{
	struct owner *own = &owners[owner];
	struct connection *conn;

	pthread_mutex_lock(&own->lock);
	if (own->instance == instance) {
		own->admitted = false;
		if (kept)
			table_expel(kept, owner);
		explicit_bzero(own->token, R2NET_TOKEN_LEN);
		for (conn = own->connections; conn; conn = conn->next)
			shut(conn);
		while (own->connections && own->instance == instance && !own->admitted)
			pthread_cond_wait(&own->left, &own->lock);
	}
	pthread_mutex_unlock(&own->lock);
}

enum r2net_status owner_join(struct connection *conn, const struct proof_said *said, const struct r2net_proof *proof,
			     struct r2net_welcome *welcome)
{
	struct owner *own = &owners[conn->owner];
	enum r2net_status status = R2NET_OK;
	uint8_t expected[R2NET_PROOF_LEN];

	pthread_mutex_lock(&own->lock);
	proof_of_owner(own->token, said, expected);
	if (!proof_equal(expected, proof->proof) || !own->admitted || own->instance != conn->instance) {
		status = R2NET_EPERM;
	} else if (!has_room(own, conn->role)) {
		status = R2NET_EAGAIN;
	} else if (find(own, conn->instance, conn->number) || !number_use(&own->numbers, conn->number)) {
		status = R2NET_EINVAL;
	} else {
		conn->next = own->connections;
		own->connections = conn;
		own->count++;
		count_add(connections, 1);
		proof_of_lender(own->token, said, welcome, welcome->proof);
	}
	pthread_mutex_unlock(&own->lock);
	if (status == R2NET_EAGAIN || status == R2NET_EINVAL)
		account_refused(conn->owner);
	return status;
}

void owner_leave(struct connection *conn)
{
	struct owner *own = &owners[conn->owner];
	struct connection **link, *other;

	pthread_mutex_lock(&own->lock);
	for (link = &own->connections; *link != conn; link = &(*link)->next)
		;
	*link = conn->next;
	own->count--;
	count_add(connections, -1);
	for (other = own->connections; other; other = other->next)
		if (other->wake >= 0)
			eventfd_write(other->wake, 1);
	pthread_cond_broadcast(&own->left);
	pthread_mutex_unlock(&own->lock);
}

enum r2net_status owner_fence(struct connection *conn, uint32_t number)
{
	struct owner *own = &owners[conn->owner];
	enum r2net_status status = R2NET_OK;
	struct connection *target;

	pthread_mutex_lock(&own->lock);
	target = find(own, conn->instance, number);
	if (target && target->role != R2NET_ROLE_DATA)
		status = R2NET_EINVAL;
	else if (target)
		shut(target);
	else if (own->instance == conn->instance)
		number_use(&own->numbers, number);
	pthread_mutex_unlock(&own->lock);
	return status;
}

bool owner_has(struct connection *conn, uint32_t number)
{
	struct owner *own = &owners[conn->owner];
	bool has;

	pthread_mutex_lock(&own->lock);
	has = find(own, conn->instance, number);
	pthread_mutex_unlock(&own->lock);
	return has;
}

unsigned int owner_connections(uint32_t owner)
{
	struct owner *own = &owners[owner];
	unsigned int count;

	pthread_mutex_lock(&own->lock);
	count = own->count;
	pthread_mutex_unlock(&own->lock);
	return count;
}

void owner_shut_pinning(uint32_t owner, uint32_t extent)
{
	struct owner *own = &owners[owner];
	struct connection *conn;
	unsigned int i;

	pthread_mutex_lock(&own->lock);
	for (conn = own->connections; conn; conn = conn->next) {
		for (i = 0; i < R2NET_MAX_ITEMS && atomic_load(&conn->pinned[i]) != extent; i++)
			;
		if (i < R2NET_MAX_ITEMS)
			shut(conn);
	}
	pthread_mutex_unlock(&own->lock);
}
