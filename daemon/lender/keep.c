// SPDX-License-Identifier: GPL-2.0-or-later
/* keep - see keep.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lender/guard.h"
#include "daemon/lender/keep.h"
#include "daemon/lender/lent.h"
#include "daemon/lender/oom.h"
#include "daemon/lender/store.h"
#include "daemon/log.h"

#define MEMORY_MAGIC UINT64_C(0x6d656d746e656c20)

struct mark { /* at the beginning of the memory, where no extent is */
	uint64_t magic;
	uint64_t pair; /* the table's */
};

static void close_all(int fds[STORE_NAMES])
{
	int i;

	for (i = 0; i < STORE_NAMES; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* What was kept goes back to the system at once, whoever else holds a descriptor of it. */
static void give_back(int fds[STORE_NAMES], const char *why)
{
	unsigned long long bytes = 0;
	struct stat st;

	if (fds[STORE_MEMORY] >= 0 && !fstat(fds[STORE_MEMORY], &st))
		bytes = st.st_blocks * 512ULL;
	if (fds[STORE_MEMORY] >= 0 && ftruncate(fds[STORE_MEMORY], 0))
		log_err("kept memory cannot be emptied: %s", strerror(errno));
	store_drop();
	close_all(fds);
	log_warn("starts empty: %s (%llu MiB that were kept are given back)", why, bytes >> 20);
}

static struct table *map_table(int fd)
{
	void *memory = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Whether it is a file in memory as files_make() makes them. */
static bool file_right(int fd, uint64_t size)
{
	int flags = fcntl(fd, F_GETFL), seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size || st.st_uid != geteuid())
		return false;
	return flags >= 0 && (flags & O_ACCMODE) == O_RDWR && seals >= 0 &&
	       !(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

/* Empties all of the memory that no lease is in force for: a lender may have been killed while it cleared an extent. */
static bool clean(const struct table *table, int fd)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	uint32_t id, ids = table_ids(table);
	uint64_t from = lent_offset(1);
	struct lender_lease lease;

	for (id = 1; id < ids; id++) {
		if (!table_get(table, id, &lease))
			continue;
		if (lent_offset(id) > from && fallocate(fd, mode, from, lent_offset(id) - from))
			return false;
		from = lent_offset(id) + lease.size;
	}
	return from >= LENT_FILE_BYTES || !fallocate(fd, mode, from, LENT_FILE_BYTES - from);
}

/* Returns NULL if what was found can be gone on with. */
static const char *judge(struct table *table, const int fds[STORE_NAMES], uint32_t node, const struct oom_mark *oom)
{
	const char *wrong = table_check(table, node);
	struct mark mark;

	if (wrong)
		return wrong;
	if (table->head.group != oom->group)
		return "the lender is in another control group than before, or in one made anew";
	if (table->head.kills != oom->kills)
		return "the kernel has killed in the lender's control group for want of memory";
	if (!file_right(fds[STORE_MEMORY], LENT_FILE_BYTES))
		return "the kept memory is not as the lender made it";
	if (pread(fds[STORE_MEMORY], &mark, sizeof(mark), 0) != sizeof(mark) || mark.magic != MEMORY_MAGIC ||
	    mark.pair != table->head.pair)
		return "table and memory do not belong together";
	if (!clean(table, fds[STORE_MEMORY]))
		return "memory that is not lent cannot be emptied";
	return NULL;
}

/* Takes over what was found. Returns NULL, and why in @why, if it cannot be used. */
static struct table *take_over(const int fds[STORE_NAMES], uint32_t node, const struct oom_mark *oom, const char **why)
{
	struct table *table;

	*why = "the kept table is not as the lender made it";
	if (!file_right(fds[STORE_TABLE], sizeof(*table)))
		return NULL;
	*why = "the table of leases cannot be mapped";
	table = map_table(fds[STORE_TABLE]);
	if (!table)
		return NULL;
	*why = judge(table, fds, node, oom);
	if (!*why)
		return table;
	munmap(table, sizeof(*table));
	return NULL;
}

/*
 * Locks the memory for as long as this process lives. The kernel gives a process's record locks up when its last thread has
 * ended, and not before. Returns false if another process has it.
 */
static bool lock_memory(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_SETLK, &lock);
}

/* Makes both files, empty. Returns false if that cannot be; errno says why. */
static bool files_make(int fds[STORE_NAMES], struct mark *mark)
{
	fds[STORE_TABLE] = memfd_create("ramster lease table", MFD_CLOEXEC);
	fds[STORE_MEMORY] = memfd_create("ramster lent memory", MFD_CLOEXEC);
	mark->magic = MEMORY_MAGIC;
	return fds[STORE_TABLE] >= 0 && fds[STORE_MEMORY] >= 0 &&
	       getrandom(&mark->pair, sizeof(mark->pair), 0) == sizeof(mark->pair) &&
	       !ftruncate(fds[STORE_TABLE], sizeof(struct table)) && !ftruncate(fds[STORE_MEMORY], LENT_FILE_BYTES) &&
	       pwrite(fds[STORE_MEMORY], mark, sizeof(*mark), 0) == sizeof(*mark) && lock_memory(fds[STORE_MEMORY]);
}

/* Begins anew. Returns NULL, and why in @why, if nothing can be kept. */
static struct table *begin(int fds[STORE_NAMES], uint32_t node, uint64_t instance, const struct oom_mark *oom,
			   const char **why)
{
	struct table_head head = { .node = node, .instance = instance, .group = oom->group, .kills = oom->kills };
	struct table *table;
	struct mark mark;

	*why = NULL;
	table = files_make(fds, &mark) ? map_table(fds[STORE_TABLE]) : NULL;
	if (!table) {
		*why = strerror(errno);
		return NULL;
	}
	head.pair = mark.pair;
	table_init(table, &head);
	*why = store_put(fds);
	if (!*why)
		return table;
	store_drop(); /* one of the two may be there */
	munmap(table, sizeof(*table));
	return NULL;
}

static unsigned int count_leases(const struct table *table, unsigned long long *bytes)
{
	uint32_t id, ids = table_ids(table);
	struct lender_lease lease;
	unsigned int count = 0;

	*bytes = 0;
	for (id = 1; id < ids; id++) {
		if (!table_get(table, id, &lease))
			continue;
		count++;
		*bytes += lease.size;
	}
	return count;
}

/* Says what was done. Returns false if the guard cannot be started, without which nothing is kept. */
static bool look_after(const struct table *table, const int fds[STORE_NAMES], int events, bool found, const char **why)
{
	int err = guard_start(fds[STORE_MEMORY], events, table->head.kills);
	unsigned long long bytes;
	unsigned int leases;

	if (err) {
		*why = strerror(-err);
		return false;
	}
	leases = count_leases(table, &bytes);
	if (found)
		log_info("goes on as before: %u leases with %llu MiB were kept", leases, bytes >> 20);
	else
		log_info("lent memory is kept when this lender is restarted");
	return true;
}

int keep_start(const struct keep_options *options, uint64_t *instance, struct table **kept)
{
	struct table *table = NULL;
	int fds[STORE_NAMES], events = -1;
	const char *why = store_take(fds), *cannot = NULL;
	bool found = why || fds[STORE_TABLE] >= 0;
	struct oom_mark oom;

	*kept = NULL;
	if (fds[STORE_MEMORY] >= 0 && !lock_memory(fds[STORE_MEMORY]) && (errno == EAGAIN || errno == EACCES))
		return -EBUSY;
	if (options->wanted)
		events = oom_open(options->group, &oom, &cannot);
	if (found && !why && events >= 0)
		table = take_over(fds, options->node, &oom, &why);
	if (found && !table)
		give_back(fds, why ? why : options->wanted ? cannot : "keep_on_restart is off");
	found = table;
	if (!table && events >= 0)
		table = begin(fds, options->node, *instance, &oom, &cannot);
	if (table && look_after(table, fds, events, found, &cannot)) {
		*instance = table->head.instance;
		lent_init(fds[STORE_MEMORY]);
		close(fds[STORE_TABLE]);
		close(events);
		*kept = table;
		return 0;
	}
	if (options->wanted)
		log_warn("lent memory is not kept when the lender ends: %s", cannot);
	if (table) {
		munmap(table, sizeof(*table));
		store_drop();
	}
	close_all(fds);
	if (events >= 0)
		close(events);
	return 0;
}
