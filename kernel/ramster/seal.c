// SPDX-License-Identifier: GPL-2.0
/*
 * seal.c - AES-256-GCM for pages that leave this node.
 */
#include <crypto/aead.h>
#include <linux/atomic.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/error-injection.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "extent.h"
#include "r2net.h"
#include "seal.h"

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define RESERVE 8 /* seals under way when memory is short: remotify's thread, and some connections' */
#define MAX_PIECES 3 /* pages of memory that a sealed page may touch: 4112 bytes anywhere */

/* Authenticated with the bytes. */
struct bound {
	__le32 index;
	__le16 length;
	u8 pool;
	u8 compressor;
};
static_assert(sizeof(struct bound) == 8);
static_assert(PAGE_SIZE + SEAL_TAG <= R2NET_MAX_ITEM_LEN);

/* One use of the cipher; the request's own memory follows. */
struct op {
	struct bound bound;
	u8 nonce[NONCE_BYTES];
	struct scatterlist sg[1 + MAX_PIECES];
	struct crypto_wait wait;
	struct aead_request req;
};

static struct crypto_aead *cipher; /* NULL: this kernel has none */
static struct kmem_cache *op_cache;
static mempool_t *ops;
static bool sealing;
static atomic64_t serials;

bool seal_is_on(void)
{
	return READ_ONCE(sealing);
}

u32 seal_checksum(const void *bytes, size_t length)
{
	return crc32c(0, bytes, length);
}

u64 seal_serial(void)
{
	return atomic64_inc_return(&serials);
}

/* The bytes' memory, page by page. */
static void op_map(struct op *op, void *bytes, size_t length)
{
	unsigned int i = 1, offset, piece;

	sg_init_table(op->sg, ARRAY_SIZE(op->sg));
	sg_set_buf(&op->sg[0], &op->bound, sizeof(op->bound));
	for (; length; bytes += piece, length -= piece, i++) {
		offset = offset_in_page(bytes);
		piece = min_t(size_t, length, PAGE_SIZE - offset);
		sg_set_page(&op->sg[i], is_vmalloc_addr(bytes) ? vmalloc_to_page(bytes) : virt_to_page(bytes), piece,
			    offset);
	}
	sg_mark_end(&op->sg[i - 1]);
}

static struct op *op_new(void *bytes, const struct seal_bond *bond, size_t length)
{
	struct op *op = mempool_alloc(ops, GFP_NOIO);
	__le64 serial = cpu_to_le64(bond->serial);
	__le32 mark = cpu_to_le32(bond->mark);

	op->bound = (struct bound){ .index = cpu_to_le32(bond->index),
				    .length = cpu_to_le16(bond->length),
				    .pool = bond->pool,
				    .compressor = bond->compressor };
	memcpy(op->nonce, &serial, sizeof(serial));
	memcpy(op->nonce + sizeof(serial), &mark, sizeof(mark));
	op_map(op, bytes, bond->length + SEAL_TAG);
	crypto_init_wait(&op->wait);
	aead_request_set_tfm(&op->req, cipher);
	/* Ciphers that work in the background tell by the callback. None may wait for memory. */
	aead_request_set_callback(&op->req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, &op->wait);
	aead_request_set_ad(&op->req, sizeof(op->bound));
	aead_request_set_crypt(&op->req, op->sg, op->sg, length, op->nonce);
	return op;
}

int seal_page(void *bytes, const struct seal_bond *bond)
{
	struct op *op;
	int err;

	if (!seal_is_on())
		return 0;
	op = op_new(bytes, bond, bond->length);
	err = crypto_wait_req(crypto_aead_encrypt(&op->req), &op->wait);
	mempool_free(op, ops);
	return err ? -EIO : 0;
}
ALLOW_ERROR_INJECTION(seal_page, ERRNO);

int seal_open(void *bytes, const struct seal_bond *bond)
{
	struct op *op;
	int err;

	if (!seal_is_on())
		return seal_checksum(bytes, bond->length) == bond->mark ? 0 : -EBADMSG;
	op = op_new(bytes, bond, bond->length + SEAL_TAG);
	err = crypto_wait_req(crypto_aead_decrypt(&op->req), &op->wait);
	mempool_free(op, ops);
	return err;
}
ALLOW_ERROR_INJECTION(seal_open, ERRNO);

int seal_set(bool on)
{
	if (on == seal_is_on())
		return 0;
	if (on && !cipher)
		return -EOPNOTSUPP;
	return extent_set_while_none(&sealing, on) ? 0 : -EBUSY;
}

/*
 * Where serials begin: so far from anywhere else that they never meet those of a machine that was this one until it was
 * cloned, which has the same key.
 */
static void serials_anew(void)
{
	u64 first;

	get_random_bytes(&first, sizeof(first));
	atomic64_set(&serials, first);
}

/* This machine may be one of several that go on from the same snapshot. */
static int on_clone(struct notifier_block *nb, unsigned long action, void *unused)
{
	serials_anew();
	extent_retire_all();
	return NOTIFY_OK;
}

static struct notifier_block clone_notifier = { .notifier_call = on_clone };

/* The key is in the cipher alone. */
static int cipher_init(void)
{
	u8 key[KEY_BYTES];
	int err;

	cipher = crypto_alloc_aead("gcm(aes)", 0, 0);
	if (IS_ERR(cipher)) {
		cipher = NULL;
		return -EOPNOTSUPP;
	}
	err = get_random_bytes_wait(key, sizeof(key));
	if (!err)
		err = crypto_aead_setkey(cipher, key, sizeof(key));
	memzero_explicit(key, sizeof(key));
	if (!err)
		err = crypto_aead_setauthsize(cipher, SEAL_TAG);
	if (!err)
		return 0;
	crypto_free_aead(cipher);
	cipher = NULL;
	return -EOPNOTSUPP;
}

static void cipher_exit(void)
{
	if (!cipher)
		return;
	mempool_destroy(ops);
	kmem_cache_destroy(op_cache);
	crypto_free_aead(cipher);
	cipher = NULL;
	ops = NULL;
	op_cache = NULL;
}

static int ops_init(void)
{
	op_cache = kmem_cache_create("ramster_seal", sizeof(struct op) + crypto_aead_reqsize(cipher), 0, 0, NULL);
	if (op_cache)
		ops = mempool_create_slab_pool(RESERVE, op_cache);
	return ops ? 0 : -ENOMEM;
}

int seal_init(bool on)
{
	int err = cipher_init();

	if (!err) {
		err = ops_init();
		if (err) {
			cipher_exit();
			return err;
		}
	} else if (on) {
		pr_err("seal: this kernel has no AES-GCM (gcm(aes)); with seal=0 pages leave this node readable\n");
		return err;
	}
	sealing = on;
	serials_anew();
	compat_register_vmfork_notifier(&clone_notifier);
	return 0;
}

void seal_exit(void)
{
	compat_unregister_vmfork_notifier(&clone_notifier);
	cipher_exit();
}
