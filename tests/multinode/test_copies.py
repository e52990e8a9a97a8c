# SPDX-License-Identifier: GPL-2.0-or-later
"""copies = 2: whatever happens to one donor, every byte is there, and second copies that are missing are made again."""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=4, mem="n1=128,320")

DONORS = ("n2", "n3", "n4")


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, copies=2, restore_after="5s", slow_deadline="6s",
                                                    seal="on")) as cluster:
        yield cluster


def pages(status, *names):
    return sum(node["pages"] for node in status["nodes"] if node["name"] in names)


def twice(status, *names):
    """Whether these donors have every remote page of n1 two times."""
    remote = status["counters"]["pages_remote"]
    return remote > 2000 and status["counters"]["pages_missing_copy"] == 0 and pages(status, *names) == 2 * remote


def fill(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    hold = Hold(n1, 160)
    cluster.wait_status(n1, lambda status: twice(status, *DONORS))
    return hold


def assert_all_right(cluster, hold):
    hold.assert_right(timeout=300)
    counters = cluster.counters(cluster.lab["n1"])
    assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals")] == [0] * 3


def test_a_donor_loses_its_power(cluster):
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    with fill(cluster) as hold:
        hold.tell("verify", 0, None)
        n2.cycle()
        seen = hold.answer(300)
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)
        # All may be read before n2 is missed.
        status = cluster.wait_status(n1, lambda status: "n2 is not up" in status["verdict"])
        assert status["verdict"].startswith("degraded: ")

        # Some may have been made again while n2 booted.
        ramster.wait_log(n1, "remote pages lack a copy")

        # With the donors that are left, and then with all.
        cluster.wait_status(n1, lambda status: twice(status, "n3", "n4"), 120)
        cluster.install(n2)
        cluster.start(n2)
        cluster.wait_up()
        hold.rewrite(0, hold.pages // 4)
        cluster.wait_status(n1, lambda status: twice(status, *DONORS), 120)
        assert_all_right(cluster, hold)
        ramster.wait_log(n1, "every remote page has its copies again")


@pytest.mark.parametrize("how", ["paused", "cut"])
def test_a_donor_is_silent_and_comes_back(cluster, how):
    lab = cluster.lab
    n1, n2 = lab["n1"], lab["n2"]
    with fill(cluster) as hold:
        hold.tell("verify", 0, None)
        n2.pause() if how == "paused" else lab.cut("n1", "n2")
        seen = hold.answer(300)
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)
        cluster.wait_status(n1, lambda status: twice(status, "n3", "n4"), 120)
        n2.resume() if how == "paused" else lab.heal("n1", "n2")
        cluster.wait_up()

        # What n2 has is of use again, or goes back to it.
        hold.rewrite(0, hold.pages // 4)
        cluster.wait_status(n1, lambda status: twice(status, *DONORS), 120)
        lab["n3"].kill()
        assert_all_right(cluster, hold)
