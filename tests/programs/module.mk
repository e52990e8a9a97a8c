# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that run in the lab's nodes, which have the libraries of ramsterd and of corosync.

NODE_PROGRAMS := $(addprefix $(B)/tests/programs/,badowner badpeer deaf eater failnth fdstore fulldisk hangup nltest pagecheck pagehold redischeck)
PROGRAMS += $(NODE_PROGRAMS) $(B)/tests/programs/badmember

$(B)/tests/programs/eater: $(B)/tests/programs/pages.o
$(B)/tests/programs/fdstore: $(B)/tests/programs/fds.o
$(B)/tests/programs/fulldisk: $(B)/tests/programs/pages.o
$(B)/tests/programs/pagecheck: $(B)/tests/programs/pages.o
$(B)/tests/programs/pagehold: $(B)/tests/programs/pages.o
$(B)/tests/programs/nltest: $(B)/tests/programs/nl.o
$(B)/tests/programs/badpeer: $(addprefix $(B)/tests/programs/,misbehaviour.o nl.o pages.o)
$(B)/tests/programs/redischeck: $(B)/tests/programs/pages.o
$(B)/tests/programs/badowner: $(addprefix $(B)/,tests/unit/wire_client.o daemon/proof.o)
$(B)/tests/programs/badowner: LDLIBS := -lnettle

$(NODE_PROGRAMS): %: %.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(B)/tests/programs/badmember: %: %.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDFLAGS) -lcpg -lcorosync_common
