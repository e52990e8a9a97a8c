/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl.h - speaks the module's generic netlink, right or wrong: nothing is checked before it is sent.
 *
 * Any failure of netlink itself ends the program with exit status 3. Not for several threads.
 */
#ifndef NL_H
#define NL_H

#include <stddef.h>
#include <stdint.h>

#define NL_TEXT_LEN 256

/* Must come first. */
void nl_open(void);

/* Begins a request; the attributes follow, in the machine's byte order. */
void nl_begin(unsigned int command);
void nl_put(unsigned int attribute, const void *data, size_t len);
void nl_put_u32(unsigned int attribute, uint32_t value);
void nl_put_u64(unsigned int attribute, uint64_t value);

/**
 * nl_send - send the request, and wait for what becomes of it
 * @text: where the kernel's explanation is left; empty if it gave none
 *
 * Returns 0 or -errno. A reply besides that is dropped.
 */
int nl_send(char text[NL_TEXT_LEN]);

/**
 * nl_dump - send a command's request for a dump
 * @answers: where what comes is left, message after message, without netlink's headers
 *
 * Returns how many bytes that are. More than @size is a failure.
 */
size_t nl_dump(unsigned int command, void *answers, size_t size);

#endif
