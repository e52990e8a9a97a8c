/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer - what a node tells the others of itself as a donor and as an owner, and its message.
 */
#ifndef _RAMSTER_OFFER_H
#define _RAMSTER_OFFER_H

#include <stdint.h>

#include "proto/ramster.pb-c.h"

/* What a node advertises. No padding: compared as bytes. */
struct offer {
	uint64_t free; /* bytes that it would lease now */
	uint64_t lent; /* bytes leased to anyone */
	uint64_t lender_instance; /* 0: no lender */
	uint64_t owner_instance; /* 0: no module */
	uint32_t data_port;
	uint32_t borrowing; /* 1: it has pages with others */
	uint32_t draining; /* 1: it lends nothing, and wants all back */
	uint32_t nothing; /* 0 */
};

/* To and from its message, which is initialised here. */
void offer_pack(const struct offer *offer, Ramster__Advertise *message);
struct offer offer_unpack(const Ramster__Advertise *message);

#endif
