// SPDX-License-Identifier: GPL-2.0
/*
 * compress.c - compresses and decompresses pages with the kernel's library functions, on per-CPU memory.
 */
#include <linux/errno.h>
#include <linux/error-injection.h>
#include <linux/lz4.h>
#include <linux/lzo.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/vmalloc.h>

#include "compress.h"
#include "compress_zstd.h"

struct compressor_ops {
	const char *name;
	size_t (*compress_memory)(void); /* bytes of work memory for each CPU */
	size_t (*decompress_memory)(void);
	size_t (*compress)(void *memory, const void *page, void *buf); /* the length, or 0 */
	int (*decompress)(void *memory, const void *src, size_t len, void *page); /* 0 or -EIO */
};

static size_t no_memory(void)
{
	return 0;
}

static size_t lzo_memory(void)
{
	return LZO1X_1_MEM_COMPRESS;
}

static size_t lzo_compress(void *memory, const void *page, void *buf)
{
	size_t len = COMPRESS_BOUND;

	return lzo1x_1_compress(page, PAGE_SIZE, buf, &len, memory) == LZO_E_OK ? len : 0;
}

static size_t lzo_rle_compress(void *memory, const void *page, void *buf)
{
	size_t len = COMPRESS_BOUND;

	return lzorle1x_1_compress(page, PAGE_SIZE, buf, &len, memory) == LZO_E_OK ? len : 0;
}

static int lzo_decompress(void *memory, const void *src, size_t len, void *page)
{
	size_t out = PAGE_SIZE;

	return lzo1x_decompress_safe(src, len, page, &out) == LZO_E_OK && out == PAGE_SIZE ? 0 : -EIO;
}

static size_t lz4_memory(void)
{
	return LZ4_MEM_COMPRESS;
}

static size_t lz4_compress(void *memory, const void *page, void *buf)
{
	return LZ4_compress_default(page, buf, PAGE_SIZE, COMPRESS_BOUND, memory);
}

static int lz4_decompress(void *memory, const void *src, size_t len, void *page)
{
	return LZ4_decompress_safe(src, page, len, PAGE_SIZE) == PAGE_SIZE ? 0 : -EIO;
}

static const struct compressor_ops compressors[NR_COMPRESSORS] = {
	[COMPRESSOR_LZO] = { "lzo", lzo_memory, no_memory, lzo_compress, lzo_decompress },
	[COMPRESSOR_LZO_RLE] = { "lzo-rle", lzo_memory, no_memory, lzo_rle_compress, lzo_decompress },
	[COMPRESSOR_LZ4] = { "lz4", lz4_memory, no_memory, lz4_compress, lz4_decompress },
	[COMPRESSOR_ZSTD] = { "zstd", zstd_compress_memory, zstd_decompress_memory, zstd_page_compress,
			      zstd_page_decompress },
};

struct compress_cpu {
	void *buf;
	void *memory[NR_COMPRESSORS][2]; /* to compress, to decompress */
};

static DEFINE_PER_CPU(struct compress_cpu, compress_cpu);
static DEFINE_MUTEX(prepare_lock);

void *compress_begin(void)
{
	return get_cpu_ptr(&compress_cpu)->buf;
}

void compress_end(void)
{
	put_cpu_ptr(&compress_cpu);
}

size_t compress_page(enum compressor which, const void *page, void *buf)
{
	return compressors[which].compress(this_cpu_read(compress_cpu.memory[which][0]), page, buf);
}

int decompress_page(enum compressor which, const void *src, size_t len, void *page)
{
	struct compress_cpu *cpu = get_cpu_ptr(&compress_cpu);
	int err = compressors[which].decompress(cpu->memory[which][1], src, len, page);

	put_cpu_ptr(&compress_cpu);
	return err;
}
ALLOW_ERROR_INJECTION(decompress_page, ERRNO);

static int prepare_cpu(struct compress_cpu *cpu, enum compressor which)
{
	size_t size[2] = { compressors[which].compress_memory(), compressors[which].decompress_memory() };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		if (!size[i] || cpu->memory[which][i])
			continue;
		cpu->memory[which][i] = vmalloc(size[i]);
		if (!cpu->memory[which][i])
			return -ENOMEM;
	}
	return 0;
}

int compress_prepare(enum compressor which)
{
	int cpu, err = 0;

	mutex_lock(&prepare_lock);
	for_each_possible_cpu(cpu) {
		err = prepare_cpu(per_cpu_ptr(&compress_cpu, cpu), which);
		if (err)
			break;
	}
	mutex_unlock(&prepare_lock);
	return err;
}

int compress_find(const char *name)
{
	int which;

	for (which = 0; which < NR_COMPRESSORS; which++)
		if (sysfs_streq(name, compressors[which].name))
			return which;
	return -EINVAL;
}

const char *compress_name(enum compressor which)
{
	return compressors[which].name;
}

int compress_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct compress_cpu *c = per_cpu_ptr(&compress_cpu, cpu);

		c->buf = vmalloc(COMPRESS_BOUND);
		if (!c->buf) {
			compress_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void compress_exit(void)
{
	int cpu, which;

	for_each_possible_cpu(cpu) {
		struct compress_cpu *c = per_cpu_ptr(&compress_cpu, cpu);

		vfree(c->buf);
		for (which = 0; which < NR_COMPRESSORS; which++) {
			vfree(c->memory[which][0]);
			vfree(c->memory[which][1]);
		}
		memset(c, 0, sizeof(*c));
	}
}
