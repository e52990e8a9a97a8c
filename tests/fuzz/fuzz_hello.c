// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_hello - libFuzzer target: what proves who somebody is, and from whom it comes before that: the identity of a control
 * connection, the file with the cluster's keys, a lender's answers to the opening of a data connection, and the packets of
 * the side door.
 *
 * Input: a byte that says which of these, and then its bytes.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/auth.h"
#include "daemon/lender/door.c"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

/* The connection is made to one end of a socket pair. */
#define socket(...) loop_socket()
#define bind(...) 0
#define connect(...) 0
#include "daemon/dataconn.c"

#define CLUSTER "demo"
#define SELF 1
#define CONN 7
#define WINDOW 32
#define EXTENT R2NET_EXTENT_MIN
#define LEND (4ULL * EXTENT)

static const uint8_t token[R2NET_TOKEN_LEN] = { 1, 2, 3 };

/* ---- Identities ---- */

/* Only what this node itself would write as the identity of another is taken. */
static void try_identity(struct input *in)
{
	static struct auth auth = { .cluster = CLUSTER, .self = SELF, .keys = { .len = 2 } }, other;
	char reason[AUTH_REASON_LEN] = "", identity[AUTH_IDENTITY_LEN];
	const struct authkey *key = NULL;
	unsigned int from = 0;
	enum auth_verdict verdict;

	strcpy(auth.keys.keys[0].id, "0123abcd");
	strcpy(auth.keys.keys[1].id, "ffffffff");
	verdict = auth_check(&auth, in->bytes, in->len, &from, &key, reason);
	check(strnlen(reason, sizeof(reason)) < sizeof(reason));
	check((verdict == AUTH_OK) == !*reason);
	if (verdict != AUTH_OK)
		return;
	check(key == &auth.keys.keys[0] || key == &auth.keys.keys[1]);
	check(from != SELF && from < 1000);
	other = auth;
	other.self = from;
	auth_identity(&other, SELF, key, identity);
	check(strlen(identity) == in->len && !memcmp(identity, in->bytes, in->len));
}

/* ---- The file of keys ---- */

static void try_keys(struct input *in)
{
	struct authkeys keys = { .len = 77 };
	char path[64], error[AUTHKEY_ERROR_LEN] = "";
	int fd = memfd_create("keys", 0), ret;

	check(fd >= 0 && !fchmod(fd, 0400) && write(fd, in->bytes, in->len) == (ssize_t)in->len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = authkeys_load(path, &keys, error);
	check((ret == 0) == !*error && strnlen(error, sizeof(error)) < sizeof(error) && !strchr(error, '\n'));
	check(ret == 0 || keys.len == 77);
	if (!ret) {
		check(keys.len >= 1 && keys.len <= AUTHKEY_MAX);
		check(strlen(keys.keys[0].id) == AUTHKEY_ID_LEN - 1);
		check(authkeys_find(&keys, keys.keys[0].id) == &keys.keys[0] && !authkeys_find(&keys, "x"));
	}
	authkeys_wipe(&keys);
	close(fd);
}

/* ---- What answers at a lender's port ---- */

struct opened {
	unsigned int done;
	struct dataconn_result result;
};

static void on_done(void *ctx, const struct dataconn_result *result)
{
	struct opened *opened = ctx;

	opened->done++;
	opened->result = *result;
}

/* CHALLENGE and ANSWER. */
struct frames {
	struct r2net_hdr first;
	struct r2net_challenge challenge;
	struct r2net_hdr second;
	struct r2net_result result;
	struct r2net_welcome welcome;
};

static struct r2net_hdr header(enum r2net_type type, unsigned int items, uint32_t length)
{
	return (struct r2net_hdr){ .magic = cpu_to_le32(R2NET_MAGIC),
				   .version = R2NET_VERSION,
				   .type = type,
				   .items = cpu_to_le16(items),
				   .length = cpu_to_le32(length),
				   .tag = cpu_to_le64(CONN) };
}

/* What a lender with the token sends that makes of itself what the input says; then the input spoils it. Returns whether it did. */
static bool lender_frames(struct input *in, const struct r2net_hello *hello, struct frames *frames)
{
	struct proof_said said = { .hello = *hello };
	struct frames right;

	*frames = (struct frames){
		.first = header(R2NET_CHALLENGE, 0, sizeof(frames->challenge)),
		.second = header(R2NET_ANSWER, 1, sizeof(frames->result) + sizeof(frames->welcome)),
		.result = { .length = cpu_to_le32(sizeof(frames->welcome)) },
		.welcome = { .version = cpu_to_le16(R2NET_VERSION),
			     .window = cpu_to_le16(1),
			     .lender_instance = cpu_to_le64(9) },
	};
	take_spoil(in, &frames->challenge, sizeof(frames->challenge));
	take_spoil(in, &frames->welcome, offsetof(struct r2net_welcome, proof));
	said.challenge = frames->challenge;
	proof_of_lender(token, &said, &frames->welcome, frames->welcome.proof);
	right = *frames;
	take_spoil(in, frames, sizeof(*frames));
	return memcmp(&right, frames, sizeof(right));
}

/* The loop: what it would call, as long as there is something to call for. */
static void run_opening(struct opened *opened, const uint8_t *bytes, size_t len, struct input *in)
{
	size_t chunk;

	while (!opened->done && len) {
		chunk = 1 + take_u8(in) % 128;
		if (chunk > len)
			chunk = len;
		check(send(loop_peer, bytes, chunk, MSG_NOSIGNAL) == (ssize_t)chunk);
		bytes += chunk;
		len -= chunk;
		while (!opened->done && loop_readable())
			loop_poll();
	}
}

static void try_lender(struct input *in)
{
	struct r2net_hello hello = { .conn = cpu_to_le32(CONN), .window = cpu_to_le16(WINDOW), .nonce = { 1, 2, 3 } };
	struct sockaddr_in any = { .sin_family = AF_INET };
	bool raw = take_u8(in) & 1, spoilt = true;
	struct opened opened = { 0 };
	struct frames frames;
	const void *bytes = &frames;
	size_t len = sizeof(frames);

	if (raw)
		bytes = take(in, sizeof(frames), &len);
	else
		spoilt = lender_frames(in, &hello, &frames);
	check(dataconn_open(NULL, &any, &any, &hello, token, on_done, &opened));
	loop_poll(); /* it is connected */
	run_opening(&opened, bytes, len, in);
	if (!opened.done && take_u8(in) & 1)
		loop_let_pass(DATACONN_DEADLINE_MS);
	if (!opened.done) {
		shutdown(loop_peer, SHUT_WR);
		loop_poll();
	}
	check(opened.done == 1 && !opened.result.error == !opened.result.why);
	if (!opened.result.error) {
		check(!spoilt && opened.result.fd >= 0 && opened.result.lender_instance);
		check(opened.result.window >= 1 && opened.result.window <= WINDOW);
		close(opened.result.fd);
	}
	close(loop_peer);
	loop_run_closed();
}

/* ---- The side door ---- */

/* As ramsterd sends them, or whatever the input has. */
static void send_request(struct input *in, int fd)
{
	struct lender_request rq = { .protocol = LENDER_PROTOCOL,
				     .command = take_u8(in),
				     .owner = take_u8(in),
				     .count = take_u8(in) % (LENDER_MAX_LEASES + 2),
				     .instance = take_u8(in) % 3,
				     .limit = take_u8(in) * (uint64_t)EXTENT,
				     .extent_size = take_u8(in) % 40 * EXTENT,
				     .cursor = take_u16(in) };
	size_t len = take_u8(in) ? sizeof(rq) : take_u16(in) % (2 * sizeof(rq));
	uint8_t packet[2 * sizeof(rq)] = { 0 };

	for (unsigned int i = 0; i < rq.count && i < LENDER_MAX_LEASES; i++)
		rq.leases[i] = (struct lender_lease){ .extent = take_u8(in), .generation = take_u8(in) };
	take_spoil(in, &rq, sizeof(rq));
	if (rq.command == LENDER_LIMIT)
		rq.limit %= LEND + 1; /* the lender takes so much memory of this machine */
	memcpy(packet, &rq, sizeof(rq));
	check(!len || send(fd, packet, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Counts what the lender says that it has lent, and holds it against the limit that was in force. */
static void check_reply(const struct lender_reply *reply, ssize_t len)
{
	check(len == sizeof(*reply));
	check(reply->error == 0 || reply->error == -EINVAL || reply->error == -ENOMEM || reply->error == -EDQUOT);
	check(reply->error || reply->count <= EXTENT_IDS);
	check(reply->status.lent % EXTENT == 0);
	check((reply->status.lent != 0) == (reply->status.extents != 0));
}

static void try_door(struct input *in)
{
	static bool started;
	struct lender_reply reply;
	unsigned int packets = 0, answers = 0;
	int fds[2];
	ssize_t len;

	if (!started) {
		log_set_level(-1);
		owner_init(NULL);
		check(!extent_init(NULL));
		started = true;
	}
	extent_set_limit(LEND);
	check(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
	for (; in->len && packets < 8; packets++)
		send_request(in, fds[1]);
	shutdown(fds[1], SHUT_WR);
	atomic_store(&clients, 1);
	door_thread((void *)(intptr_t)fds[0]);
	while ((len = recv(fds[1], &reply, sizeof(reply), MSG_DONTWAIT)) > 0) {
		check_reply(&reply, len);
		answers++;
	}
	/* A packet of no bytes is the end to whoever receives it. */
	check(answers <= packets);
	close(fds[1]);
	for (uint32_t owner = 0; owner < R2NET_MAX_NODES; owner++)
		for (uint64_t instance = 1; extent_held(owner) && instance < 3; instance++) {
			owner_expel(owner, instance);
			lease_end_all(owner, instance);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct input in = { input, size };

	switch (take_u8(&in) % 4) {
	case 0:
		try_identity(&in);
		break;
	case 1:
		try_keys(&in);
		break;
	case 2:
		try_lender(&in);
		break;
	case 3:
		try_door(&in);
		break;
	}
	return 0;
}
