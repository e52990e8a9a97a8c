/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node.h - the module's pure parts brought up and down as main.c does, without what surrounds them. */
#ifndef _TESTS_NODE_H
#define _TESTS_NODE_H

#include "tmem.h"

/* Wants to succeed. Local RAM is as good as endless until the test sets limits. */
void node_up(const char *allocator, const char *compressor);
/* Nothing may be left of what was allocated. */
void node_down(void);

/* The value of the counter or gauge of that name. */
u64 node_counter(const char *name);

#endif
