# SPDX-License-Identifier: GPL-2.0-or-later
#
# $(B)/tests/bench/page_path [--raw FILE]    storing and loading a page, beside its bare compression

BENCHES += $(B)/tests/bench/page_path
$(B)/tests/bench/page_path: $(B)/tests/bench/page_path.o $(B)/shim/shim.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SHIM_LIBS)
$(B)/tests/bench/page_path.o: CPPFLAGS += $(SHIM_CPPFLAGS)
$(B)/tests/bench/page_path.o: WARN += $(SHIM_WARN)
