// SPDX-License-Identifier: GPL-2.0-or-later
/* offer - see offer.h. */
#include "daemon/offer.h"

void offer_pack(const struct offer *offer, Ramster__Advertise *message)
{
	ramster__advertise__init(message);
	message->free = offer->free;
	message->lent = offer->lent;
	message->lender_instance = offer->lender_instance;
	message->owner_instance = offer->owner_instance;
	message->data_port = offer->data_port;
	message->borrowing = offer->borrowing;
	message->draining = offer->draining;
}

struct offer offer_unpack(const Ramster__Advertise *message)
{
	return (struct offer){
		.free = message->free,
		.lent = message->lent,
		.lender_instance = message->lender_instance,
		.owner_instance = message->owner_instance,
		.data_port = message->data_port,
		.borrowing = message->borrowing,
		.draining = message->draining,
	};
}
