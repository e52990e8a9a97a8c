/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json - a status as one JSON object on one line. Names of members are those of proto/ramster.proto.
 */
#ifndef _RAMSTER_JSON_H
#define _RAMSTER_JSON_H

#include <stdio.h>

#include "proto/ramster.pb-c.h"

/* The whole status; counters is an object by name, and health is "ok" or "degraded". */
void json_status(FILE *out, const Ramster__Status *status);

/* Only the nodes: {"nodes": [...]} */
void json_nodes(FILE *out, const Ramster__Status *status);

/* The answer to `ramster set`. */
void json_settings(FILE *out, const Ramster__SetReply *reply);

#endif
