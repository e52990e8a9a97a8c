# SPDX-License-Identifier: GPL-2.0-or-later
#
# make module         ramster.ko and ramster_frontswap.ko for the lab's kernel, in $(B)/module/$(KERNEL)/
# make module WITHOUT=reserves    the same built so that it may not use the kernel's reserves, in $(B)/module/$(KERNEL)-without-reserves/;
#                     tests show with it what the reserves are for
# make modules-all    the module compiled against every kernel of tests/kernels
#
# The kernel's build writes beside the sources, so it works on a copy of them. Kernels that are only prepared, not
# built, have no list of symbols: against these the module is compiled and not linked.

module_dir := $(B)/module/$(KERNEL)$(addprefix -without-,$(WITHOUT))
module_source := $(module_dir)/source
module_names := ramster $(if $(filter 5.% 6.1 6.1-%,$(KERNEL)),ramster_frontswap)
module_make = $(MAKE) --no-print-directory -s -C $(KDIR) M=$(abspath $(module_source)/kernel/ramster) $(module_options)
# A kernel that looks for mistakes also tells which lines have run.
module_options = $(if $(findstring -,$(KERNEL)),GCOV_PROFILE=y) $(if $(WITHOUT),KCFLAGS=-DCONFIG_RAMSTER_WITHOUT_RESERVES)

.PHONY: module module-source module-compiled modules-all
module: kernel module-source
	+@$(module_make) modules
	@for name in $(module_names); do strip --strip-debug -o $(module_dir)/$$name.ko \
		$(module_source)/kernel/ramster/$$name.ko || exit 1; done

module-compiled: kernel module-source
	+@$(module_make) $(addsuffix .o,$(module_names))

# Only what changed is copied, and what was made from it stays.
module-source:
	@mkdir -p $(module_source)
	@rsync --archive --relative --delete --filter='P *.o' --filter='P *.ko' --filter='P *.gcno' --filter='P *.mod*' --filter='P .*.cmd' \
		--filter='P [Mm]odule*' --exclude='*.o' --exclude='.*.cmd' kernel/ramster proto $(module_source)/

# Those that look for mistakes have a - in their names, and compile it as those that they are like.
all_kernels := $(foreach kernel,$(patsubst tests/kernels/%/kernel.conf,%,$(wildcard tests/kernels/*/kernel.conf)),\
	$(if $(findstring -,$(kernel)),,$(kernel)))
modules-all: module
	+@for kernel in $(filter-out $(KERNEL),$(all_kernels)); do \
		echo "module: compiling against $$kernel"; \
		$(MAKE) --no-print-directory KERNEL=$$kernel module-compiled || exit 1; done

# With the compiler's and sparse's extra warnings; prints nothing if there are none.
.PHONY: module-style
module-style: kernel module-source
	@find $(module_source) -name '*.o' -delete
	+@$(module_make) W=1 C=2 KCFLAGS=-Werror modules
