/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table - the leases and tokens of a lender in memory that outlives its process (keep.h).
 *
 * The process may be killed between any two stores, so each change takes force with a single one: of an entry's state, of
 * an owner's admission. What is not in force is never looked at, so a change that was cut short has not been made. All that
 * is in force has a checksum; where one is wrong, nothing of the table is used.
 *
 * An entry goes with an extent's id, an owner with a node's number; callers see to it that nobody else changes the same one
 * meanwhile. Ids are taken in order.
 */
#ifndef _RAMSTER_LENDER_TABLE_H
#define _RAMSTER_LENDER_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lender/extent.h"
#include "proto/lender.h"

#define TABLE_VERSION 1

struct table_head { /* written once, at the beginning */
	uint64_t magic;
	uint32_t version; /* of the layout, and of what the fields mean */
	uint32_t node; /* the lender's number */
	uint64_t instance; /* of the lender; never 0 */
	uint64_t pair; /* random; the memory that belongs to the table has it too */
	uint64_t group; /* struct oom_mark, of the first run */
	uint64_t kills;
	uint32_t bytes; /* of struct table */
	uint32_t check; /* of all before it */
};

struct table_owner {
	_Atomic uint64_t admitted; /* instance whose token this is; 0: none, and the rest does not count */
	uint8_t token[R2NET_TOKEN_LEN];
	uint32_t number;
	uint32_t check; /* of number, token and the instance */
};

struct table_entry {
	_Atomic uint64_t state; /* generation << 32 | in force << 31 | checksum of those two and the id, 31 bits */
	uint64_t instance; /* of the owner; this and the rest count while it is in force */
	uint32_t size; /* bytes */
	uint32_t owner; /* node number */
	uint32_t check; /* of id, generation and the three above */
	uint32_t reserved;
};

struct table {
	struct table_head head;
	_Atomic uint64_t ids; /* ids below it were used at least once; its checksum << 32 */
	struct table_owner owners[R2NET_MAX_NODES];
	struct table_entry entries[EXTENT_IDS]; /* pages of it come as ids are used */
};

/**
 * table_init - begin an empty table
 * @table: zeroes
 * @head: node, instance, pair, group and kills are set
 */
void table_init(struct table *table, const struct table_head *head);

/**
 * table_check - whether a table that was found may be used
 * @table: sizeof(struct table) bytes that anybody may have written
 * @node: our number
 *
 * Returns NULL if all of it is as table_init() and the calls below leave it; else what is wrong.
 */
const char *table_check(struct table *table, uint32_t node);

/* Takes the next id, which is neither in force nor of any generation yet. @id: table_ids() */
void table_add(struct table *table, uint32_t id);

/* One above the ids that were taken, 1 ... EXTENT_IDS. */
uint32_t table_ids(const struct table *table);

/* Puts a lease into force; its id was taken, is not in force, and had a lower generation. */
void table_lease(struct table *table, const struct lender_lease *lease);

/* Ends the lease of an id; the generation stays known. */
void table_end(struct table *table, uint32_t id);

/**
 * table_get - what is known of an id that was taken
 * @lease: filled in; of an id that is not in force only extent and generation, which may be 0
 *
 * Returns whether it is in force.
 */
bool table_get(const struct table *table, uint32_t id, struct lender_lease *lease);

/* Keeps an owner's token. @instance: not 0; @token: R2NET_TOKEN_LEN bytes */
void table_admit(struct table *table, uint32_t owner, uint64_t instance, const uint8_t *token);

/* Forgets it. */
void table_expel(struct table *table, uint32_t owner);

/* The instance whose token is kept, or 0. @token: filled in if there is one. */
uint64_t table_admitted(const struct table *table, uint32_t owner, uint8_t token[R2NET_TOKEN_LEN]);

#endif
