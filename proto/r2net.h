/* SPDX-License-Identifier: GPL-2.0 */
/*
 * r2net.h - the data wire between an owner's kernel and a donor's lender.
 *
 * Every frame is a struct r2net_hdr followed by hdr.length bytes. All fields are little endian. Requests carry a tag
 * that the ANSWER repeats; many are in flight on each connection and answers may come in any order. Every limit of
 * the wire is in this file. Whoever receives a frame validates it fully with the functions below before acting on any
 * of it; a malformed frame ends the connection, never the host.
 *
 * A connection opens with HELLO (sent by the owner's ramsterd), the lender's CHALLENGE, the owner's PROOF and the
 * lender's ANSWER with a proof of its own, before anything else is acted upon. Then it has one of two roles:
 *   R2NET_ROLE_DATA     WRITE and READ
 *   R2NET_ROLE_CONTROL  PING and FENCE; the lender serves it without ever touching extent memory
 */
#ifndef _RAMSTER_R2NET_H
#define _RAMSTER_R2NET_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <asm/byteorder.h>
#include <linux/build_bug.h>
#define r2net_static_assert(expr) static_assert(expr)
#else
#include <endian.h>
#define cpu_to_le16(x) htole16(x)
#define cpu_to_le32(x) htole32(x)
#define cpu_to_le64(x) htole64(x)
#define le16_to_cpu(x) le16toh(x)
#define le32_to_cpu(x) le32toh(x)
#define le64_to_cpu(x) le64toh(x)
#define r2net_static_assert(expr) _Static_assert(expr, #expr)
#endif

#define R2NET_MAGIC 0x316e3272 /* "r2n1" */
#define R2NET_VERSION 2

#define R2NET_MAX_NODES 255 /* node numbers are 0 ... 254 */
#define R2NET_MAX_ITEMS 64 /* items in one WRITE or READ */
#define R2NET_MAX_ITEM_LEN 4112 /* a raw 4 KiB page and a 16-byte seal tag */
#define R2NET_MAX_WINDOW 64 /* requests in flight on one connection */
#define R2NET_MAX_CONNS 16 /* connections of one owner to one lender, both roles together */
#define R2NET_TOKEN_LEN 32
#define R2NET_NONCE_LEN 32
#define R2NET_PROOF_LEN 32

#define R2NET_EXTENT_MIN (2U << 20) /* bytes; extents are multiples of this */
#define R2NET_EXTENT_DEFAULT (4U << 20)
#define R2NET_EXTENT_MAX (64U << 20)

enum r2net_type {
	R2NET_HELLO = 1,
	R2NET_WRITE = 2,
	R2NET_READ = 3,
	R2NET_ANSWER = 4,
	R2NET_FENCE = 5,
	R2NET_PING = 6,
	R2NET_CHALLENGE = 7,
	R2NET_PROOF = 8,
};

enum r2net_role {
	R2NET_ROLE_DATA = 1,
	R2NET_ROLE_CONTROL = 2,
};

/* Status of one item in an ANSWER. */
enum r2net_status {
	R2NET_OK = 0,
	R2NET_ESTALE = 1, /* no such lease of this owner: unknown extent, other owner, or another generation */
	R2NET_ERANGE = 2, /* offset + length is past the extent's end */
	R2NET_EINVAL = 3, /* HELLO: version, role, number or window not acceptable; FENCE: a connection not its own */
	R2NET_EPERM = 4, /* HELLO: the proof is none of the token of this owner and instance */
	R2NET_EAGAIN = 5, /* HELLO: too many connections */
};

struct r2net_hdr {
	__le32 magic; /* R2NET_MAGIC */
	__u8 version; /* R2NET_VERSION */
	__u8 type; /* enum r2net_type */
	__le16 items; /* WRITE, READ: 1 ... R2NET_MAX_ITEMS; ANSWER: as asked, 1 for HELLO, FENCE and PING; else 0 */
	__le32 length; /* bytes that follow this header */
	__le32 reserved; /* 0 */
	__le64 tag; /* chosen by the asker, repeated in the ANSWER */
};
r2net_static_assert(sizeof(struct r2net_hdr) == 24);

/* One range of an extent. WRITE: the payloads follow the last item, in the items' order, without padding. */
struct r2net_item {
	__le32 extent; /* the lender's extent id */
	__le32 generation; /* of the lease */
	__le32 offset; /* bytes from the extent's start */
	__le32 length; /* bytes, 1 ... R2NET_MAX_ITEM_LEN */
};
r2net_static_assert(sizeof(struct r2net_item) == 16);

/* One result of an ANSWER. READ: the payloads of the items with R2NET_OK follow the last result, in order. */
struct r2net_result {
	__le32 status; /* enum r2net_status */
	__le32 length; /* payload bytes of this item: the READ item's length if R2NET_OK, else 0 */
};
r2net_static_assert(sizeof(struct r2net_result) == 8);

/* Payload of HELLO. It may be answered by CHALLENGE, or by an ANSWER that is not R2NET_OK. */
struct r2net_hello {
	__le16 version_min; /* versions that the owner speaks */
	__le16 version_max;
	__le32 features; /* bits that the owner would like; none is defined in version 2 */
	__le32 owner; /* node number */
	__le32 donor; /* node number that the owner believes to reach */
	__le64 owner_instance; /* of the owner's module: never 0, new at each load */
	__le32 conn; /* this connection's number, never used before by this owner's instance; FENCE names it */
	__le16 role; /* enum r2net_role */
	__le16 window; /* requests in flight that the owner would like, 1 ... R2NET_MAX_WINDOW */
	__u8 nonce[R2NET_NONCE_LEN]; /* random, new for each HELLO */
};
r2net_static_assert(sizeof(struct r2net_hello) == 64);

/* Payload of CHALLENGE, which has HELLO's tag. */
struct r2net_challenge {
	__u8 nonce[R2NET_NONCE_LEN]; /* random, new for each CHALLENGE */
};
r2net_static_assert(sizeof(struct r2net_challenge) == 32);

/* Payload of PROOF, which has HELLO's tag. Proofs are made with the token from the lease: daemon/proof.h. */
struct r2net_proof {
	__u8 proof[R2NET_PROOF_LEN]; /* the owner's */
};
r2net_static_assert(sizeof(struct r2net_proof) == 32);

/* Payload of the ANSWER to PROOF, after its one result (whose length is sizeof(this) if R2NET_OK). */
struct r2net_welcome {
	__le16 version; /* the one to use from here on */
	__le16 window; /* requests in flight that the lender takes */
	__le32 features; /* those asked for that the lender has too */
	__le64 lender_instance; /* never 0; new at each start of the lender, but for one that goes on (keep_on_restart) */
	__u8 proof[R2NET_PROOF_LEN]; /* the lender's */
};
r2net_static_assert(sizeof(struct r2net_welcome) == 48);

/*
 * Payload of FENCE: names a data connection of the same owner instance. It is answered R2NET_OK once that connection is
 * shut, its thread has left extent memory, and no connection of that number can come again.
 */
struct r2net_fence {
	__le32 conn;
	__le32 reserved; /* 0 */
};
r2net_static_assert(sizeof(struct r2net_fence) == 8);

/* The smallest WRITE or READ frame: header and one item. */
#define R2NET_MIN_DATA_FRAME (sizeof(struct r2net_hdr) + sizeof(struct r2net_item))
/* The largest hdr.length of any frame. */
#define R2NET_MAX_LENGTH (R2NET_MAX_ITEMS * (sizeof(struct r2net_item) + R2NET_MAX_ITEM_LEN))

/**
 * r2net_opening_valid - whether a header may be that of a frame of a connection's opening
 * @hdr: as received
 * @type: the one that is due: R2NET_HELLO, R2NET_CHALLENGE or R2NET_PROOF
 *
 * Never sleeps, takes no lock.
 */
static inline int r2net_opening_valid(const struct r2net_hdr *hdr, enum r2net_type type)
{
	__u32 length = type == R2NET_HELLO	 ? sizeof(struct r2net_hello)
		       : type == R2NET_CHALLENGE ? sizeof(struct r2net_challenge)
						 : sizeof(struct r2net_proof);

	return hdr->magic == cpu_to_le32(R2NET_MAGIC) && hdr->version == R2NET_VERSION && !hdr->reserved &&
	       hdr->type == type && !hdr->items && hdr->length == cpu_to_le32(length);
}

/**
 * r2net_request_valid - whether a header may open a request of the given role
 * @hdr: as received
 * @role: the connection's role, or 0 before HELLO was answered
 *
 * Checks everything that the header alone can tell: magic, version, type for the role, item count, and that length is
 * one that this type and count can have. Never sleeps, takes no lock.
 */
static inline int r2net_request_valid(const struct r2net_hdr *hdr, unsigned int role)
{
	__u32 items = le16_to_cpu(hdr->items), length = le32_to_cpu(hdr->length);
	__u32 table = items * sizeof(struct r2net_item);

	if (hdr->magic != cpu_to_le32(R2NET_MAGIC) || hdr->version != R2NET_VERSION || hdr->reserved)
		return 0;
	switch (hdr->type) {
	case R2NET_HELLO:
		return role == 0 && r2net_opening_valid(hdr, R2NET_HELLO);
	case R2NET_WRITE:
		return role == R2NET_ROLE_DATA && items >= 1 && items <= R2NET_MAX_ITEMS && length >= table + items &&
		       length <= table + items * R2NET_MAX_ITEM_LEN;
	case R2NET_READ:
		return role == R2NET_ROLE_DATA && items >= 1 && items <= R2NET_MAX_ITEMS && length == table;
	case R2NET_FENCE:
		return role == R2NET_ROLE_CONTROL && items == 0 && length == sizeof(struct r2net_fence);
	case R2NET_PING:
		return role == R2NET_ROLE_CONTROL && items == 0 && length == 0;
	default:
		return 0;
	}
}

/**
 * r2net_answer_valid - whether a header may open an ANSWER
 * @hdr: as received
 *
 * Whether count and length fit the request is for r2net_results_valid() once the request is found by its tag.
 * Never sleeps, takes no lock.
 */
static inline int r2net_answer_valid(const struct r2net_hdr *hdr)
{
	__u32 items = le16_to_cpu(hdr->items), length = le32_to_cpu(hdr->length);
	__u32 table = items * sizeof(struct r2net_result);

	return hdr->magic == cpu_to_le32(R2NET_MAGIC) && hdr->version == R2NET_VERSION && !hdr->reserved &&
	       hdr->type == R2NET_ANSWER && items >= 1 && items <= R2NET_MAX_ITEMS && length >= table &&
	       length <= table + items * R2NET_MAX_ITEM_LEN;
}

/**
 * r2net_item_valid - whether an item's length is one that a slot can have
 * @item: as received
 *
 * The lease, its generation and its end are the lender's to check. Never sleeps, takes no lock.
 */
static inline int r2net_item_valid(const struct r2net_item *item)
{
	__u32 length = le32_to_cpu(item->length);

	return length >= 1 && length <= R2NET_MAX_ITEM_LEN;
}

/**
 * r2net_results_valid - whether an ANSWER's results fit its header and the request
 * @hdr: the ANSWER's header, accepted by r2net_answer_valid()
 * @results: as received, hdr.items of them
 * @expect: bytes that each item's payload has if it is R2NET_OK (0 for WRITE, FENCE and PING)
 * @items: how many items the request had (1 for FENCE and PING)
 *
 * Never sleeps, takes no lock.
 */
static inline int r2net_results_valid(const struct r2net_hdr *hdr, const struct r2net_result *results,
				      const __u32 *expect, unsigned int items)
{
	__u32 total = items * sizeof(struct r2net_result);
	unsigned int i;

	if (le16_to_cpu(hdr->items) != items)
		return 0;
	for (i = 0; i < items; i++) {
		int ok = results[i].status == cpu_to_le32(R2NET_OK);

		if (le32_to_cpu(results[i].length) != (ok ? expect[i] : 0))
			return 0;
		total += le32_to_cpu(results[i].length);
	}
	return total == le32_to_cpu(hdr->length);
}

#endif
