// SPDX-License-Identifier: GPL-2.0-or-later
/* wire_client - see wire_client.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/proof.h"
#include "tests/unit/wire_client.h"

#define PATH_SIZE 96

static void path_of(const struct wire_lender *lender, const char *name, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s", lender->dir, name);
}

static void log_show(const struct wire_lender *lender)
{
	char path[PATH_SIZE], line[1024];
	FILE *log;

	path_of(lender, "log", path);
	log = fopen(path, "r");
	if (!log)
		return;
	while (fgets(line, sizeof(line), log))
		fputs(line, stderr);
	fclose(log);
}

unsigned int wire_lender_log_count(const struct wire_lender *lender, const char *text)
{
	char path[PATH_SIZE], line[1024];
	unsigned int count = 0;
	FILE *log;

	path_of(lender, "log", path);
	log = fopen(path, "r");
	if (!log)
		return 0;
	while (fgets(line, sizeof(line), log))
		count += !!strstr(line, text);
	fclose(log);
	return count;
}

static void find_program(char program[PATH_MAX])
{
	const char *given = getenv("RAMSTER_LENDER");
	ssize_t length;
	unsigned int i;

	if (given) {
		snprintf(program, PATH_MAX, "%s", given);
		return;
	}
	length = readlink("/proc/self/exe", program, PATH_MAX - 1);
	program[length > 0 ? length : 0] = '\0';
	for (i = 0; i < 3 && strrchr(program, '/'); i++)
		*strrchr(program, '/') = '\0';
	strncat(program, "/ramster-lender", PATH_MAX - 1 - strlen(program));
}

static void run_lender(const struct wire_lender *lender, const char *limit)
{
	char program[PATH_MAX], door[PATH_SIZE], log[PATH_SIZE], node[12];
	const char *more[] = { NULL, NULL, NULL, NULL, NULL, NULL }, **next = more;
	int fd;

	find_program(program);
	path_of(lender, "door", door);
	path_of(lender, "log", log);
	snprintf(node, sizeof(node), "%d", WIRE_NODE);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	if (!geteuid()) {
		*next++ = "--user";
		*next++ = WIRE_USER;
	}
	if (lender->group) {
		*next++ = "--keep";
		*next++ = "--group";
		*next++ = lender->group;
	}
	if (!lender->prepare || lender->prepare())
		execl(program, program, "--node", node, "--listen", "127.0.0.1:0", "--socket", door, "--limit", limit,
		      more[0], more[1], more[2], more[3], more[4], NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Whether the lender's process has ended. */
static bool ended(const struct wire_lender *lender)
{
	return waitpid(lender->pid, NULL, WNOHANG) == lender->pid;
}

bool wire_lender_restart(struct wire_lender *lender, const char *limit)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	time_t until = time(NULL) + WIRE_TIMEOUT_S;
	struct ucred cred;
	socklen_t length = sizeof(cred);
	pid_t caller = getpid();

	lender->pid = fork();
	if (lender->pid == 0) {
		/* One that outlives a test that fails keeps open what the test writes to, for whoever reads that. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != caller)
			_exit(127);
		run_lender(lender, limit);
	}
	while (lender->pid > 0 && !ended(lender) && time(NULL) <= until) {
		lender->door = wire_door_connect(lender);
		/* It may be another lender that answers here. */
		if (lender->door >= 0 && !getsockopt(lender->door, SOL_SOCKET, SO_PEERCRED, &cred, &length) &&
		    cred.pid == lender->pid) {
			lender->port = wire_status(lender->door).port;
			return lender->port != 0;
		}
		close(lender->door);
		nanosleep(&pause, NULL);
	}
	return false;
}

bool wire_lender_start(struct wire_lender *lender, const char *limit)
{
	snprintf(lender->dir, sizeof(lender->dir), "/tmp/lender-XXXXXX");
	if (!mkdtemp(lender->dir))
		return false;
	if (wire_lender_restart(lender, limit))
		return true;
	log_show(lender);
	return false;
}

int wire_lender_stop(struct wire_lender *lender)
{
	static const char *const names[] = { "door", "door.lock", "log" };
	char path[PATH_SIZE];
	unsigned int i;
	int status;

	close(lender->door);
	kill(lender->pid, SIGTERM);
	if (waitpid(lender->pid, &status, 0) != lender->pid)
		return -1;
	if (status)
		log_show(lender);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(lender, names[i], path);
		unlink(path);
	}
	rmdir(lender->dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void set_timeouts(int fd)
{
	struct timeval tv = { .tv_sec = WIRE_TIMEOUT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int wire_door_connect(const struct wire_lender *lender)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	path_of(lender, "door", address.sun_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	set_timeouts(fd);
	return fd;
}

int wire_door(int door, struct lender_request *request, struct lender_reply *reply)
{
	request->protocol = LENDER_PROTOCOL;
	memset(reply, 0, sizeof(*reply));
	if (send(door, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request) ||
	    recv(door, reply, sizeof(*reply), 0) != sizeof(*reply))
		return -EIO;
	return reply->error;
}

int wire_admit(int door, uint32_t owner, uint64_t instance, uint8_t token)
{
	struct lender_request request = { .command = LENDER_ADMIT, .owner = owner, .instance = instance };
	struct lender_reply reply;

	memset(request.token, token, sizeof(request.token));
	return wire_door(door, &request, &reply);
}

int wire_lease(int door, uint32_t owner, uint64_t instance, uint32_t size, unsigned int count,
	       struct lender_lease *leases)
{
	struct lender_request request = {
		.command = LENDER_LEASE, .owner = owner, .instance = instance, .extent_size = size, .count = count
	};
	struct lender_reply reply;
	int err = wire_door(door, &request, &reply);

	if (err)
		return err;
	memcpy(leases, reply.leases, reply.count * sizeof(*leases));
	return reply.count;
}

int wire_release(int door, const struct lender_lease *leases, unsigned int count)
{
	struct lender_request request = {
		.command = LENDER_RELEASE, .owner = leases->owner, .instance = leases->instance, .count = count
	};
	struct lender_reply reply;
	int err;

	memcpy(request.leases, leases, count * sizeof(*leases));
	err = wire_door(door, &request, &reply);
	return err ? err : (int)reply.count;
}

struct lender_status wire_status(int door)
{
	struct lender_request request = { .command = LENDER_STATUS };
	struct lender_reply reply;

	wire_door(door, &request, &reply);
	return reply.status;
}

int wire_connect(uint32_t port)
{
	return wire_connect_to("127.0.0.1", port);
}

int wire_connect_to(const char *address, uint32_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	set_timeouts(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void wire_hello_fill(struct wire_hello *hello, uint32_t owner, uint64_t instance, uint8_t token, uint32_t conn,
		     enum r2net_role role)
{
	hello->hello = (struct r2net_hello){ .version_min = cpu_to_le16(R2NET_VERSION),
					     .version_max = cpu_to_le16(R2NET_VERSION),
					     .owner = cpu_to_le32(owner),
					     .donor = cpu_to_le32(WIRE_NODE),
					     .owner_instance = cpu_to_le64(instance),
					     .conn = cpu_to_le32(conn),
					     .role = cpu_to_le16(role),
					     .window = cpu_to_le16(R2NET_MAX_WINDOW) };
	memset(hello->hello.nonce, conn, sizeof(hello->hello.nonce));
	memset(hello->token, token, sizeof(hello->token));
}

/* The rest of an ANSWER to a frame of the opening. Returns its status, or -1. */
static int take_answer(int fd, const struct r2net_hdr *hdr, struct r2net_welcome *welcome)
{
	const __u32 expect = sizeof(*welcome);
	struct r2net_result result;

	if (!r2net_answer_valid(hdr) || hdr->tag != cpu_to_le64(1) || !wire_receive(fd, &result, sizeof(result)) ||
	    !r2net_results_valid(hdr, &result, &expect, 1))
		return -1;
	if (result.length && !wire_receive(fd, welcome, sizeof(*welcome)))
		return -1;
	return le32_to_cpu(result.status);
}

int wire_challenge(int fd, const struct wire_hello *hello, struct r2net_challenge *challenge)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_hello hello;
	} frame = { .hdr = wire_header(R2NET_HELLO, 0, sizeof(frame.hello), 1), .hello = hello->hello };
	struct r2net_welcome none;
	struct r2net_hdr hdr;
	int status;

	if (!wire_send(fd, &frame, sizeof(frame)) || !wire_receive(fd, &hdr, sizeof(hdr)))
		return -1;
	if (hdr.type == R2NET_ANSWER) {
		status = take_answer(fd, &hdr, &none);
		return status == R2NET_OK ? -1 : status;
	}
	if (!r2net_opening_valid(&hdr, R2NET_CHALLENGE) || hdr.tag != frame.hdr.tag)
		return -1;
	return wire_receive(fd, challenge, sizeof(*challenge)) ? 0 : -1;
}

int wire_prove(int fd, const struct r2net_proof *proof, struct r2net_welcome *welcome)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_proof proof;
	} frame = { .hdr = wire_header(R2NET_PROOF, 0, sizeof(frame.proof), 1), .proof = *proof };
	struct r2net_hdr hdr;

	if (!wire_send(fd, &frame, sizeof(frame)) || !wire_receive(fd, &hdr, sizeof(hdr)))
		return -1;
	return take_answer(fd, &hdr, welcome);
}

int wire_hello(int fd, const struct wire_hello *hello, struct r2net_welcome *welcome)
{
	struct proof_said said = { .hello = hello->hello };
	int status = wire_challenge(fd, hello, &said.challenge);
	uint8_t expected[R2NET_PROOF_LEN];
	struct r2net_welcome got;
	struct r2net_proof proof = { 0 };

	if (status)
		return status;
	proof_of_owner(hello->token, &said, proof.proof);
	status = wire_prove(fd, &proof, &got);
	if (status != R2NET_OK)
		return status;
	proof_of_lender(hello->token, &said, &got, expected);
	if (!proof_equal(expected, got.proof))
		return -1;
	if (welcome)
		*welcome = got;
	return status;
}

int wire_join(uint32_t port, uint32_t owner, uint64_t instance, uint8_t token, uint32_t conn, enum r2net_role role)
{
	struct wire_hello hello;
	int fd = wire_connect(port);

	if (fd < 0)
		return -1;
	wire_hello_fill(&hello, owner, instance, token, conn, role);
	if (wire_hello(fd, &hello, NULL) == R2NET_OK)
		return fd;
	close(fd);
	return -1;
}

bool wire_send(int fd, const void *buffer, size_t length)
{
	return send(fd, buffer, length, MSG_NOSIGNAL) == (ssize_t)length;
}

bool wire_receive(int fd, void *buffer, size_t length)
{
	return recv(fd, buffer, length, MSG_WAITALL) == (ssize_t)length;
}

bool wire_ended(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	return got == 0 || (got < 0 && errno == ECONNRESET);
}

struct r2net_hdr wire_header(enum r2net_type type, unsigned int items, uint32_t length, uint64_t tag)
{
	return (struct r2net_hdr){ .magic = cpu_to_le32(R2NET_MAGIC),
				   .version = R2NET_VERSION,
				   .type = type,
				   .items = cpu_to_le16(items),
				   .length = cpu_to_le32(length),
				   .tag = cpu_to_le64(tag) };
}

struct r2net_item wire_item(const struct lender_lease *lease, uint32_t offset, uint32_t length)
{
	return (struct r2net_item){ .extent = cpu_to_le32(lease->extent),
				    .generation = cpu_to_le32(lease->generation),
				    .offset = cpu_to_le32(offset),
				    .length = cpu_to_le32(length) };
}

/* Header and items; @payload bytes will follow. */
static bool send_items(int fd, enum r2net_type type, uint64_t tag, const struct r2net_item *items, unsigned int count,
		       uint32_t payload)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_item items[R2NET_MAX_ITEMS];
	} frame;
	uint32_t table = count * sizeof(*items);

	frame.hdr = wire_header(type, count, table + payload, tag);
	memcpy(frame.items, items, table);
	return wire_send(fd, &frame, sizeof(frame.hdr) + table);
}

bool wire_write(int fd, uint64_t tag, const struct r2net_item *items, unsigned int count, const void *payload)
{
	uint32_t length = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		length += le32_to_cpu(items[i].length);
	return send_items(fd, R2NET_WRITE, tag, items, count, length) && wire_send(fd, payload, length);
}

bool wire_read(int fd, uint64_t tag, const struct r2net_item *items, unsigned int count)
{
	return send_items(fd, R2NET_READ, tag, items, count, 0);
}

bool wire_fence(int fd, uint64_t tag, uint32_t conn)
{
	struct {
		struct r2net_hdr hdr;
		struct r2net_fence fence;
	} frame = { .hdr = wire_header(R2NET_FENCE, 0, sizeof(frame.fence), tag), .fence.conn = cpu_to_le32(conn) };

	return wire_send(fd, &frame, sizeof(frame));
}

bool wire_ping(int fd, uint64_t tag)
{
	struct r2net_hdr hdr = wire_header(R2NET_PING, 0, 0, tag);

	return wire_send(fd, &hdr, sizeof(hdr));
}

int wire_answer(int fd, uint64_t *tag, uint32_t *statuses, void *payload, size_t *length)
{
	struct r2net_result results[R2NET_MAX_ITEMS];
	unsigned int items, i;
	struct r2net_hdr hdr;
	size_t rest, sum = 0;

	if (!wire_receive(fd, &hdr, sizeof(hdr)) || !r2net_answer_valid(&hdr))
		return -1;
	items = le16_to_cpu(hdr.items);
	if (!wire_receive(fd, results, items * sizeof(results[0])))
		return -1;
	rest = le32_to_cpu(hdr.length) - items * sizeof(results[0]);
	for (i = 0; i < items; i++) {
		statuses[i] = le32_to_cpu(results[i].status);
		sum += le32_to_cpu(results[i].length);
	}
	if (sum != rest || (rest && !payload) || (rest && !wire_receive(fd, payload, rest)))
		return -1;
	*tag = le64_to_cpu(hdr.tag);
	if (length)
		*length = rest;
	return items;
}
