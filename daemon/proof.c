// SPDX-License-Identifier: GPL-2.0-or-later
/* proof - see proof.h. */
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stddef.h>
#include <string.h>

#include "daemon/proof.h"

/* Of one length, so that no label with what follows is another one. */
#define LABEL_LEN 24
static const char owner_label[LABEL_LEN] = "ramster data 2, owner";
static const char lender_label[LABEL_LEN] = "ramster data 2, lender";

static void begin(struct hmac_sha256_ctx *hmac, const uint8_t *token, const char *label, const struct proof_said *said)
{
	hmac_sha256_set_key(hmac, R2NET_TOKEN_LEN, token);
	hmac_sha256_update(hmac, LABEL_LEN, (const uint8_t *)label);
	hmac_sha256_update(hmac, sizeof(said->hello), (const uint8_t *)&said->hello);
	hmac_sha256_update(hmac, sizeof(said->challenge), (const uint8_t *)&said->challenge);
}

static void end(struct hmac_sha256_ctx *hmac, uint8_t proof[R2NET_PROOF_LEN])
{
	hmac_sha256_digest(hmac, R2NET_PROOF_LEN, proof);
	explicit_bzero(hmac, sizeof(*hmac));
}

void proof_of_owner(const uint8_t *token, const struct proof_said *said, uint8_t proof[R2NET_PROOF_LEN])
{
	struct hmac_sha256_ctx hmac;

	begin(&hmac, token, owner_label, said);
	end(&hmac, proof);
}

void proof_of_lender(const uint8_t *token, const struct proof_said *said, const struct r2net_welcome *welcome,
		     uint8_t proof[R2NET_PROOF_LEN])
{
	struct hmac_sha256_ctx hmac;

	begin(&hmac, token, lender_label, said);
	hmac_sha256_update(&hmac, offsetof(struct r2net_welcome, proof), (const uint8_t *)welcome);
	end(&hmac, proof);
}

bool proof_equal(const uint8_t a[R2NET_PROOF_LEN], const uint8_t b[R2NET_PROOF_LEN])
{
	return memeql_sec(a, b, R2NET_PROOF_LEN);
}
