# SPDX-License-Identifier: GPL-2.0-or-later
#
# make soak [SEED=N] [FAULTS=200] [MEMBERSHIP=static|corosync]

FAULTS ?= 200
MEMBERSHIP ?= static

.PHONY: soak
soak: programs lab module
	@tests/soak/soak $(if $(SEED),--seed $(SEED)) --faults $(FAULTS) --membership $(MEMBERSHIP)
