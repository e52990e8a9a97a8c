# SPDX-License-Identifier: GPL-2.0-or-later
#
# make          build everything for this machine's userspace, and the module for the lab's kernel
# make demo     three QEMU nodes, two real jobs, a live view; the last line is the verdict
# make test     every test
# make bench    the benchmarks, as tables
# make style    compilers' warnings, clang-format, sparse, checkpatch, cppcheck
#
# Everything built is under $(B); kernels, packages and node images are cached under $(CACHE), outside the checkout.

B := build
export CACHE := $(or $(RAMSTER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ramster)
KERNEL ?= 6.1
PYTHON := /usr/bin/python3

CC := gcc
CSTD := -std=gnu17
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wno-unused-parameter
CFLAGS ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -I. -Iproto -I$(B)
ALL_CFLAGS = $(CSTD) $(WARN) $(CFLAGS) $(CPPFLAGS) -MMD -MP

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

PROGRAMS :=
UNIT_TESTS :=

# Each directory says in its module.mk what it adds to PROGRAMS and UNIT_TESTS.
include $(sort $(wildcard daemon/module.mk daemon/*/module.mk tools/*/module.mk kernel/module.mk tests/*/module.mk))

.PHONY: all programs
all: programs module
programs: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
