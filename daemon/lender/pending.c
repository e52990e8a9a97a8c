// SPDX-License-Identifier: GPL-2.0-or-later
/* pending - see pending.h. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "daemon/lender/pending.h"

struct source {
	sa_family_t family;
	uint8_t prefix[8];
};

/* A connection that has not proven anything. */
struct pending {
	enum { FREE, COUNTED, SHUT } state;
	int fd;
	uint64_t turn; /* @turns when it came */
	struct source source;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below; innermost */
static struct pending table[PENDING_MAX + PENDING_SHUT];
static uint64_t turns;

/* What a newcomer finds. */
struct look {
	struct pending *free, *oldest, *oldest_of_source; /* the last two: COUNTED, or NULL */
	unsigned int count, count_of_source, shut;
};

static struct source source_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	struct source source = { .family = address->ss_family };

	if (address->ss_family == AF_INET)
		memcpy(source.prefix, &((const struct sockaddr_in *)address)->sin_addr, 4);
	else if (address->ss_family == AF_INET6)
		memcpy(source.prefix, &in6->sin6_addr, sizeof(source.prefix));
	if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		source.family = AF_INET;
		memcpy(source.prefix, &in6->sin6_addr.s6_addr[12], 4);
	}
	return source;
}

static bool same(const struct source *a, const struct source *b)
{
	return a->family == b->family && !memcmp(a->prefix, b->prefix, sizeof(a->prefix));
}

static void take_older(struct pending **oldest, struct pending *one)
{
	if (!*oldest || one->turn < (*oldest)->turn)
		*oldest = one;
}

static struct look look_for(const struct source *source)
{
	struct look look = { 0 };

	for (struct pending *one = table; one < table + PENDING_MAX + PENDING_SHUT; one++) {
		if (one->state == FREE) {
			look.free = one;
		} else if (one->state == SHUT) {
			look.shut++;
		} else {
			look.count++;
			take_older(&look.oldest, one);
			if (!same(&one->source, source))
				continue;
			look.count_of_source++;
			take_older(&look.oldest_of_source, one);
		}
	}
	return look;
}

int pending_begin(const struct sockaddr_storage *address, int fd, unsigned int *full)
{
	struct source source = source_of(address);
	struct pending *last = NULL;
	struct look look;
	int number;

	*full = 0;
	pthread_mutex_lock(&lock);
	look = look_for(&source);
	if (look.count_of_source >= PENDING_OF_ADDRESS) {
		*full = PENDING_OF_ADDRESS;
		last = look.oldest_of_source;
	} else if (look.count >= PENDING_MAX) {
		*full = PENDING_MAX;
		last = look.oldest;
	}
	if (last && look.shut >= PENDING_SHUT) {
		number = -EAGAIN;
		goto out;
	}
	if (last) {
		/* Its thread calls pending_end() before it closes the descriptor. */
		last->state = SHUT;
		shutdown(last->fd, SHUT_RDWR);
	}
	*look.free = (struct pending){ .state = COUNTED, .fd = fd, .turn = turns++, .source = source };
	number = look.free - table;
out:
	pthread_mutex_unlock(&lock);
	return number;
}

void pending_end(int number)
{
	pthread_mutex_lock(&lock);
	table[number].state = FREE;
	pthread_mutex_unlock(&lock);
}
