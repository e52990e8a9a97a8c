/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lender_fixture - a fresh lender for each test, which must still serve and end cleanly when the test is done.
 *
 * Include it after <setjmp.h>, <stdarg.h>, <stddef.h> and <stdint.h>, as cmocka wants.
 */
#ifndef _RAMSTER_LENDER_FIXTURE_H
#define _RAMSTER_LENDER_FIXTURE_H

#include <cmocka.h>

#include "tests/unit/wire_client.h"

#define OWNER 3
#define INSTANCE 0x1234
#define TOKEN 0x5a
#define OTHER_OWNER 4
#define OTHER_TOKEN 0xa5
#define SIZE R2NET_EXTENT_MIN
#define LIMIT (64ULL << 20) /* bytes that the lender lends */

extern struct wire_lender lender;
extern uint32_t next_conn; /* a connection number of OWNER that was not used yet */
extern uint32_t statuses[R2NET_MAX_ITEMS]; /* of the last answer */
extern _Alignas(8) uint8_t payload[R2NET_MAX_LENGTH]; /* to be written */
extern uint8_t back[R2NET_MAX_LENGTH]; /* what was read */

/* Starts the lender and admits both owners; the test's end writes and reads a page and stops it. */
int lender_set_up(void **state);
int lender_tear_down(void **state);

#define WITH_LENDER(test) cmocka_unit_test_setup_teardown(test, lender_set_up, lender_tear_down)

/* Connects as OWNER and returns the socket. */
int join(enum r2net_role role);

/* What a data connection's HELLO of OWNER is answered, or -1. It is closed again. */
int join_status(uint64_t instance, uint8_t token, uint32_t conn);

/* Leases one extent to OWNER. */
struct lender_lease lease(uint32_t size);

/* Fills the first @length bytes of payload at random. */
void fill_payload(size_t length);

/* One WRITE of payload, or READ into back, and its answer, whose statuses are left in statuses. */
void exchange(int fd, bool write, const struct r2net_item *items, unsigned int count, size_t *length);

/* Expects the answer to a request of one item, without payload. */
void expect_answer(int fd, uint64_t tag, uint32_t status);

/* Waits until the lender has so many connections. */
void wait_for_connections(unsigned int count);

#endif
