# SPDX-License-Identifier: GPL-2.0-or-later
# ramster, the operator's command.

tool_objects := $(patsubst %.c,$(B)/%.o,$(wildcard tools/ramster/*.c))

$(tool_objects): | $(B)/proto/ramster.pb-c.h

PROGRAMS += $(B)/ramster
$(B)/ramster: $(tool_objects) $(B)/daemon/frame.o $(B)/daemon/authkey.o $(proto_object)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lprotobuf-c -lnettle -lncursesw -ltinfo
