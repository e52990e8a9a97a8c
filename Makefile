# SPDX-License-Identifier: GPL-2.0-or-later
#
# make          build everything for this machine's userspace, and the module for the lab's kernel
# make demo     three QEMU nodes, two real jobs, a live view; the last line is the verdict
# make test     the style, every unit test, the fuzzers for a short while, and every test on nodes
# make test-debug       tests on nodes whose kernels look for mistakes; TESTS="test_swap.py ..." for a part
# make test-exhaustion  programs that want more memory than there is, for minutes each, on nodes of several sizes
# make fuzz     the fuzzers for FUZZ_SECONDS=10 or RUNS=10000000 each, TARGET=conf; tests/fuzz/module.mk has more
# make bench    the benchmarks, as tables
# make soak     hundreds of failures at random on four nodes that work; SEED=N FAULTS=200 MEMBERSHIP=static|corosync
# make sim      simulated clusters of 10 to 1,000 nodes: is what is lent balanced?
# make style    compilers' warnings, clang-format, sparse, checkpatch, cppcheck
# make setup    only install the Debian packages that all of this needs (demo, test and bench do it first)
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

# Each directory says in its module.mk what it adds to these.
PROGRAMS :=
UNIT_TESTS :=
BENCHES :=
include $(sort $(wildcard daemon/module.mk daemon/*/module.mk tools/*/module.mk kernel/module.mk tests/*/module.mk))

.PHONY: all programs
all: programs module
programs: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Targets for people. They make others one by one, because a machine may have no compiler before setup is done.
ALL_CPUS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
MAKE_ALL = $(MAKE) --no-print-directory $(ALL_CPUS)
export RAMSTER_KERNEL = $(KERNEL)
export RAMSTER_BUILD := $(abspath $(B))
export PYTHONDONTWRITEBYTECODE := 1
PYTEST := $(PYTHON) -m pytest -p no:cacheprovider

.PHONY: setup demo test test-unit test-multinode test-debug test-exhaustion bench sim style
setup:
	@tests/setup/install build
	@echo "make: building in $(B)/; kernels, packages and node images are kept in $(CACHE)"

demo: setup
	+@$(MAKE_ALL) programs lab module
	@$(PYTHON) tests/demo/demo

test: setup
	+@$(MAKE_ALL) all modules-all $(UNIT_TESTS) lab
	@$(MAKE) --no-print-directory style
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory test-multinode

test-unit: $(UNIT_TESTS) $(PROGRAMS)
	@failed=; for test in $(UNIT_TESTS) "$(PYTEST) tests/unit"; do \
		echo "test: $$test"; $$test || failed="$$failed $${test##*/}"; done; \
		if [ "$$failed" ]; then echo "test: failed:$$failed"; exit 1; fi

test-multinode: programs lab module
	@$(PYTEST) -v tests/multinode

# Each with a kernel of tests/kernels that looks for mistakes; afterwards which lines of the module have run.
DEBUG_KERNEL := 6.1-debug
TESTS :=
test-debug: setup
	+@$(MAKE_ALL) KERNEL=$(DEBUG_KERNEL) programs lab module
	@rm -rf $(B)/gcov
	@RAMSTER_KERNEL=$(DEBUG_KERNEL) $(PYTEST) -v $(or $(addprefix tests/multinode/,$(TESTS)),tests/multinode)
	@tests/coverage/report $(B)/gcov

test-exhaustion: setup
	+@$(MAKE_ALL) programs lab module
	+@$(MAKE_ALL) WITHOUT=reserves module
	@EXHAUSTION_SECONDS=$(or $(SECONDS),120) $(PYTEST) -v -s tests/multinode/test_exhaustion.py

bench: setup
	+@$(MAKE_ALL) all $(BENCHES) lab
	@for bench in $(BENCHES) tests/bench/swap tests/bench/revoke; do echo "bench: $$bench"; $$bench || exit 1; done

sim:
	@tests/setup/install build
	+@$(MAKE_ALL) $(B)/tests/sim/sim
	@tests/sim/run $(B)/tests/sim

style:
	@tests/setup/install build style
	+@$(MAKE_ALL) programs kernel
	@tests/style/run $(B) $(KDIR)

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
