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
	unsigned int count; /* 0: free */
	sa_family_t family;
	uint8_t prefix[8];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below; innermost */
static struct source sources[PENDING_MAX]; /* as many as there can be connections */
static unsigned int total;

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

/* Returns where connections of that source are counted, or a free place. There is one, as long as total allows. */
static int find(const struct source *source)
{
	int i, place = -1;

	for (i = 0; i < PENDING_MAX; i++) {
		if (sources[i].count && same(&sources[i], source))
			return i;
		if (!sources[i].count && place < 0)
			place = i;
	}
	return place;
}

int pending_begin(const struct sockaddr_storage *address)
{
	struct source source = source_of(address);
	int place = -ENFILE;

	pthread_mutex_lock(&lock);
	if (total < PENDING_MAX) {
		place = find(&source);
		if (!sources[place].count)
			sources[place] = source;
		if (sources[place].count < PENDING_OF_ADDRESS) {
			sources[place].count++;
			total++;
		} else {
			place = -EUSERS;
		}
	}
	pthread_mutex_unlock(&lock);
	return place;
}

void pending_end(int number)
{
	pthread_mutex_lock(&lock);
	sources[number].count--;
	total--;
	pthread_mutex_unlock(&lock);
}
