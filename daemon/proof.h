/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof - how the two ends of a data connection prove to each other that they have its owner's token (proto/r2net.h),
 * which itself is never sent there.
 *
 * A proof is HMAC-SHA-256 by the token over a label for its direction, HELLO, CHALLENGE and, from the lender, the
 * welcome. HELLO and CHALLENGE each have a nonce that was never used before, so what was proven once proves nothing again.
 */
#ifndef _RAMSTER_PROOF_H
#define _RAMSTER_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/r2net.h"

/* What both sides have said, as it was on the wire. */
struct proof_said {
	struct r2net_hello hello;
	struct r2net_challenge challenge;
};

/* The owner's proof. @token: R2NET_TOKEN_LEN bytes */
void proof_of_owner(const uint8_t *token, const struct proof_said *said, uint8_t proof[R2NET_PROOF_LEN]);

/* The lender's. @welcome: its proof is not looked at */
void proof_of_lender(const uint8_t *token, const struct proof_said *said, const struct r2net_welcome *welcome,
		     uint8_t proof[R2NET_PROOF_LEN]);

/* Whether two proofs are the same, in a time that does not tell where they differ. */
bool proof_equal(const uint8_t a[R2NET_PROOF_LEN], const uint8_t b[R2NET_PROOF_LEN]);

#endif
