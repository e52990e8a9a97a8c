/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of block devices as declarations need. */
#ifndef _SHIM_BIO_H
#define _SHIM_BIO_H

struct bio;
struct block_device;
struct file;
struct page;

struct bio_set {
	void *unused;
};

struct compat_bdev {
	struct block_device *bdev;
	struct file *file;
};

#endif
