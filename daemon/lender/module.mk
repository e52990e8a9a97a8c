# SPDX-License-Identifier: GPL-2.0-or-later
# ramster-lender and its tests.
#
# $(B)/tests/bench/lender_rtt [FILE]    what the lender adds to the round trip of a READ
# $(B)/tests/bench/lender_share         what an owner with one connection gets beside one with 16

lender_sources := $(wildcard daemon/lender/*.c) daemon/cgroup.c daemon/log.c daemon/privilege.c daemon/proof.c
lender_objects := $(patsubst %.c,$(B)/%.o,$(lender_sources))

PROGRAMS += $(B)/ramster-lender
$(B)/ramster-lender: $(lender_objects)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lsystemd -lnettle -lseccomp -pthread

lender_tests := $(addprefix $(B)/tests/unit/test_lender_,extent table keep wire hostile door auth filter pending gate share bucket bandwidth)
UNIT_TESTS += $(lender_tests)
$(B)/tests/unit/test_lender_extent: $(addprefix $(B)/daemon/,lender/extent.o lender/lent.o lender/table.o log.o)
$(B)/tests/unit/test_lender_table: $(addprefix $(B)/daemon/,lender/extent.o lender/lent.o lender/table.o log.o)
$(B)/tests/unit/test_lender_filter: $(B)/daemon/lender/filter.o
$(B)/tests/unit/test_lender_filter: LDLIBS := -lseccomp
$(B)/tests/unit/test_lender_pending: $(B)/daemon/lender/pending.o
$(B)/tests/unit/test_lender_gate: $(addprefix $(B)/daemon/lender/,gate.o transfer.o)
$(B)/tests/unit/test_lender_bucket: $(B)/daemon/lender/bucket.o
# The others run the lender as a process, found in the build directory above them.
$(filter-out %_extent %_table %_filter %_pending %_gate %_bucket,$(lender_tests)): $(B)/tests/unit/lender_fixture.o $(B)/tests/unit/wire_client.o $(B)/daemon/proof.o \
	| $(B)/ramster-lender
$(addprefix $(B)/tests/unit/test_lender_,share bandwidth): $(B)/tests/unit/greedy.o
$(B)/tests/unit/test_lender_keep: $(addprefix $(B)/,tests/programs/fds.o daemon/lender/table.o)
$(lender_tests): %: %.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka -lnettle -pthread

lender_benches := $(addprefix $(B)/tests/bench/lender_,rtt share)
BENCHES += $(lender_benches)
$(B)/tests/bench/lender_share: $(B)/tests/unit/greedy.o
$(lender_benches): %: %.o $(B)/tests/unit/wire_client.o $(B)/daemon/proof.o | $(B)/ramster-lender
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lnettle -pthread

# The lender's tests under sanitizers, each in a build directory of its own.
.PHONY: sanitize-lender sanitize-lender-address sanitize-lender-thread
sanitize-lender: sanitize-lender-address sanitize-lender-thread
sanitize-lender-address: sanitizer := address,undefined
sanitize-lender-thread: sanitizer := thread
sanitize-lender-address sanitize-lender-thread: sanitize-lender-%:
	$(MAKE) B=$(B)/$* CC=clang CFLAGS="-O1 -g -fsanitize=$(sanitizer) -fno-sanitize-recover=all" test-lender

.PHONY: test-lender
test-lender: $(lender_tests)
	set -e; for test in $^; do $$test; done
