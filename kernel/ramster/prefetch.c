// SPDX-License-Identifier: GPL-2.0
/*
 * prefetch.c - follows streams of loads.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "prefetch.h"

/* How far a load may be past the latest one and still belong to the stream: readers skip pages that are local. */
#define PREFETCH_REACH 8

static bool stream_follows(const struct prefetch_stream *s, unsigned long index)
{
	long distance = (long)(index - s->last);

	if (!s->used)
		return false;
	if (!s->window)
		return distance == 1 || distance == -1;
	distance *= s->step;
	return distance >= 1 && distance <= s->window + PREFETCH_REACH;
}

static struct prefetch_stream *stream_find(struct prefetch *p, unsigned long index)
{
	unsigned int i;

	for (i = 0; i < PREFETCH_STREAMS; i++)
		if (stream_follows(&p->streams[i], index))
			return &p->streams[i];
	return NULL;
}

/* The stream that was used the longest time ago begins anew. */
static void stream_begin(struct prefetch *p, unsigned long index)
{
	struct prefetch_stream *s = &p->streams[0];
	unsigned int i;

	for (i = 1; i < PREFETCH_STREAMS; i++)
		if (p->streams[i].used < s->used)
			s = &p->streams[i];
	*s = (struct prefetch_stream){ .last = index, .used = p->clock };
}

/* Pages that lie ahead of @index until the index ends. */
static unsigned long stream_room(const struct prefetch_stream *s, unsigned long index)
{
	return s->step < 0 ? index : ~0UL - index;
}

struct prefetch_plan prefetch_load(struct prefetch *p, unsigned long index)
{
	struct prefetch_stream *s = stream_find(p, index);
	struct prefetch_plan plan = { .nr = 0 };
	unsigned long room;
	long left;

	p->clock++;
	if (!s) {
		stream_begin(p, index);
		return plan;
	}
	if (!s->window) {
		s->step = index > s->last ? 1 : -1;
		s->window = PREFETCH_MIN;
		s->ahead = index + s->step;
	}
	s->last = index;
	s->used = p->clock;
	left = (long)(s->ahead - index) * s->step - 1;
	/* The next pages are asked for while as many are still ahead: an answer takes as long as a plan's pages are read. */
	if (left > (long)s->window)
		return plan;
	plan.start = left < 0 ? index + s->step : s->ahead;
	plan.step = s->step;
	room = stream_room(s, index);
	room -= min_t(unsigned long, room, left < 0 ? 0 : left);
	plan.nr = min_t(unsigned long, s->window, room);
	s->ahead = plan.start + (long)plan.nr * s->step;
	s->window = min_t(unsigned int, s->window * 2, PREFETCH_MAX);
	return plan;
}
