// SPDX-License-Identifier: GPL-2.0-or-later
/* lent - see lent.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/lender/lent.h"
#include "daemon/log.h"

static int file = -1;

void lent_init(int fd)
{
	file = fd;
}

/* Kernels before 5.14 do not know MADV_POPULATE_WRITE; there, writing to each page does it. */
static int prefault(uint8_t *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), at;

	if (!madvise(memory, size, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -ENOMEM;
	for (at = 0; at < size; at += page)
		*(volatile uint8_t *)(memory + at) = 0;
	return 0;
}

/* Maps the extent's memory, private or the file's. */
static uint8_t *map(uint32_t id, size_t size)
{
	size_t align = R2NET_EXTENT_MIN, head;
	uint8_t *memory;

	memory = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)memory & (align - 1);
	if (head)
		munmap(memory, head);
	memory += head;
	munmap(memory + size, align - head);
	if (file >= 0 &&
	    mmap(memory, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, lent_offset(id)) == MAP_FAILED) {
		munmap(memory, size);
		return NULL;
	}

	madvise(memory, size, MADV_HUGEPAGE); /* only advice: kernels without huge pages refuse it */
	madvise(memory, size, MADV_DONTDUMP); /* not ours to show */
	return memory;
}

/* Empties the file's range of an extent. */
static int punch(uint32_t id, size_t size)
{
	if (file < 0 || !fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, lent_offset(id), size))
		return 0;
	return -errno;
}

uint8_t *lent_new(uint32_t id, size_t size)
{
	uint8_t *memory;

	/* It was emptied when it was given back, if that went well: an owner's bytes are never shown to another. */
	if (punch(id, size))
		return NULL;
	memory = map(id, size);
	if (!memory)
		return NULL;
	if (!prefault(memory, size))
		return memory;
	lent_free(id, memory, size);
	return NULL;
}

uint8_t *lent_again(uint32_t id, size_t size)
{
	uint8_t *memory = map(id, size);

	if (!memory)
		punch(id, size);
	return memory;
}

void lent_free(uint32_t id, uint8_t *memory, size_t size)
{
	int err;

	munmap(memory, size);
	err = punch(id, size);
	if (err)
		log_err("extent %u: its memory cannot be given back: %s", id, strerror(-err));
}
