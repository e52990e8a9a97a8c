/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_UIO_H
#define _SHIM_UIO_H

#define ITER_SOURCE 1

struct kvec {
	void *iov_base;
	size_t iov_len;
};

struct iov_iter {
	const struct kvec *vec;
	unsigned long nr;
	size_t count;
};

static inline void iov_iter_kvec(struct iov_iter *iter, unsigned int direction, const struct kvec *vec,
				 unsigned long nr, size_t count)
{
	*iter = (struct iov_iter){ vec, nr, count };
}

#endif
