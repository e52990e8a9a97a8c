# SPDX-License-Identifier: GPL-2.0-or-later
#
# $(B)/tests/bench/page_path [--raw FILE]    storing and loading a page, beside its bare compression
# $(B)/tests/bench/seal [--raw FILE]         sealing and opening a page

shim_benches := $(addprefix $(B)/tests/bench/,page_path seal)
BENCHES += $(shim_benches)
$(shim_benches): %: %.o $(B)/shim/shim.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SHIM_LIBS)
$(shim_benches:%=%.o): CPPFLAGS += $(SHIM_CPPFLAGS)
$(shim_benches:%=%.o): WARN += $(SHIM_WARN)
