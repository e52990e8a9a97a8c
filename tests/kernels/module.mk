# SPDX-License-Identifier: GPL-2.0-or-later
#
# make kernel    the kernel that the lab boots by default, built
# make kernels   all of them, each as far as its tests/kernels/*/kernel.conf says

KDIR = $(CACHE)/kernels/$(KERNEL)/source

.PHONY: kernel kernels
kernel:
	@tests/kernels/build $(KERNEL) >/dev/null

kernels: kernel
	@for conf in tests/kernels/*/kernel.conf; do tests/kernels/build "$$(basename "$${conf%/*}")" >/dev/null || exit 1; done
