// SPDX-License-Identifier: GPL-2.0-or-later
/* What the lender's system call filter lets through, each in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/lender/filter.h"

#define NO_FILTER 77 /* exit status: this kernel or this build has none */

static int memory = -1; /* a file in memory */

/* Returns how a process ended that called @call under the filter. */
static int run(enum filter_process process, void (*call)(void))
{
	int status, err;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		err = filter_install(process);
		if (err)
			_exit(err == -ENOSYS || err == -ENOTSUP ? NO_FILTER : EXIT_FAILURE);
		call();
		_exit(EXIT_SUCCESS);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER)
		skip();
	return status;
}

static void check(bool ok)
{
	if (!ok)
		_exit(EXIT_FAILURE);
}

static void call_execve(void)
{
	execl("/bin/true", "true", NULL);
}

static void call_fork(void)
{
	syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void call_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void call_raw_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}

static void call_connect(void)
{
	connect(0, NULL, 0);
}

static void call_ptrace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void call_process_read(void)
{
	process_vm_readv(getppid(), NULL, 0, NULL, 0, 0);
}

static void call_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_make_code(void)
{
	mprotect(&memory, 1, PROT_READ | PROT_EXEC);
}

static void call_setuid(void)
{
	syscall(SYS_setuid, 0);
}

static void call_mount(void)
{
	syscall(SYS_mount, NULL, NULL, NULL, 0, NULL);
}

static void call_unshare(void)
{
	syscall(SYS_unshare, 0);
}

static void call_io_uring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
}

static void call_bpf(void)
{
	syscall(SYS_bpf, 0, NULL, 0);
}

static void call_kill(void)
{
	syscall(SYS_kill, getppid(), 0);
}

static void call_tgkill(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void call_memfd(void)
{
	memfd_create("x", 0);
}

static void call_mmap(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_recv(void)
{
	recv(0, NULL, 0, 0);
}

/* Connects, if the socket is not connected: one that listened and was shut is not. */
static void call_sendto_connecting(void)
{
	sendto(0, NULL, 0, MSG_NOSIGNAL | MSG_FASTOPEN, NULL, 0);
}

static void call_sendmsg_connecting(void)
{
	struct msghdr msg = { 0 };

	sendmsg(0, &msg, MSG_FASTOPEN);
}

static void call_send(void)
{
	struct msghdr msg = { 0 };

	send(0, NULL, 0, MSG_NOSIGNAL | MSG_DONTWAIT);
	sendmsg(0, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void (*const deadly[])(void) = { call_execve,
					call_fork,
					call_socket,
					call_raw_socket,
					call_connect,
					call_ptrace,
					call_process_read,
					call_code,
					call_make_code,
					call_setuid,
					call_mount,
					call_unshare,
					call_io_uring,
					call_bpf,
					call_kill,
					call_tgkill,
					call_memfd,
					call_sendto_connecting,
					call_sendmsg_connecting };

static void assert_killed(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void calls_that_a_lender_never_makes_end_it(void **state)
{
	for (unsigned int i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		print_message("call %u\n", i);
		assert_killed(run(FILTER_LENDER, deadly[i]));
		assert_killed(run(FILTER_GUARD, deadly[i]));
	}
}

static void the_guard_has_no_memory_or_sockets(void **state)
{
	assert_killed(run(FILTER_GUARD, call_mmap));
	assert_killed(run(FILTER_GUARD, call_recv));
}

static void open_files(void)
{
	check(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	check(open("/proc/self/mem", O_RDWR) < 0 && errno == EACCES);
}

static void no_file_can_be_opened(void **state)
{
	assert_int_equal(run(FILTER_LENDER, open_files), 0);
	assert_killed(run(FILTER_GUARD, open_files));
}

static void connected_sockets_can_be_sent_to(void **state)
{
	assert_int_equal(run(FILTER_LENDER, call_send), 0);
}

static void *thread(void *argument)
{
	void *bytes = calloc(1, 1 << 20);

	check(bytes);
	memset(bytes, 1, 1 << 20);
	free(bytes);
	return argument;
}

static void start_threads(void)
{
	pthread_t threads[40]; /* more than malloc() has arenas, so that it counts CPUs */

	for (unsigned int i = 0; i < 40; i++)
		check(!pthread_create(&threads[i], NULL, thread, NULL));
	for (unsigned int i = 0; i < 40; i++)
		check(!pthread_join(threads[i], NULL));
}

static void threads_and_memory_work(void **state)
{
	assert_int_equal(run(FILTER_LENDER, start_threads), 0);
}

static void map_file(void)
{
	uint8_t *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	check(at != MAP_FAILED);
	*at = 1;
	check(!fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) && !*at);
	check(!munmap(at, 4096));
}

static void kept_memory_works(void **state)
{
	assert_int_equal(run(FILTER_LENDER, map_file), 0);
}

static void call_abort(void)
{
	abort();
}

static void a_bug_still_shows_as_abort(void **state)
{
	int status = run(FILTER_LENDER, call_abort);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void empty_file(void)
{
	check(!ftruncate(memory, 0));
}

static void the_guard_can_empty_its_file(void **state)
{
	assert_int_equal(run(FILTER_GUARD, empty_file), 0);
	assert_int_equal(lseek(memory, 0, SEEK_END), 0);
}

/* What filter_install() says where every call of number @call is answered @error. */
static void expect_install(int call, int error, int expected)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	int status;
	pid_t pid = fork();

	if (!pid) {
		check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		check(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
		check(filter_install(FILTER_LENDER) == expected);
		_exit(EXIT_SUCCESS);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* As containers may, and valgrind does. Whoever goes on without a filter for that has none where others thought of one. */
static void a_refused_filter_is_not_a_missing_one(void **state)
{
	assert_int_equal(run(FILTER_LENDER, call_recv), 0); /* which skips where there is none */
	expect_install(SYS_seccomp, ENOSYS, -EPERM);
	expect_install(SYS_prctl, EPERM, -EPERM);
	expect_install(SYS_prctl, EACCES, -EPERM);
	expect_install(SYS_prctl, ENOSYS, -EPERM);
	expect_install(SYS_prctl, 0, -EPERM); /* says that it was done */
	expect_install(SYS_prctl, EINVAL, -ENOSYS); /* as a kernel without */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_a_lender_never_makes_end_it),
		cmocka_unit_test(the_guard_has_no_memory_or_sockets),
		cmocka_unit_test(no_file_can_be_opened),
		cmocka_unit_test(connected_sockets_can_be_sent_to),
		cmocka_unit_test(threads_and_memory_work),
		cmocka_unit_test(kept_memory_works),
		cmocka_unit_test(a_bug_still_shows_as_abort),
		cmocka_unit_test(the_guard_can_empty_its_file),
		cmocka_unit_test(a_refused_filter_is_not_a_missing_one),
	};

	memory = memfd_create("test", 0);
	if (memory < 0 || ftruncate(memory, 1 << 20))
		return EXIT_FAILURE;
	return cmocka_run_group_tests_name("lender filter", tests, NULL, NULL);
}
