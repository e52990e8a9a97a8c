// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_lender - libFuzzer target: a whole connection of the data wire, from HELLO on, through the lender's real code.
 *
 * Input: one byte of flags; bytes that are XORed onto a good HELLO and PROOF (zeroes leave them good); then what the
 * owner sends. The nonce of CHALLENGE is always the same, so that the PROOF can be there before it.
 * With FLAG_REPAIR that is first made into frames that are mostly valid, so that the fuzzer gets past the header's
 * checks. Who has not proven to have the token is not served. Whatever was sent, no pin may be left, and nothing beside the
 * owner's own extents may have been touched. What lies there is poisoned for AddressSanitizer, which looks at what the
 * socket fills or sends; and must keep its bytes, should they have been filled in another way.
 */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/lender/control.h"
#include "daemon/lender/data.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/hello.h"
#include "daemon/lender/lent.h"
#include "daemon/lender/nonce.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"
#include "daemon/proof.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memsocket.h"

#define FLAG_CONTROL 1
#define FLAG_REPAIR 2
#define FLAG_FULL 4 /* the owner stops reading */
#define FLAG_PIECES 8 /* little comes at once */
#define FLAG_OTHER 16 /* of the owner another connection is there, which leaves meanwhile */
#define OTHER_NUMBER 5

#define OWNER 1
#define OTHER_OWNER 2
#define EXTENTS 3 /* id 1 is OTHER_OWNER's, 2 and 3 are OWNER's */
#define SIZE R2NET_EXTENT_MIN
#define GUARD 8192 /* bytes before and after an extent: as far as an item near its end could run over that */
#define CANARY 0x5a
#define MAX_INPUT (1U << 16)
#define ROOM 20000 /* bytes that an owner reads before it stops */
#define PIECE 10

struct opening {
	struct r2net_hdr hdr;
	struct r2net_hello hello;
	struct r2net_hdr proof_hdr;
	struct r2net_proof proof;
};

static const uint8_t token[R2NET_TOKEN_LEN] = { 1, 2, 3 };
static struct lender_lease leases[EXTENTS];
static uint64_t instance = 1; /* of OWNER; leases are bound to it */

bool nonce_make(uint8_t nonce[R2NET_NONCE_LEN])
{
	memset(nonce, 7, R2NET_NONCE_LEN);
	return true;
}

static uint8_t *memory[EXTENTS];

/* In place of lent.c: memory among guards. */
uint8_t *lent_new(uint32_t id, size_t size)
{
	size_t length = GUARD + size + GUARD;
	uint8_t *guarded = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(guarded != MAP_FAILED);
	memset(guarded, CANARY, length);
	ASAN_POISON_MEMORY_REGION(guarded, length);
	memory[id - 1] = guarded + GUARD;
	return memory[id - 1];
}

uint8_t *lent_again(uint32_t id, size_t size)
{
	return NULL;
}

void lent_free(uint32_t id, uint8_t *lent, size_t size)
{
}

void lent_init(int fd)
{
}

static void start(void)
{
	unsigned int i;

	log_set_level(-1);
	owner_init(NULL);
	check(!extent_init(NULL));
	extent_set_limit(EXTENTS * SIZE);
	for (i = 0; i < EXTENTS; i++)
		check(!extent_lease(i ? OWNER : OTHER_OWNER, instance, SIZE, 0, &leases[i]));
	for (i = 0; i < EXTENTS; i++)
		if (leases[i].owner == OWNER)
			ASAN_UNPOISON_MEMORY_REGION(memory[i], SIZE);
}

/* Makes an item, at any alignment, mostly valid. Returns its length. */
static uint32_t repair_item(uint8_t *bytes)
{
	struct r2net_item item;
	uint32_t length, offset;

	memcpy(&item, bytes, sizeof(item));
	offset = le32_to_cpu(item.offset);
	length = 1 + le32_to_cpu(item.length) % R2NET_MAX_ITEM_LEN;
	item.extent = cpu_to_le32(1 + le32_to_cpu(item.extent) % (EXTENTS + 1));
	item.generation = cpu_to_le32(1 + le32_to_cpu(item.generation) / 0x40000000);
	/* Every other one ends at the extent's end or soon after it, a few where a sum of 32 bits does. */
	if (offset & 1)
		offset = SIZE - length + (offset & 2 ? offset / 4 % 4 : offset / 4 % R2NET_MAX_ITEM_LEN);
	else
		offset = offset % 16 == 14 ? -(offset / 16 % R2NET_MAX_ITEM_LEN) : offset % SIZE;
	item.offset = cpu_to_le32(offset);
	item.length = cpu_to_le32(length);
	memcpy(bytes, &item, sizeof(item));
	return length;
}

/* Repairs @items items. Returns what follows the header. */
static uint32_t repair_items(uint8_t *bytes, unsigned int items, bool write)
{
	uint32_t length = items * sizeof(struct r2net_item), payload = 0;

	for (; items; items--, bytes += sizeof(struct r2net_item))
		payload += repair_item(bytes);
	return write ? length + payload : length;
}

/* Makes one frame mostly valid. Returns its length, which may be more than @size. */
static size_t repair_frame(uint8_t *bytes, size_t size, bool control)
{
	struct r2net_hdr hdr;
	unsigned int items = 0;
	uint32_t length;

	if (size < sizeof(hdr))
		return size;
	memcpy(&hdr, bytes, sizeof(hdr));
	hdr.magic = cpu_to_le32(R2NET_MAGIC);
	hdr.version = R2NET_VERSION;
	hdr.reserved = 0;
	if (control) {
		hdr.type = hdr.type & 1 ? R2NET_FENCE : R2NET_PING;
		length = hdr.type == R2NET_FENCE ? sizeof(struct r2net_fence) : 0;
	} else {
		hdr.type = hdr.type & 1 ? R2NET_READ : R2NET_WRITE;
		items = 1 + le16_to_cpu(hdr.items) % R2NET_MAX_ITEMS;
		if (size < sizeof(hdr) + items * sizeof(struct r2net_item))
			return size;
		length = repair_items(bytes + sizeof(hdr), items, hdr.type == R2NET_WRITE);
	}
	hdr.items = cpu_to_le16(items);
	hdr.length = cpu_to_le32(length);
	memcpy(bytes, &hdr, sizeof(hdr));
	return sizeof(hdr) + length;
}

static void repair(uint8_t *bytes, size_t size, bool control)
{
	while (size) {
		size_t length = repair_frame(bytes, size, control);

		if (length >= size)
			break;
		bytes += length;
		size -= length;
	}
}

static void spoil(void *bytes, size_t length, const uint8_t *input, size_t size)
{
	for (size_t i = 0; i < size && i < length; i++)
		((uint8_t *)bytes)[i] ^= input[i];
}

/* Writes a HELLO spoiled by @input, its PROOF, and spoils that, too. Returns how much of @input was used. */
static size_t make_opening(struct opening *o, const uint8_t *input, size_t size, unsigned int role)
{
	const size_t hello = offsetof(struct opening, proof_hdr);
	struct proof_said said;

	*o = (struct opening){
		.hdr = { .magic = cpu_to_le32(R2NET_MAGIC),
			 .version = R2NET_VERSION,
			 .type = R2NET_HELLO,
			 .length = cpu_to_le32(sizeof(o->hello)) },
		.hello = { .version_min = cpu_to_le16(R2NET_VERSION),
			   .version_max = cpu_to_le16(R2NET_VERSION),
			   .owner = cpu_to_le32(OWNER),
			   .owner_instance = cpu_to_le64(instance),
			   .role = cpu_to_le16(role),
			   .window = cpu_to_le16(1) },
	};
	spoil(o, hello, input, size);
	o->proof_hdr = o->hdr;
	o->proof_hdr.type = R2NET_PROOF;
	o->proof_hdr.length = cpu_to_le32(sizeof(o->proof));
	said.hello = o->hello;
	nonce_make(said.challenge.nonce);
	proof_of_owner(token, &said, o->proof.proof);
	if (size > hello)
		spoil(&o->proof_hdr, sizeof(*o) - hello, input + hello, size - hello);
	return size < sizeof(*o) ? size : sizeof(*o);
}

/* What the lender receives, and the end then. */
static uint8_t stream[sizeof(struct opening) + MAX_INPUT];
static size_t stream_at, stream_len, sent;
static uint8_t flags;

/* Another connection of the owner, as one that serves a request just now. */
static struct connection other;
static bool other_is_there;

static void other_join(void)
{
	struct proof_said said = { .hello.owner = cpu_to_le32(OWNER) };
	struct r2net_welcome welcome = { 0 };
	struct r2net_proof proof;

	other = (struct connection){
		.fd = -1, .owner = OWNER, .instance = instance, .number = OTHER_NUMBER, .wake = -1
	};
	other.role = R2NET_ROLE_DATA;
	proof_of_owner(token, &said, proof.proof);
	check(owner_join(&other, &said, &proof, &welcome) == R2NET_OK);
	other_is_there = true;
}

static void other_leave(void)
{
	if (other_is_there)
		owner_leave(&other);
	other_is_there = false;
}

static ssize_t stream_recv(struct memsocket *sock, void *bytes, size_t len, int how)
{
	if (stream_at >= stream_len - stream_len / 4)
		other_leave();
	if (len > stream_len - stream_at)
		len = stream_len - stream_at;
	if (flags & FLAG_PIECES && !(how & MSG_WAITALL) && len > PIECE)
		len = PIECE;
	memcpy(bytes, stream + stream_at, len);
	stream_at += len;
	return len;
}

static bool may_touch(const void *bytes, size_t len)
{
#if __has_feature(address_sanitizer)
	return !__asan_region_is_poisoned((void *)bytes, len);
#else
	return true;
#endif
}

static ssize_t stream_send(struct memsocket *sock, const void *bytes, size_t len)
{
	check(may_touch(bytes, len));
	sent += len;
	if (!(flags & FLAG_FULL) || sent <= ROOM)
		return len;
	errno = EAGAIN;
	return -1;
}

/* Whether the lender may take who sends this. */
static bool proves(const struct opening *o)
{
	struct proof_said said = { .hello = o->hello };
	uint8_t right[R2NET_PROOF_LEN];

	nonce_make(said.challenge.nonce);
	proof_of_owner(token, &said, right);
	return !memcmp(o->proof.proof, right, sizeof(right)) && le32_to_cpu(o->hello.owner) == OWNER &&
	       le64_to_cpu(o->hello.owner_instance) == instance;
}

/* As a connection's thread does it. */
static void serve(struct connection *conn, const struct opening *opening)
{
	/* An instance admitted anew starts its numbers anew. */
	owner_admit(OWNER, instance + 1, token);
	owner_admit(OWNER, instance, token);
	if (flags & FLAG_OTHER)
		other_join();
	if (!hello_exchange(conn))
		return;
	check(proves(opening));
	if (conn->role == R2NET_ROLE_DATA)
		data_serve(conn);
	else
		control_serve(conn);
	owner_leave(conn);
}

/* AddressSanitizer would stop whoever looks there. */
static bool __attribute__((no_sanitize("address"))) guard_whole(const uint8_t *guard)
{
	const uint64_t *words = (const uint64_t *)guard;
	uint64_t changed = 0;

	for (size_t i = 0; i < GUARD / sizeof(*words); i++)
		changed |= words[i] ^ CANARY * UINT64_C(0x0101010101010101);
	return !changed;
}

static void check_invariants(void)
{
	struct extent *extent;
	unsigned int i;

	for (i = 0; i < EXTENTS; i++) {
		extent = extent_pin(leases[i].extent, leases[i].generation, leases[i].owner, instance);
		check(extent && (uint32_t)atomic_load(&extent->state) << 1 == 2);
		extent_unpin(extent);
		check(guard_whole(memory[i] - GUARD) && guard_whole(memory[i] + SIZE));
	}
	check(count_get(connections) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct memsocket sock = { .recv = stream_recv, .send = stream_send };
	struct connection conn = { .peer = "fuzzer", .wake = -1 };
	uint8_t *frames = stream + sizeof(struct opening);
	struct opening opening;
	bool control;
	size_t used;

	if (!leases[0].extent)
		start();
	if (size < 1 || size > MAX_INPUT)
		return 0;
	flags = input[0];
	control = flags & FLAG_CONTROL;
	used = 1 + make_opening(&opening, input + 1, size - 1, control ? R2NET_ROLE_CONTROL : R2NET_ROLE_DATA);
	memcpy(stream, &opening, sizeof(opening));
	memcpy(frames, input + used, size - used);
	if (flags & FLAG_REPAIR)
		repair(frames, size - used, control);

	stream_at = sent = 0;
	stream_len = sizeof(opening) + size - used;
	conn.fd = memsocket_open(&sock);
	serve(&conn, &opening);
	other_leave();
	if (conn.wake >= 0)
		close(conn.wake);
	close(conn.fd);
	check(!memsocket_count());
	check_invariants();
	return 0;
}
