/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print - a status as text for people.
 */
#ifndef _RAMSTER_PRINT_H
#define _RAMSTER_PRINT_H

#include <stdio.h>

#include "proto/ramster.pb-c.h"

#define PRINT_AMOUNT_LEN 32
#define PRINT_PAGE 4096 /* bytes */

/* `ramster status`: the verdict first. */
void print_status(FILE *out, const Ramster__Status *status);
/* The same without it. */
void print_details(FILE *out, const Ramster__Status *status);

/* `ramster nodes`: one line a node. */
void print_nodes(FILE *out, const Ramster__Status *status);

/**
 * print_rates - what happened between two statuses
 * @seconds: between them
 */
void print_rates(FILE *out, const Ramster__Status *before, const Ramster__Status *now, double seconds);

/* Bytes in the unit that suits them, as "12.5 MiB". */
const char *print_bytes(char text[PRINT_AMOUNT_LEN], double bytes);

#endif
