# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that run in the lab's nodes: linked statically, as the nodes have few libraries.

NODE_PROGRAMS := $(B)/tests/programs/pagecheck
PROGRAMS += $(NODE_PROGRAMS)

$(B)/tests/programs/pagecheck: $(B)/tests/programs/pagecheck.o $(B)/tests/programs/pages.o
	$(CC) $(ALL_CFLAGS) -static -o $@ $^ $(LDFLAGS)
