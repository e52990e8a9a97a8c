/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * revoke - asks owners for lent memory back: when this node needs it itself, or is drained.
 *
 * Each owner is told how many leases it may keep. So a message that is lost, late or said twice does no harm, and
 * taking it back is the same message with a larger number.
 */
#ifndef _RAMSTER_REVOKE_H
#define _RAMSTER_REVOKE_H

#include <stdbool.h>
#include <stdint.h>

struct ramsterd;
struct revoke;

/* Returns NULL if memory is short. */
struct revoke *revoke_new(struct ramsterd *d);
void revoke_free(struct revoke *revoke);

/* Whether memory is wanted back, or was until now: then the leases in force are to be counted each second. */
bool revoke_wanted(const struct revoke *revoke);

/*
 * A walk through the leases in force: revoke_begin(), revoke_count() for each lease, revoke_decide() when all were
 * counted. That tells the owners, if there is anything new to tell.
 */
void revoke_begin(struct revoke *revoke);
void revoke_count(struct revoke *revoke, uint32_t owner, uint64_t bytes);
void revoke_decide(struct revoke *revoke);

/* Empties this node before maintenance: everything is wanted back, and nothing new is lent, until it is switched off. */
void revoke_drain(struct revoke *revoke, bool on);
bool revoke_draining(const struct revoke *revoke);

#endif
