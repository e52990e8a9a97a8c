# SPDX-License-Identifier: GPL-2.0-or-later
"""A short soak: some failures of tests/soak, one after the other. `make soak` has hundreds."""
import os
import sys

import pytest

import ramster

sys.path.append(os.path.join(ramster.SOURCES, "tests/soak"))

import plan
from run import Failure, Run, lab_settings

SEED, FAULTS = 659, 6  # a loss of power, one of a lender, a node that stands still, connections that end, ...


@pytest.mark.lab(**lab_settings())
def test_failures_one_after_the_other(lab):
    faults = plan.make(SEED, FAULTS)
    run = Run(lab, faults, SEED)
    try:
        run.run()
    except Failure as failure:
        pytest.fail(f"seed {SEED}, fault {failure.fault}: {failure}")
    finally:
        if run.cluster:
            run.cluster.down()


def test_the_plan_follows_from_the_seed_alone():
    assert plan.make(7, 50) == plan.make(7, 50) != plan.make(8, 50)
    assert plan.make(7, 50)[:20] == plan.make(7, 20)
    assert {fault.kind for fault in plan.make(7, 500)} == {kind.name for kind in plan.kinds_for("static")}
    assert {fault.kind for fault in plan.make(7, 500, only=["cut", "power"])} == {"cut", "power"}
