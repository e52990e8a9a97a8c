/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nonce - what makes a CHALLENGE unlike any other. Its own file, so that a fuzzer can have it repeat itself. */
#ifndef _RAMSTER_LENDER_NONCE_H
#define _RAMSTER_LENDER_NONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/r2net.h"

/* Makes a random one. Returns false if the system has none. */
bool nonce_make(uint8_t nonce[R2NET_NONCE_LEN]);

#endif
