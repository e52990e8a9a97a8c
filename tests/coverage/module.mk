# SPDX-License-Identifier: GPL-2.0-or-later
#
# make coverage     which lines of the module run in any test: in the unit tests over the shim, with the fuzzers' corpora, and
#                   on nodes, if `make test-debug` has saved that; the lines that do not are in $(B)/coverage/never.txt

.PHONY: coverage
coverage:
	@tests/setup/install build
	+@$(MAKE_ALL) B=$(B)/coverage CFLAGS="-O0 -g --coverage -Wno-maybe-uninitialized" LDFLAGS=--coverage coverage-unit
	+@$(MAKE_ALL) fuzz-coverage >$(B)/coverage/fuzz.txt
	@tests/coverage/report --lines $(B)/coverage $(B)/fuzz-coverage/lines.lcov $(wildcard $(B)/gcov) >$(B)/coverage/all.txt
	@grep % $(B)/coverage/all.txt
	@sed -n '/:/p' $(B)/coverage/all.txt >$(B)/coverage/never.txt
