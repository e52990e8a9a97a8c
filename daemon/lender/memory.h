/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory - keeps what the lender itself needs in RAM, while what it lends stays reclaimable.
 *
 * Peers that are short of memory wait for this process: it must not wait for its own node's swap. Extents are never
 * locked, because nothing here touches mappings that are made later (no MCL_FUTURE).
 */
#ifndef _RAMSTER_LENDER_MEMORY_H
#define _RAMSTER_LENDER_MEMORY_H

/**
 * memory_lock_process - lock program, libraries and tables; call it when the tables are there, before threads start
 *
 * Says in one warning what the operator can do if it is not allowed; everything works without.
 */
void memory_lock_process(void);

/**
 * memory_lock_thread - lock the calling thread's stack, where allowed
 */
void memory_lock_thread(void);

#endif
