/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AES-256-GCM, the one cipher there is, by GnuTLS. */
#ifndef _SHIM_AEAD_H
#define _SHIM_AEAD_H

#include <linux/scatterlist.h>

#define CRYPTO_TFM_REQ_MAY_BACKLOG 1

struct crypto_aead;

struct crypto_wait {
	int err;
};

struct aead_request {
	struct crypto_aead *tfm;
	struct scatterlist *src;
	unsigned int cryptlen, assoclen;
	u8 *iv;
};

/* A pointer, or -ENOENT where shim_no_cipher says so. */
struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask);
void crypto_free_aead(struct crypto_aead *tfm);
int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int len);
int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int size);
int crypto_aead_encrypt(struct aead_request *req);
int crypto_aead_decrypt(struct aead_request *req);
extern bool shim_no_cipher;

static inline unsigned int crypto_aead_reqsize(struct crypto_aead *tfm)
{
	return 0;
}

static inline void aead_request_set_tfm(struct aead_request *req, struct crypto_aead *tfm)
{
	req->tfm = tfm;
}

static inline void crypto_req_done(void *data, int err)
{
}

static inline void aead_request_set_callback(struct aead_request *req, u32 flags, void (*done)(void *data, int err),
					     void *data)
{
}

static inline void aead_request_set_ad(struct aead_request *req, unsigned int len)
{
	req->assoclen = len;
}

static inline void aead_request_set_crypt(struct aead_request *req, struct scatterlist *src, struct scatterlist *dst,
					  unsigned int len, u8 *iv)
{
	shim_assert(src == dst);
	req->src = src;
	req->cryptlen = len;
	req->iv = iv;
}

static inline void crypto_init_wait(struct crypto_wait *wait)
{
	wait->err = 0;
}

static inline int crypto_wait_req(int err, struct crypto_wait *wait)
{
	might_sleep();
	return err;
}

static inline void memzero_explicit(void *ptr, size_t len)
{
	explicit_bzero(ptr, len);
}

#endif
