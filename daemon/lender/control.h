/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control - PING and FENCE, served without ever touching extent memory. */
#ifndef _RAMSTER_LENDER_CONTROL_H
#define _RAMSTER_LENDER_CONTROL_H

#include "daemon/lender/connection.h"

/**
 * control_serve - serve a joined control connection until it ends
 */
void control_serve(struct connection *conn);

#endif
