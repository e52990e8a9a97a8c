/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate - owners take turns, so that none of them has all of this node's CPUs while another asks for something.
 *
 * A turn is the moving of bytes between a socket and memory, as far as that does not wait for the peer. Whoever would have
 * to wait for one gives the turn back first: a peer that is slow or stalled has none.
 *
 * An owner is active while it has turns, and a little longer. One that is active alone has as many as it likes. Else each
 * may have as many at a time as there are CPUs, less one for each other active owner; at least one. Those of its threads
 * that want more wait, and are served in their order.
 *
 * All functions but gate_init() may be called by any thread; owners are node numbers below R2NET_MAX_NODES. No lock may be
 * held while a turn is waited for.
 */
#ifndef _RAMSTER_LENDER_GATE_H
#define _RAMSTER_LENDER_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Turns of others that end before an owner without any is not active any more. */
#define GATE_MEMORY 64

/**
 * gate_init - say how many CPUs there are to share; before any thread is started
 * @cpus: 1 at least
 */
void gate_init(unsigned int cpus);

/**
 * gate_enter - take a turn, and wait for it if there have to be fewer
 *
 * How long it waits depends on turns of the same owner alone. Returns whether it has waited. The caller must gate_leave().
 */
bool gate_enter(uint32_t owner);

/* Gives a turn back; to the owner's next thread, if one waits. */
void gate_leave(uint32_t owner);

/* The same to wait for a peer in the midst of a transfer, which is not counted: a frame that comes byte by byte is one turn. */
void gate_pause(uint32_t owner);

/* What an owner has at this moment. */
struct gate_look {
	unsigned int turns;
	unsigned int waiting; /* threads */
	uint64_t waits; /* ever, for a turn */
};

struct gate_look gate_look(uint32_t owner);

#endif
