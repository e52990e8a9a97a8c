/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - stands in for libuv, with the little of it that the fuzzed files use: time goes by when the fuzzer says so, and
 * nothing happens but in its calls. Pollers see one end of a socket pair; the fuzzer has the other.
 */
#ifndef _FUZZ_LOOP_H
#define _FUZZ_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

extern int loop_peer; /* the fuzzer's end, which it closes */

/* One end of a new pair; the other is loop_peer. */
int loop_socket(void);

/* Whether the poller that was started last has something to read. */
bool loop_readable(void);
/* Calls it, if there is one. */
void loop_poll(void);

/* So much time goes by: timers that are due are called. */
void loop_let_pass(uint64_t ms);

/* Handles that were closed are told so. */
void loop_run_closed(void);

#endif
