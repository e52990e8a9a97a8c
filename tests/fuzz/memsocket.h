/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memsocket.h - sockets whose other end is a fuzzer's functions, behind the system's own calls, none of which enters the kernel.
 *
 * The linker has the C library's functions behind these (--wrap), for descriptors that are not of memsocket_open(). What a
 * call reads or writes is read or written here, where AddressSanitizer sees it. One thread.
 */
#ifndef _FUZZ_MEMSOCKET_H
#define _FUZZ_MEMSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct memsocket {
	/* As the system's calls, of one piece of what they were asked for; 0 received is the end. */
	ssize_t (*recv)(struct memsocket *sock, void *bytes, size_t len, int flags);
	ssize_t (*send)(struct memsocket *sock, const void *bytes, size_t len);
	bool shut; /* by shutdown(): both are called no more */
};

/* A descriptor for it, until close(). */
int memsocket_open(struct memsocket *sock);

/* How many descriptors are open, of sockets and of events. */
unsigned int memsocket_count(void);

#endif
