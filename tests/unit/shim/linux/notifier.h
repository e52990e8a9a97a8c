/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_NOTIFIER_H
#define _SHIM_NOTIFIER_H

#define NOTIFY_OK 1

struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long action, void *data);
};

/* What hears that the machine was cloned, or NULL. */
extern struct notifier_block *shim_clone_notifier;

static inline void compat_register_vmfork_notifier(struct notifier_block *nb)
{
	shim_clone_notifier = nb;
}

static inline void compat_unregister_vmfork_notifier(struct notifier_block *nb)
{
	shim_clone_notifier = NULL;
}

#endif
