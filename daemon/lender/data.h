/* SPDX-License-Identifier: GPL-2.0-or-later */
/* data - WRITE and READ, straight between socket and extent memory. */
#ifndef _RAMSTER_LENDER_DATA_H
#define _RAMSTER_LENDER_DATA_H

#include "daemon/lender/connection.h"

/**
 * data_serve - serve a joined data connection until it ends; it holds no pins afterwards
 */
void data_serve(struct connection *conn);

#endif
