# SPDX-License-Identifier: GPL-2.0-or-later
#
# The simulator of lending: the daemon's policies over a simulated world.
#
# make sim    10, 100 and 1,000 nodes, against what is promised; the tables and plots go to $(B)/tests/sim

sim_objects := $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c))
sim := $(B)/tests/sim/sim

PROGRAMS += $(sim)
$(sim): $(sim_objects) $(addprefix $(B)/daemon/,placement.o lend_policy.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm
