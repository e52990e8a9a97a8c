# SPDX-License-Identifier: GPL-2.0-or-later
# ramsterd, its messages and its tests.

proto_object := $(B)/proto/ramster.pb-c.o
daemon_sources := $(wildcard daemon/*.c)
daemon_objects := $(patsubst %.c,$(B)/%.o,$(daemon_sources))

$(B)/proto/ramster.pb-c.c $(B)/proto/ramster.pb-c.h &: proto/ramster.proto
	@mkdir -p $(B)/proto
	protoc-c --c_out=$(B) $<

$(proto_object): $(B)/proto/ramster.pb-c.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(daemon_objects): | $(B)/proto/ramster.pb-c.h

PROGRAMS += $(B)/ramsterd
$(B)/ramsterd: $(daemon_objects) $(proto_object)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -luv -lmnl -lprotobuf-c -lgnutls -lnettle -lcpg -lquorum -lcorosync_common -pthread

daemon_tests := $(addprefix $(B)/tests/unit/test_,conf placement lend_policy cgroup settings control acceptor sidedoor privilege number group dataconn)
UNIT_TESTS += $(daemon_tests)
$(daemon_tests:%=%.o): | $(B)/proto/ramster.pb-c.h

$(B)/tests/unit/test_conf: $(addprefix $(B)/,tests/unit/test_conf.o daemon/conf.o daemon/conf_key.o)
$(B)/tests/unit/test_placement: $(addprefix $(B)/,tests/unit/test_placement.o daemon/placement.o)
$(B)/tests/unit/test_lend_policy: $(addprefix $(B)/,tests/unit/test_lend_policy.o daemon/lend_policy.o)
$(B)/tests/unit/test_cgroup: $(addprefix $(B)/,tests/unit/test_cgroup.o daemon/cgroup.o)
$(B)/tests/unit/test_settings: $(addprefix $(B)/,tests/unit/test_settings.o daemon/settings.o daemon/conf.o daemon/conf_key.o)
$(B)/tests/unit/test_number: $(addprefix $(B)/,tests/unit/test_number.o daemon/number.o daemon/log.o)
$(B)/tests/unit/test_group: $(addprefix $(B)/,tests/unit/test_group.o daemon/group.o daemon/offer.o daemon/conf.o \
	daemon/conf_key.o daemon/log.o) $(proto_object)
$(B)/tests/unit/test_group: LDLIBS := -lprotobuf-c
$(B)/tests/unit/test_control: $(addprefix $(B)/,tests/unit/test_control.o daemon/control.o daemon/frame.o \
	daemon/stream.o daemon/transport.o) $(proto_object)
$(B)/tests/unit/test_acceptor: $(addprefix $(B)/,tests/unit/test_acceptor.o daemon/acceptor.o)
$(B)/tests/unit/test_acceptor: LDLIBS := -luv
$(B)/tests/unit/test_sidedoor: $(addprefix $(B)/,tests/unit/test_sidedoor.o daemon/sidedoor.o daemon/log.o)
$(B)/tests/unit/test_sidedoor: LDLIBS := -luv
$(B)/tests/unit/test_privilege: $(addprefix $(B)/,tests/unit/test_privilege.o daemon/privilege.o)
$(B)/tests/unit/test_privilege: LDLIBS := -Wl,--wrap=setrlimit -Wl,--wrap=prctl
$(B)/tests/unit/test_dataconn: $(addprefix $(B)/,tests/unit/test_dataconn.o daemon/dataconn.o daemon/proof.o)
$(B)/tests/unit/test_dataconn: LDLIBS := -luv -lnettle
$(B)/tests/unit/test_control: LDLIBS := -luv -lprotobuf-c
$(daemon_tests):
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka -pthread
