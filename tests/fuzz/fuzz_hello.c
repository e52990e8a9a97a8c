// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_hello - libFuzzer target: what proves who somebody is, and from whom it comes before that: the identity of a control
 * connection, the file with the cluster's keys, and both ends of the opening of a data connection.
 *
 * Input: a byte that says which of these, and then its bytes.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/auth.h"
#include "daemon/lender/hello.h"
#include "daemon/lender/nonce.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/memsocket.h"

static struct memsocket lender_end; /* of a data connection, as ramsterd has it */
#define socket(...) memsocket_open(&lender_end)
#define bind(...) 0
#define connect(...) 0
#include "daemon/dataconn.c"

#define CLUSTER "demo"
#define SELF 1
#define CONN 7
#define WINDOW 32
#define OWNER 3

static const uint8_t token[R2NET_TOKEN_LEN] = { 1, 2, 3 };

bool nonce_make(uint8_t nonce[R2NET_NONCE_LEN])
{
	memset(nonce, 7, R2NET_NONCE_LEN);
	return true;
}

static void start(void)
{
	static bool started;

	if (started)
		return;
	log_set_level(-1);
	owner_init(NULL);
	started = true;
}

/* ---- Identities ---- */

/* One that is right, or nearly; or bytes of the input. Returns its length. */
static size_t make_identity(struct input *in, const struct auth *auth, char identity[2 * AUTH_IDENTITY_LEN])
{
	static const char *const clusters[] = { CLUSTER, "other", "demo2",
						"a-cluster-of-a-long-name-0123456789-0123456789-012345" };
	unsigned int what = take_u8(in), from = take_u8(in) % 5, to = take_u8(in) & 3 ? SELF : take_u8(in);
	const uint8_t *bytes;
	size_t len;

	if (what & 1) {
		bytes = take(in, 2 * AUTH_IDENTITY_LEN, &len);
		memcpy(identity, bytes, len);
		return len;
	}
	len = snprintf(identity, AUTH_IDENTITY_LEN, "ramster1 %s %u %u %s", clusters[what / 2 % 8 ? 0 : what / 16 % 4],
		       from, to, what & 4 ? "01234567" : auth->keys.keys[what / 8 % 2].id);
	take_spoil(in, identity, len);
	return len;
}

/* Only what this node itself would write as the identity of another is taken. */
static void try_identity(struct input *in)
{
	static struct auth auth = { .cluster = CLUSTER, .self = SELF, .keys = { .len = 2 } }, other;
	char reason[AUTH_REASON_LEN] = "", identity[AUTH_IDENTITY_LEN], given[2 * AUTH_IDENTITY_LEN];
	const struct authkey *key = NULL;
	unsigned int from = 0;
	enum auth_verdict verdict;
	uint8_t secret[AUTH_SECRET_LEN];
	size_t len;

	strcpy(auth.keys.keys[0].id, "0123abcd");
	strcpy(auth.keys.keys[1].id, "ffffffff");
	len = make_identity(in, &auth, given);
	verdict = auth_check(&auth, (uint8_t *)given, len, &from, &key, reason);
	check(strnlen(reason, sizeof(reason)) < sizeof(reason));
	check((verdict == AUTH_OK) == !*reason);
	check(verdict == AUTH_MALFORMED || (len > 9 && !memcmp(given, "ramster1 ", 9)));
	if (verdict != AUTH_OK)
		return;
	check(key == &auth.keys.keys[0] || key == &auth.keys.keys[1]);
	check(from != SELF && from < 1000);
	other = auth;
	other.self = from;
	auth_identity(&other, SELF, key, identity);
	check(strlen(identity) == len && !memcmp(identity, given, len));
	auth_secret(key, identity, secret);
}

/* ---- The file of keys ---- */

/* A key file that is right, then spoiled; or bytes of the input. Returns its length. */
static size_t make_keys(struct input *in, char text[8192])
{
	unsigned int what = take_u8(in), keys = take_u8(in) % 4;
	const uint8_t *bytes;
	size_t len;

	if (what & 1) {
		bytes = take(in, 8192, &len);
		memcpy(text, bytes, len);
		return len;
	}
	len = sprintf(text, "ramster authkey 1%s\n# a comment\n\n", what & 2 ? "\r" : "");
	for (; keys; keys--) {
		len += sprintf(text + len, "key ");
		for (unsigned int i = 0; i < AUTHKEY_LEN; i++)
			len += sprintf(text + len, "%02x", take_u8(in));
		len += sprintf(text + len, what & 4 && keys == 1 ? "" : "\n");
	}
	take_spoil(in, text, what & 8 ? len : 0);
	return len;
}

static void check_keys(const struct authkeys *keys)
{
	check(keys->len >= 1 && keys->len <= AUTHKEY_MAX);
	for (unsigned int i = 0; i < keys->len; i++)
		check(strlen(keys->keys[i].id) == AUTHKEY_ID_LEN - 1);
	check(authkeys_find(keys, keys->keys[0].id) == &keys->keys[0] && !authkeys_find(keys, "x"));
}

static void try_keys(struct input *in)
{
	static const mode_t modes[] = { 0400, 0400, 0600, 0440, 0402, 0400, 0400, 0755 };
	static char text[8192];
	static struct conf conf = { .cluster = CLUSTER };
	mode_t mode = modes[take_u8(in) % 8];
	size_t len = make_keys(in, text);
	struct authkeys keys = { .len = 77 };
	char error[AUTHKEY_ERROR_LEN] = "";
	int fd = memfd_create("keys", 0), ret;
	struct auth *auth;

	check(fd >= 0 && !fchmod(fd, mode) && write(fd, text, len) == (ssize_t)len);
	if (mode == 0402)
		strcpy(conf.authkey, take_u8(in) & 1 ? "/dev/null" : "/nothing/of/that/name");
	else
		snprintf(conf.authkey, sizeof(conf.authkey), "/proc/self/fd/%d", fd);
	ret = authkeys_load(conf.authkey, &keys, error);
	check((ret == 0) == !*error && strnlen(error, sizeof(error)) < sizeof(error) && !strchr(error, '\n'));
	check(!(mode & 077) || ret == -EACCES || ret == -ENOENT);
	check(ret == 0 || keys.len == 77);
	if (!ret)
		check_keys(&keys);
	auth = auth_new(&conf, SELF, error);
	check(!auth == !!ret && (!auth || auth->keys.len == keys.len));
	auth_free(auth);
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

/* What has come of it and was not received yet, and whether the lender's end is closed. */
static const uint8_t *arrived;
static size_t arrived_len;
static bool arrived_all;

static ssize_t lender_end_recv(struct memsocket *sock, void *bytes, size_t len, int flags)
{
	check(flags & MSG_DONTWAIT);
	if (!arrived_len && !arrived_all) {
		errno = EAGAIN;
		return -1;
	}
	if (len > arrived_len)
		len = arrived_len;
	memcpy(bytes, arrived, len);
	arrived += len;
	arrived_len -= len;
	return len;
}

/* HELLO, then PROOF. */
static ssize_t lender_end_send(struct memsocket *sock, const void *bytes, size_t len)
{
	struct r2net_hdr hdr;

	check(len >= sizeof(hdr));
	memcpy(&hdr, bytes, sizeof(hdr));
	check(r2net_opening_valid(&hdr, hdr.type == R2NET_HELLO ? R2NET_HELLO : R2NET_PROOF));
	check(len == sizeof(hdr) + le32_to_cpu(hdr.length));
	return len;
}

/* The loop: what it would call, as long as there is something to call for. */
static void run_opening(struct opened *opened, const uint8_t *bytes, size_t len, struct input *in)
{
	size_t chunk;

	while (!opened->done && len) {
		chunk = 1 + take_u8(in) % 128;
		if (chunk > len)
			chunk = len;
		arrived = bytes;
		arrived_len = chunk;
		bytes += chunk;
		len -= chunk;
		while (!opened->done && arrived_len)
			loop_poll();
	}
}

static void try_lender(struct input *in)
{
	struct r2net_hello hello = { .conn = cpu_to_le32(CONN), .window = cpu_to_le16(WINDOW), .nonce = { 1, 2, 3 } };
	struct sockaddr_in any = { .sin_family = AF_INET };
	bool raw = take_u8(in) & 1, spoilt = true;
	struct opened opened = { 0 };
	struct dataconn *conn;
	struct frames frames;
	const void *bytes = &frames;
	size_t len = sizeof(frames);
	unsigned int how;

	if (raw)
		bytes = take(in, sizeof(frames), &len);
	else
		spoilt = lender_frames(in, &hello, &frames);
	how = raw ? 0 : take_u8(in);
	if (how & 0x80) { /* it says no more than the beginning */
		spoilt = true;
		len = how % len;
	}
	lender_end = (struct memsocket){ .recv = lender_end_recv, .send = lender_end_send };
	arrived_len = 0;
	arrived_all = false;
	conn = dataconn_open(NULL, &any, &any, &hello, token, on_done, &opened);
	check(conn);
	loop_poll(); /* it is connected */
	run_opening(&opened, bytes, len, in);
	how = opened.done ? 0 : take_u8(in);
	if (how & 1)
		loop_let_pass(DATACONN_DEADLINE_MS);
	arrived_all = true;
	if (how & 2 && !opened.done) {
		dataconn_abandon(conn);
		opened = (struct opened){ 1, { .error = -ECANCELED, .why = "abandoned" } };
	}
	if (!opened.done)
		loop_poll();
	check(opened.done == 1 && !opened.result.error == !opened.result.why);
	if (!opened.result.error) {
		check(!spoilt && opened.result.lender_instance && !arrived_len);
		check(opened.result.window >= 1 && opened.result.window <= WINDOW);
		close(opened.result.fd);
	}
	loop_run_closed();
	check(!memsocket_count());
}

/* ---- What an owner sends to open a data connection ---- */

/* How the lender knows the owner, by bit. */
#define KNOWN_OTHER 1 /* another instance is admitted */
#define KNOWN_EXPELLED 2
#define KNOWN_FULL 4 /* it has all connections that it may have */
#define KNOWN_NUMBER 8 /* one of this number was there */
#define UNREAD 0x30 /* and: it reads so many frames of the lender's, and a part of one; 0: all */

struct owner_frames {
	struct r2net_hdr hdr;
	struct r2net_hello hello;
	struct r2net_hdr proof_hdr;
	struct r2net_proof proof;
};

static struct owner_frames from_owner;
static size_t from_owner_at, from_owner_len;
static unsigned int unread;
static struct connection others[R2NET_MAX_CONNS];

static ssize_t owner_recv(struct memsocket *sock, void *bytes, size_t len, int flags)
{
	if (len > from_owner_len - from_owner_at)
		len = from_owner_len - from_owner_at;
	memcpy(bytes, (uint8_t *)&from_owner + from_owner_at, len);
	from_owner_at += len;
	return len;
}

static ssize_t owner_send(struct memsocket *sock, const void *bytes, size_t len)
{
	return unread && !--unread ? 1 : (ssize_t)len;
}

/* A connection of the owner that is there already. */
static void join_other(struct connection *other, uint32_t number)
{
	struct proof_said said = { .hello.owner = cpu_to_le32(OWNER) };
	struct r2net_welcome welcome = { 0 };
	struct r2net_proof proof;

	*other = (struct connection){ .fd = -1, .owner = OWNER, .instance = 1, .number = number, .wake = -1 };
	proof_of_owner(token, &said, proof.proof);
	check(owner_join(other, &said, &proof, &welcome) == R2NET_OK);
}

/* An opening as the owner's ramsterd makes it, then spoiled. Returns whether it was. */
static bool owner_opening(struct input *in)
{
	struct owner_frames *f = &from_owner, right;
	struct proof_said said = { 0 };

	*f = (struct owner_frames){ .hdr = header(R2NET_HELLO, 0, sizeof(f->hello)),
				    .hello = { .version_min = cpu_to_le16(R2NET_VERSION),
					       .version_max = cpu_to_le16(R2NET_VERSION),
					       .owner = cpu_to_le32(OWNER),
					       .owner_instance = cpu_to_le64(1),
					       .conn = cpu_to_le32(CONN),
					       .role = cpu_to_le16(1 + take_u8(in) % 2),
					       .window = cpu_to_le16(1 + take_u8(in) % R2NET_MAX_WINDOW) },
				    .proof_hdr = header(R2NET_PROOF, 0, sizeof(f->proof)) };
	take_spoil(in, f->hello.nonce, sizeof(f->hello.nonce));
	said.hello = f->hello;
	nonce_make(said.challenge.nonce);
	proof_of_owner(token, &said, f->proof.proof);
	right = *f;
	take_spoil(in, &f->hello, sizeof(f->hello));
	if (take_u8(in) & 1) { /* who has the token may say what it likes, and prove it */
		said.hello = f->hello;
		proof_of_owner(token, &said, f->proof.proof);
	}
	take_spoil(in, f, sizeof(*f));
	return memcmp(&right, f, sizeof(right));
}

/* Whether the lender may take what was sent, by what docs/protocol.md demands. */
static bool may_join(unsigned int known)
{
	const struct r2net_hello *hello = &from_owner.hello;
	struct proof_said said = { .hello = *hello };
	uint8_t proof[R2NET_PROOF_LEN];

	nonce_make(said.challenge.nonce);
	proof_of_owner(token, &said, proof);
	if (known == KNOWN_NUMBER && hello->conn != cpu_to_le32(CONN))
		known = 0; /* it says another one */
	return !known && from_owner_len == sizeof(from_owner) &&
	       !memcmp(proof, from_owner.proof.proof, sizeof(proof)) &&
	       from_owner.hdr.tag == from_owner.proof_hdr.tag && le32_to_cpu(hello->owner) == OWNER &&
	       le64_to_cpu(hello->owner_instance) == 1 && !hello->donor &&
	       le16_to_cpu(hello->version_min) <= R2NET_VERSION && le16_to_cpu(hello->version_max) >= R2NET_VERSION &&
	       le16_to_cpu(hello->window) - 1U < R2NET_MAX_WINDOW && le16_to_cpu(hello->role) - 1U < 2;
}

static void try_owner(struct input *in)
{
	struct memsocket sock = { .recv = owner_recv, .send = owner_send };
	struct connection conn = { .peer = "fuzzer", .wake = -1 };
	unsigned int known = take_u8(in), nr = 0;
	bool spoilt = owner_opening(in), joined;

	unread = known & 0x80 ? (known & UNREAD) / 16 : 0;
	known = known & 0x80 ? known & 15 : 0; /* mostly it is nothing else that is in the way */
	owner_admit(OWNER, 2, token);
	owner_admit(OWNER, 1, token);
	if (known & KNOWN_NUMBER)
		join_other(&others[nr++], CONN);
	while (known & KNOWN_FULL && nr < R2NET_MAX_CONNS) {
		join_other(&others[nr], 100 + nr);
		nr++;
	}
	if (known & KNOWN_OTHER)
		owner_admit(OWNER, 2, token);
	from_owner_at = 0;
	from_owner_len = take_u8(in) == 0xff ? take_u8(in) % sizeof(from_owner) : sizeof(from_owner);
	conn.fd = memsocket_open(&sock);
	for (unsigned int i = 0; known & KNOWN_EXPELLED && i < nr; i++)
		owner_leave(&others[i]);
	if (known & KNOWN_EXPELLED) {
		owner_expel(OWNER, known & KNOWN_OTHER ? 2 : 1);
		nr = 0;
	}
	spoilt |= known || unread || from_owner_len < sizeof(from_owner);
	joined = hello_exchange(&conn);
	check(!joined || may_join(known));
	check(joined || spoilt);
	if (joined)
		owner_leave(&conn);
	while (nr)
		owner_leave(&others[--nr]);
	if (conn.wake >= 0)
		close(conn.wake);
	close(conn.fd);
	owner_expel(OWNER, 1);
	check(!memsocket_count() && !count_get(connections));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static void (*const tries[])(struct input *) = { try_identity, try_keys, try_lender, try_owner };
	struct input in = { input, size };

	start();
	tries[take_u8(&in) % 4](&in);
	return 0;
}
