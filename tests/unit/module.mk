# SPDX-License-Identifier: GPL-2.0-or-later
#
# The module's pure parts, unchanged, over the shim, and their unit tests. $(B)/shim/shim.a has all but the tests.
#
# make sanitize-unit    every unit test under the address, undefined behaviour and thread sanitizers, built in $(B)/sanitize
# make valgrind-unit    every unit test under valgrind, built in $(B)/valgrind

SHIM_CPPFLAGS := -Itests/unit/shim -Ikernel/ramster -include tests/unit/shim/shim.h
# The kernel compiles without these two.
SHIM_WARN := -Wno-sign-compare -Wno-missing-field-initializers
SHIM_LIBS := -llzo2 -llz4 -lzstd -lgnutls -pthread

shim_module := $(addprefix $(B)/shim/,$(addsuffix .o,pool tmem zcache compress compress_zstd zbud zsmalloc lease extent extent_group slot move relocate home \
	prefetch fetch remotify seal writeback counters))
shim_support := $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/shim/*.c))
$(B)/shim/%.o: kernel/ramster/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SHIM_WARN) $(SHIM_CPPFLAGS) -c -o $@ $<
test_support := $(addprefix $(B)/tests/unit/,scene.o batch.o pages.o slots.o)
$(B)/shim/shim.a: $(shim_module) $(shim_support) $(test_support)
	rm -f $@
	$(AR) rcs $@ $^

shim_tests := $(addprefix $(B)/tests/unit/test_,entry zbud prefetch wire extent extent_model tmem tmem_model fetch hedge remotify seal writeback move life)
UNIT_TESTS += $(shim_tests)
$(shim_tests): %: %.o $(B)/shim/shim.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(SHIM_LIBS)

shim_users := $(shim_tests:%=%.o) $(test_support) $(shim_support)
$(shim_users): CPPFLAGS += $(SHIM_CPPFLAGS)
$(shim_users): WARN += $(SHIM_WARN)

# ramsterd's dealings, each over a clock and neighbours of the test's own; and what `ramster` prints.
dealing_tests := $(addprefix $(B)/tests/unit/test_,donor lease giveback revoke repatriate release reload print membership)
UNIT_TESTS += $(dealing_tests)
$(dealing_tests:%=%.o): | $(B)/proto/ramster.pb-c.h
$(B)/tests/unit/test_donor: $(addprefix $(B)/,tests/unit/test_donor.o daemon/donor.o daemon/donor_audit.o daemon/conf.o \
	daemon/conf_key.o)
$(B)/tests/unit/test_lease: $(addprefix $(B)/,tests/unit/test_lease.o daemon/lease.o daemon/placement.o \
	daemon/conf.o daemon/conf_key.o)
$(B)/tests/unit/test_giveback: $(addprefix $(B)/,tests/unit/test_giveback.o daemon/giveback.o daemon/placement.o)
$(B)/tests/unit/test_revoke: $(addprefix $(B)/,tests/unit/test_revoke.o daemon/revoke.o)
$(B)/tests/unit/test_release: $(addprefix $(B)/,tests/unit/test_release.o daemon/release.o)
$(B)/tests/unit/test_print: $(addprefix $(B)/,tests/unit/test_print.o tools/ramster/print.o tools/ramster/client.o daemon/frame.o)
$(B)/tests/unit/test_reload: $(addprefix $(B)/,tests/unit/test_reload.o daemon/reload.o daemon/conf.o daemon/conf_key.o \
	daemon/authkey.o)
$(B)/tests/unit/test_membership: $(addprefix $(B)/,tests/unit/test_membership.o daemon/membership_corosync.o daemon/group.o \
	daemon/offer.o daemon/conf.o daemon/conf_key.o)
$(B)/tests/unit/test_repatriate: $(addprefix $(B)/,tests/unit/test_repatriate.o daemon/repatriate.o)
$(dealing_tests): $(B)/proto/ramster.pb-c.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lprotobuf-c -lnettle -lcmocka

# The end of a node's network device that the lab's switch is.
UNIT_TESTS += $(B)/tests/unit/test_vhost
$(B)/tests/unit/test_vhost: $(addprefix $(B)/,tests/unit/test_vhost.o tests/multinode/vhost.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka

# Tests that run programs find them in the build directory above themselves.
SANITIZERS := address,undefined thread
# A fence that the thread sanitizer does not know stands where one process shares memory with another.
SANITIZE := -Wno-tsan -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
.PHONY: sanitize-unit run-unit
sanitize-unit:
	@tests/setup/install build
	+@failed=; for sanitizer in $(SANITIZERS); do echo "sanitizer: $$sanitizer"; \
		$(MAKE_ALL) B=$(B)/sanitize/$${sanitizer%%,*} CFLAGS="$(SANITIZE) -fsanitize=$$sanitizer" \
		LDFLAGS="-fsanitize=$$sanitizer" RUN="env PATIENCE=$${PATIENCE:-5}" run-unit || failed="$$failed $$sanitizer"; done; \
		if [ "$$failed" ]; then echo "sanitizer: failed:$$failed"; exit 1; fi

# All of them, whatever becomes of the others, each as the argument of $(RUN).
RUN :=
run-unit: $(UNIT_TESTS)
	@failed=; for test in $^; do echo "test: $$test"; $(RUN) "$$test" || failed="$$failed $${test##*/}"; done; \
		if [ "$$failed" ]; then echo "test: failed:$$failed"; exit 1; fi

# Under valgrind what was never written is seen, too: the shim reuses no object. What a test leaves to the end of its process is
# no leak. Valgrind refuses seccomp(2), so that the lender is built without its filter here, and only here (FOR_VALGRIND in
# filter.c); test_lender_filter skips. PATIENCE makes time-outs of tests so many times longer (patience.h); it may be set for any of them.
VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --trace-children=yes --fair-sched=yes --vgdb=no
.PHONY: valgrind-unit
valgrind-unit:
	@tests/setup/install build valgrind
	+@$(MAKE_ALL) B=$(B)/valgrind CFLAGS="-O1 -g -DSHIM_KEEP_FREE=0 -DFOR_VALGRIND" RUN="env PATIENCE=10 $(VALGRIND)" run-unit

# What counts which lines of the module run, for tests/coverage.
.PHONY: coverage-unit
coverage-unit: $(shim_tests)
	@find $(B) -name '*.gcda' -delete
	@for test in $^; do echo "test: $$test"; env PATIENCE=10 $$test || exit 1; done
