// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is lent outlives the lender's process, or is given back: never is it another's. This test is the service manager,
 * and the lender's control group is a directory of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lender/table.h"
#include "tests/programs/fds.h"
#include "tests/unit/lender_fixture.h"

#define TABLE "lease-table"
#define MEMORY "lent-memory"
#define PAGE 4096
#define KEPT 3 /* leases of the scene */

static struct fds fds;
static char group[] = "/tmp/lender-group-XXXXXX";
static struct lender_lease leases[KEPT + 1]; /* the last was ended */
static uint8_t bytes[KEPT][PAGE]; /* at the end of each lease that is in force */
static uint64_t instance;
static int memory; /* the file, held by the test, too */

static bool give(void)
{
	return fds_give(&fds);
}

static void set_kills(unsigned int kills)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.events", group);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "low 0\nhigh 0\nmax 9\noom 9\noom_kill %u\noom_group_kill 0\n", kills);
	fclose(file);
}

/* Another directory of the same name is another group. */
static void renew_group(void)
{
	char old[sizeof(group) + 4], events[sizeof(group) + 32];

	snprintf(old, sizeof(old), "%s.old", group);
	assert_int_equal(rename(group, old), 0);
	assert_int_equal(mkdir(group, 0755), 0);
	snprintf(events, sizeof(events), "%s/memory.events", old);
	unlink(events);
	rmdir(old);
	set_kills(0);
}

static uint64_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks * 512ULL;
}

static void put_page(unsigned int i, int fd, bool write)
{
	struct r2net_item item = wire_item(&leases[i], leases[i].size - PAGE, PAGE);
	size_t length;

	if (write) {
		fill_payload(PAGE);
		memcpy(bytes[i], payload, PAGE);
	}
	exchange(fd, write, &item, 1, &length);
	assert_int_equal(statuses[0], R2NET_OK);
	if (!write)
		assert_memory_equal(back, bytes[i], PAGE);
}

static unsigned int list(struct lender_lease found[LENDER_MAX_LEASES])
{
	struct lender_request rq = { .command = LENDER_LIST };
	struct lender_reply reply;

	assert_int_equal(wire_door(lender.door, &rq, &reply), 0);
	memcpy(found, reply.leases, reply.count * sizeof(found[0]));
	return reply.count;
}

static void limit(uint64_t most)
{
	struct lender_request rq = { .command = LENDER_LIMIT, .limit = most };
	struct lender_reply reply;

	assert_int_equal(wire_door(lender.door, &rq, &reply), 0);
}

/* Three leases with a page each, a fourth that has ended, and nothing else. */
static int scene(void **state)
{
	unsigned int i;
	int fd;

	set_kills(0);
	lender.group = group;
	lender.prepare = give;
	if (lender_set_up(state))
		return -1;
	fds_receive(&fds);
	assert_int_equal(fds.count, 2);
	memory = fcntl(fds_find(&fds, MEMORY), F_DUPFD_CLOEXEC, 0);
	instance = wire_status(lender.door).instance;
	fd = join(R2NET_ROLE_DATA);
	for (i = 0; i <= KEPT; i++)
		leases[i] = lease(SIZE * (i + 1));
	for (i = 0; i < KEPT; i++)
		put_page(i, fd, true);
	assert_int_equal(wire_release(lender.door, &leases[KEPT], 1), 1);
	close(fd);
	return 0;
}

static int end_scene(void **state)
{
	int ret;

	limit(LIMIT);
	ret = lender_tear_down(state);
	close(memory);
	fds_receive(&fds);
	fds_remove(&fds, NULL);
	return ret;
}

static void end_lender(int number)
{
	close(lender.door);
	kill(lender.pid, number);
	assert_int_equal(waitpid(lender.pid, NULL, 0), lender.pid);
	fds_receive(&fds);
}

static void start_lender(void)
{
	assert_true(wire_lender_restart(&lender, "0"));
	fds_receive(&fds);
}

/* ---- It goes on ---- */

static void is_as_before(void)
{
	struct lender_lease found[LENDER_MAX_LEASES], more;
	struct r2net_item item = wire_item(&leases[KEPT], 0, PAGE);
	static const uint8_t zero[PAGE];
	size_t length;
	unsigned int i;
	int fd;

	assert_true(wire_status(lender.door).instance == instance);
	assert_int_equal(wire_status(lender.door).lent, 6 * SIZE);
	assert_int_equal(list(found), KEPT);
	assert_memory_equal(found, leases, KEPT * sizeof(found[0]));

	/* The token is as good as before; a lease that ended stays ended. */
	fd = join(R2NET_ROLE_DATA);
	for (i = 0; i < KEPT; i++)
		put_page(i, fd, false);
	exchange(fd, false, &item, 1, NULL);
	assert_int_equal(statuses[0], R2NET_ESTALE);

	/* Its place is lent anew, by another generation, and shows nothing of what was there. */
	limit(LIMIT);
	more = lease(leases[KEPT].size);
	assert_int_equal(more.extent, leases[KEPT].extent);
	assert_true(more.generation > leases[KEPT].generation);
	item = wire_item(&more, more.size - PAGE, PAGE);
	exchange(fd, false, &item, 1, &length);
	assert_int_equal(statuses[0], R2NET_OK);
	assert_memory_equal(back, zero, PAGE);
	leases[KEPT] = more;
	assert_int_equal(wire_release(lender.door, &more, 1), 1);
	close(fd);
}

static void a_killed_lender_goes_on(void **state)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		end_lender(SIGKILL);
		start_lender();
		is_as_before();
	}
	assert_int_equal(wire_lender_log_count(&lender, "goes on as before: 3 leases with 12 MiB were kept"), 3);
	assert_int_equal(fds.count, 2);
}

static void an_ended_lender_goes_on(void **state)
{
	end_lender(SIGTERM);
	start_lender();
	is_as_before();
}

/* The requests of a former connection died with the process: its FENCE is answered at once. */
static void a_former_connection_is_fenced(void **state)
{
	uint32_t former = next_conn;
	int data = join(R2NET_ROLE_DATA), control;

	end_lender(SIGKILL);
	start_lender();
	control = join(R2NET_ROLE_CONTROL);
	assert_true(wire_fence(control, 1, former));
	expect_answer(control, 1, R2NET_OK);
	assert_int_equal(join_status(INSTANCE, TOKEN, former), R2NET_EINVAL);
	close(control);
	close(data);
}

static void an_expelled_owner_stays_out(void **state)
{
	struct lender_request rq = { .command = LENDER_EXPEL, .owner = OWNER, .instance = INSTANCE };
	struct lender_lease found[LENDER_MAX_LEASES];
	struct lender_reply reply;

	assert_int_equal(wire_door(lender.door, &rq, &reply), 0);
	end_lender(SIGKILL);
	start_lender();
	assert_int_equal(list(found), 0);
	assert_int_equal(join_status(INSTANCE, TOKEN, next_conn++), R2NET_EPERM);
	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE, TOKEN), 0);
}

static void the_end_of_a_lease_gives_its_memory_back(void **state)
{
	uint64_t before = blocks(memory);

	assert_true(before >= 6 * SIZE && before < 7 * SIZE);
	assert_int_equal(wire_release(lender.door, &leases[2], 1), 1);
	assert_true(blocks(memory) <= before - 3 * SIZE);
	end_lender(SIGKILL);
	start_lender();
	assert_int_equal(wire_release(lender.door, &leases[1], 1), 1);
	assert_true(blocks(memory) <= before - 5 * SIZE);
	put_page(0, join(R2NET_ROLE_DATA), false);
}

static struct table *map_table(void)
{
	int fd = fds_find(&fds, TABLE);
	void *table = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(table != MAP_FAILED);
	return table;
}

/* Killed when a lease was ended, but its memory not yet given back: nobody ever sees what was there. */
static void half_an_end_shows_nothing(void **state)
{
	struct lender_lease more[4];
	static const uint8_t zero[PAGE];
	uint64_t before = blocks(memory);
	struct r2net_item item;
	struct table *table;
	int fd;

	end_lender(SIGKILL);
	table = map_table();
	table_end(table, leases[2].extent);
	munmap(table, sizeof(*table));
	start_lender();
	assert_int_equal(wire_status(lender.door).lent, 3 * SIZE);
	assert_true(blocks(memory) <= before - 3 * SIZE);
	limit(LIMIT);
	assert_int_equal(wire_admit(lender.door, OTHER_OWNER, INSTANCE, OTHER_TOKEN), 0);
	assert_int_equal(wire_lease(lender.door, OTHER_OWNER, INSTANCE, leases[2].size, 2, more), 2);
	fd = wire_join(lender.port, OTHER_OWNER, INSTANCE, OTHER_TOKEN, 1, R2NET_ROLE_DATA);
	assert_true(fd >= 0);
	for (unsigned int i = 0; i < 2; i++) {
		item = wire_item(&more[i], more[i].size - PAGE, PAGE);
		exchange(fd, false, &item, 1, NULL);
		assert_int_equal(statuses[0], R2NET_OK);
		assert_memory_equal(back, zero, PAGE);
	}
	assert_true(more[0].extent == leases[2].extent || more[1].extent == leases[2].extent);
	close(fd);
}

/* A thread that hangs may still write to what is kept. */
static void a_lender_that_lingers_is_waited_for(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	assert_int_equal(fcntl(memory, F_SETLK, &lock), -1); /* the lender's */
	end_lender(SIGKILL);
	assert_int_equal(fcntl(memory, F_SETLK, &lock), 0);
	assert_false(wire_lender_restart(&lender, "0"));
	assert_int_equal(wire_lender_log_count(&lender, "cannot start: the lender before this one has not ended yet"),
			 1);
	lock.l_type = F_UNLCK;
	assert_int_equal(fcntl(memory, F_SETLK, &lock), 0);
	start_lender();
	is_as_before();
}

/* ---- It starts empty ---- */

static void spoil_version(void)
{
	struct table *table = map_table();

	table->head.version++;
	munmap(table, sizeof(*table));
}

/* OTHER_OWNER would have OWNER's memory. */
static void spoil_owner(void)
{
	struct table *table = map_table();

	table->entries[1].owner = OTHER_OWNER;
	munmap(table, sizeof(*table));
}

static void spoil_length(void)
{
	struct table *table = map_table();

	atomic_store(&table->ids, UINT32_MAX);
	munmap(table, sizeof(*table));
}

static void cut_table(void)
{
	assert_int_equal(ftruncate(fds_find(&fds, TABLE), sizeof(struct table) / 2), 0);
}

static void cut_memory(void)
{
	assert_int_equal(ftruncate(fds_find(&fds, MEMORY), 8 * SIZE), 0);
}

static void lose_memory(void)
{
	fds_remove(&fds, MEMORY);
}

static int make_file(off_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void change_memory(void)
{
	fds_remove(&fds, MEMORY);
	fds_add(&fds, MEMORY, make_file((off_t)EXTENT_IDS * R2NET_EXTENT_MAX));
}

static void add_stranger(void)
{
	fds_add(&fds, "stranger", make_file(PAGE));
}

static void add_second(void)
{
	fds_add(&fds, TABLE, make_file(sizeof(struct table)));
}

static void change_to_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	fds_remove(&fds, TABLE);
	fds_add(&fds, TABLE, ends[1]);
}

static void kill_for_memory(void)
{
	set_kills(1);
}

static const struct doubt {
	void (*make)(void);
	const char *says;
} doubts[] = {
	{ spoil_version, "starts empty: another version of the lender made it (" },
	{ spoil_owner, "starts empty: a lease in it has a wrong checksum (" },
	{ spoil_length, "starts empty: the checksum of its length is wrong (" },
	{ cut_table, "starts empty: the kept table is not as the lender made it (" },
	{ change_to_pipe, "starts empty: the kept table is not as the lender made it (" },
	{ cut_memory, "starts empty: the kept memory is not as the lender made it (" },
	{ lose_memory, "starts empty: the service manager has only a part of it (" },
	{ change_memory, "starts empty: table and memory do not belong together (" },
	{ add_stranger, "starts empty: the service manager has other descriptors than the lender left there (" },
	{ add_second, "starts empty: the service manager has other descriptors than the lender left there (" },
	{ kill_for_memory, "starts empty: the kernel has killed in the lender's control group for want of memory (" },
	{ renew_group, "starts empty: the lender is in another control group than before, or in one made anew (" },
};

/* What was kept is the system's again, and the lender another one, which keeps from now on. */
static void is_empty(const char *says)
{
	struct lender_lease found[LENDER_MAX_LEASES];
	int control;

	assert_int_equal(wire_lender_log_count(&lender, says), 1);
	assert_true(wire_status(lender.door).instance != instance);
	assert_int_equal(list(found), 0);
	assert_int_equal(wire_status(lender.door).lent, 0);
	assert_int_equal(join_status(INSTANCE, TOKEN, next_conn++), R2NET_EPERM);
	assert_int_equal(wire_admit(lender.door, OWNER, INSTANCE, TOKEN), 0);
	control = join(R2NET_ROLE_CONTROL);
	assert_true(wire_ping(control, 1));
	expect_answer(control, 1, R2NET_OK);
	close(control);
}

static void any_doubt_begins_anew(void **state)
{
	unsigned int i;

	for (i = 0; i < sizeof(doubts) / sizeof(doubts[0]); i++) {
		if (i)
			assert_int_equal(scene(state), 0);
		end_lender(SIGKILL);
		doubts[i].make();
		start_lender();
		if (doubts[i].make != lose_memory && doubts[i].make != change_memory)
			assert_int_equal(blocks(memory), 0);
		is_empty(doubts[i].says);
		assert_int_equal(fds_find(&fds, TABLE) >= 0, 1);
		if (i + 1 < sizeof(doubts) / sizeof(doubts[0]))
			assert_int_equal(end_scene(state), 0);
	}
}

/* The kernel kills the lender: the memory is there again before any other lender is. */
static void the_guard_gives_back_at_once(void **state)
{
	static const char said[] = "for want of memory: 12 MiB that were lent are given back";
	const struct timespec pause = { .tv_nsec = 2000000 };
	time_t until = time(NULL) + WIRE_TIMEOUT_S;

	set_kills(1);
	end_lender(SIGKILL);
	/* It says so afterwards. */
	while (blocks(memory) || !wire_lender_log_count(&lender, said)) {
		assert_true(time(NULL) <= until);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(wire_lender_log_count(&lender, said), 1);
	start_lender();
	is_empty("the kernel has killed in the lender's control group for want of memory (");
}

static void switched_off_it_gives_back(void **state)
{
	end_lender(SIGTERM);
	lender.group = NULL;
	start_lender();
	assert_int_equal(blocks(memory), 0);
	assert_int_equal(fds.count, 0);
	is_empty("starts empty: keep_on_restart is off (12 MiB that were kept are given back)");
}

/* A lender that cannot keep lends all the same. */
static void without_a_service_manager_nothing_is_kept(void **state)
{
	char *socket = strdup(getenv("NOTIFY_SOCKET"));

	end_lender(SIGTERM);
	fds_remove(&fds, NULL);
	unsetenv("NOTIFY_SOCKET");
	start_lender();
	is_empty("not kept when the lender ends: no service manager is there that keeps descriptors");
	setenv("NOTIFY_SOCKET", socket, 1);
	free(socket);
}

static void without_a_group_nothing_is_kept(void **state)
{
	end_lender(SIGTERM);
	lender.group = "/nowhere";
	start_lender();
	assert_int_equal(wire_lender_log_count(&lender, "not kept when the lender ends: "), 1);
	assert_int_equal(blocks(memory), 0);
	is_empty("starts empty: the lender is in no control group");
}

#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, scene, end_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCENE(a_killed_lender_goes_on),
		WITH_SCENE(an_ended_lender_goes_on),
		WITH_SCENE(a_former_connection_is_fenced),
		WITH_SCENE(an_expelled_owner_stays_out),
		WITH_SCENE(the_end_of_a_lease_gives_its_memory_back),
		WITH_SCENE(a_lender_that_lingers_is_waited_for),
		WITH_SCENE(half_an_end_shows_nothing),
		WITH_SCENE(any_doubt_begins_anew),
		WITH_SCENE(the_guard_gives_back_at_once),
		WITH_SCENE(switched_off_it_gives_back),
		WITH_SCENE(without_a_service_manager_nothing_is_kept),
		WITH_SCENE(without_a_group_nothing_is_kept),
	};
	char events[sizeof(group) + 32];
	int failed;

	if (!mkdtemp(group) || !fds_open(&fds))
		return 1;
	failed = cmocka_run_group_tests_name("lender keep", tests, NULL, NULL);
	snprintf(events, sizeof(events), "%s/memory.events", group);
	unlink(events);
	rmdir(group);
	return failed;
}
