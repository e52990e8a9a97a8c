// SPDX-License-Identifier: GPL-2.0-or-later
/* nonce - see nonce.h. */
#include <sys/random.h>

#include "daemon/lender/nonce.h"

bool nonce_make(uint8_t nonce[R2NET_NONCE_LEN])
{
	return getrandom(nonce, R2NET_NONCE_LEN, 0) == R2NET_NONCE_LEN;
}
