# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzers of everything that parses what others wrote: libFuzzer, with the address and undefined behaviour sanitizers.
#
# make fuzz [TARGET=conf]     each for FUZZ_SECONDS, or RUNS executions; what they find is kept in $(B)/fuzz/found
# make fuzz-coverage          which lines of the parsers the corpora reach, as a table
# make fuzz-merge             what a long run has learnt goes into the corpora, tests/fuzz/*.corpus, as few files as it takes
#
# They are built by the same rules as all else, with clang and other flags, in build directories of their own.

FUZZ_SECONDS ?= 10
RUNS ?=
TARGET ?=

comma := ,
fuzz_names := lender conf answer conn hello door control group netlink command
fuzzers := $(addprefix $(B)/tests/fuzz/fuzz_,$(fuzz_names))

memsocket_calls := recv recvmsg send sendmsg setsockopt getsockopt shutdown close poll eventfd eventfd_read eventfd_write
memsocket_wrap := $(addprefix -Wl$(comma)--wrap=,$(memsocket_calls))
$(B)/tests/fuzz/fuzz_lender: $(filter-out %/main.o %/nonce.o %/lent.o,$(lender_objects)) $(B)/tests/fuzz/memsocket.o
$(B)/tests/fuzz/fuzz_lender: LDLIBS := -lsystemd -lnettle -lseccomp $(memsocket_wrap)
$(B)/tests/fuzz/fuzz_conf: $(addprefix $(B)/daemon/,conf.o conf_key.o settings.o)

$(B)/tests/fuzz/fuzz_hello: $(addprefix $(B)/,tests/fuzz/loop.o tests/fuzz/memsocket.o daemon/auth.o daemon/authkey.o) \
	$(filter-out %/main.o %/nonce.o %/door.o,$(lender_objects))
$(B)/tests/fuzz/fuzz_hello: LDLIBS := -lsystemd -lnettle -lseccomp $(memsocket_wrap)
$(B)/tests/fuzz/fuzz_door: $(B)/tests/fuzz/memsocket.o $(filter-out %/main.o %/door.o %/lent.o,$(lender_objects))
$(B)/tests/fuzz/fuzz_door: LDLIBS := -lsystemd -lnettle -lseccomp $(memsocket_wrap)
$(B)/tests/fuzz/fuzz_control: $(addprefix $(B)/,tests/fuzz/loop.o tests/fuzz/message.o tests/fuzz/neighbour.o $(addprefix daemon/,peer.o control.o frame.o lease.o giveback.o donor.o donor_audit.o revoke.o \
	offer.o placement.o conf.o conf_key.o log.o authkey.o)) $(proto_object)
$(B)/tests/fuzz/fuzz_control: LDLIBS := -lprotobuf-c -lnettle
$(B)/tests/fuzz/fuzz_group: $(addprefix $(B)/daemon/,group.o offer.o conf.o conf_key.o log.o) $(proto_object)
$(B)/tests/fuzz/fuzz_group: LDLIBS := -lprotobuf-c
$(addprefix $(B)/tests/fuzz/,fuzz_control.o fuzz_group.o message.o neighbour.o): | $(B)/proto/ramster.pb-c.h
$(B)/tests/fuzz/fuzz_netlink: $(addprefix $(B)/,tests/fuzz/loop.o daemon/kernel_view.o daemon/log.o)
$(B)/tests/fuzz/fuzz_netlink: LDLIBS := -lmnl

# Over the shim of the module's unit tests: these files beside those of $(B)/shim/shim.a, and connections over fuzz/shim.
fuzz_module := $(addprefix $(B)/fuzz-module/,$(addsuffix .o,request peer deadline hedge))
$(B)/fuzz-module/%.o: kernel/ramster/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
fuzz_conn := $(addprefix $(B)/,fuzz-module/conn.o tests/fuzz/stream.o tests/fuzz/task.o tests/fuzz/socket.o)
fuzz_command := $(addprefix $(B)/,fuzz-module/netlink.o fuzz-module/netlink_event.o fuzz-module/conn.o tests/fuzz/genl.o tests/fuzz/task.o)
fuzz_shim_users := $(sort $(fuzz_module) $(fuzz_conn) $(fuzz_command) $(addprefix $(B)/tests/fuzz/fuzz_,answer.o conn.o command.o))
$(fuzz_shim_users): CPPFLAGS += -Itests/fuzz/shim $(SHIM_CPPFLAGS)
$(fuzz_shim_users): WARN += $(SHIM_WARN)
$(B)/tests/fuzz/fuzz_answer: $(fuzz_module) $(B)/tests/fuzz/lzo.o $(B)/shim/shim.a
$(B)/tests/fuzz/fuzz_answer: LDLIBS = $(SHIM_LIBS) -Wl,--wrap=lzo1x_1_compress
$(B)/tests/fuzz/fuzz_conn: $(fuzz_module) $(fuzz_conn) $(addprefix $(B)/tests/unit/shim/,shim.o slab.o reserve.o)
$(B)/tests/fuzz/fuzz_command: $(fuzz_module) $(fuzz_command) $(addprefix $(B)/shim/,lease.o extent.o extent_group.o slot.o) \
	$(addprefix $(B)/tests/unit/shim/,shim.o slab.o reserve.o)
$(B)/tests/fuzz/fuzz_command: LDLIBS := $(addprefix -Wl$(comma)--wrap=,r2net_conn_add lease_add lease_return r2net_peer_set)

# Comparisons are told to libFuzzer, which looks for their operands in the input: only those of what parses it are of use.
fuzz_untraced := $(shim_module) $(addprefix $(B)/tests/fuzz/,$(addsuffix .o,stream message genl fuzz_command fuzz_lender fuzz_conf fuzz_conn fuzz_control fuzz_group))
$(fuzz_untraced): CPPFLAGS += $(UNTRACED)

$(fuzzers): %: %.o $(B)/tests/fuzz/options.o
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS) -pthread

FUZZ_CFLAGS := -O2 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=fuzzer-no-link,address,undefined \
	-fsanitize-coverage-ignorelist=tests/fuzz/unwatched
COVERAGE_CFLAGS := -O1 -g -fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping

.PHONY: fuzzers fuzz fuzz-merge fuzz-coverage
fuzzers: $(fuzzers)

fuzz fuzz-merge:
	@tests/setup/install build fuzz
	+@$(MAKE_ALL) B=$(B)/fuzz CC=clang CFLAGS="$(FUZZ_CFLAGS)" UNTRACED=-fno-sanitize-coverage=trace-cmp fuzzers
	@SECONDS_EACH=$(FUZZ_SECONDS) RUNS=$(RUNS) tests/fuzz/run $(@:fuzz%=%) $(B)/fuzz $(or $(TARGET),$(fuzz_names))

fuzz-coverage:
	@tests/setup/install build fuzz
	+@$(MAKE_ALL) B=$(B)/fuzz-coverage CC=clang CFLAGS="$(COVERAGE_CFLAGS)" fuzzers
	@tests/fuzz/coverage $(B)/fuzz-coverage $(fuzz_names)
