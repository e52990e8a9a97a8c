/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_SEQ_FILE_H
#define _SHIM_SEQ_FILE_H

struct seq_file {
	FILE *stream;
};

struct file_operations {
	int (*show)(struct seq_file *m, void *unused);
};

#define seq_printf(m, ...) fprintf((m)->stream, __VA_ARGS__)
#define seq_puts(m, text) fputs(text, (m)->stream)
#define DEFINE_SHOW_ATTRIBUTE(name) static const struct file_operations name##_fops = { .show = name##_show }

#endif
