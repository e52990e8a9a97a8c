// SPDX-License-Identifier: GPL-2.0-or-later
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <crypto/aead.h>
#include <linux/err.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define TAG 16
#define NONCE 12
#define PIECES 8

struct crypto_aead {
	spinlock_t lock; /* GnuTLS's handle is for one at a time */
	gnutls_aead_cipher_hd_t handle;
};

bool shim_no_cipher;
struct notifier_block *shim_clone_notifier;

struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask)
{
	struct crypto_aead *tfm;

	shim_assert(!strcmp(name, "gcm(aes)"));
	if (shim_no_cipher)
		return ERR_PTR(-ENOENT);
	tfm = kzalloc(sizeof(*tfm), GFP_KERNEL);
	if (!tfm)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&tfm->lock);
	return tfm;
}

void crypto_free_aead(struct crypto_aead *tfm)
{
	if (tfm->handle)
		gnutls_aead_cipher_deinit(tfm->handle);
	kfree(tfm);
}

int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int len)
{
	const gnutls_datum_t datum = { .data = (u8 *)key, .size = len };

	shim_assert(gnutls_cipher_get_key_size(GNUTLS_CIPHER_AES_256_GCM) == len);
	return gnutls_aead_cipher_init(&tfm->handle, GNUTLS_CIPHER_AES_256_GCM, &datum) ? -EINVAL : 0;
}

int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int size)
{
	shim_assert(size == TAG);
	return 0;
}

/* A request as GnuTLS wants it: the tag is the end of the last pieces, and may be parted by the end of one. */
struct pieces {
	giovec_t bound, bytes[PIECES];
	int nr;
	u8 tag[TAG];
	const struct scatterlist *sg;
	unsigned int length; /* without the tag */
};

static void pieces_take(struct pieces *p, const struct aead_request *req, unsigned int length)
{
	const struct scatterlist *sg = req->src;
	unsigned int left = length, piece;

	shim_assert(sg->length == req->assoclen);
	*p = (struct pieces){ .bound = { sg->bytes, sg->length }, .sg = sg + 1, .length = length };
	for (sg++; left; sg++, left -= piece) {
		piece = min(sg->length, left);
		p->bytes[p->nr++] = (giovec_t){ sg->bytes, piece };
		shim_assert(p->nr < PIECES && (!sg->end || piece == left));
	}
}

/* Copies the tag from where it stands behind the bytes, or there. */
static void pieces_tag(struct pieces *p, bool to_pieces)
{
	unsigned int skip = p->length, done = 0, piece;
	const struct scatterlist *sg;

	for (sg = p->sg; done < TAG; sg++, skip = 0) {
		for (; skip >= sg->length; sg++)
			skip -= sg->length;
		piece = min(sg->length - skip, TAG - done);
		if (to_pieces)
			memcpy(sg->bytes + skip, p->tag + done, piece);
		else
			memcpy(p->tag + done, sg->bytes + skip, piece);
		done += piece;
		shim_assert(!sg->end || done == TAG);
	}
}

int crypto_aead_encrypt(struct aead_request *req)
{
	size_t tag = TAG;
	struct pieces p;
	int err;

	pieces_take(&p, req, req->cryptlen);
	spin_lock(&req->tfm->lock);
	err = gnutls_aead_cipher_encryptv2(req->tfm->handle, req->iv, NONCE, &p.bound, 1, p.bytes, p.nr, p.tag, &tag);
	spin_unlock(&req->tfm->lock);
	shim_assert(!err && tag == TAG);
	pieces_tag(&p, true);
	return 0;
}

int crypto_aead_decrypt(struct aead_request *req)
{
	struct pieces p;
	int err;

	pieces_take(&p, req, req->cryptlen - TAG);
	pieces_tag(&p, false);
	spin_lock(&req->tfm->lock);
	err = gnutls_aead_cipher_decryptv2(req->tfm->handle, req->iv, NONCE, &p.bound, 1, p.bytes, p.nr, p.tag, TAG);
	spin_unlock(&req->tfm->lock);
	return err ? -EBADMSG : 0;
}
