# SPDX-License-Identifier: GPL-2.0-or-later
#
# make lab    what tests/multinode/lab needs to bring up nodes: switch, agent, the nodes' root file system

.PHONY: lab
lab: kernel
	@tests/multinode/lab build --kernel $(KERNEL) >/dev/null
