# SPDX-License-Identifier: GPL-2.0-or-later
"""
A network that is slow or loses frames, under load: loads take as long as it does and none fails; and if it takes longer than
the deadline, none waits for more than that, and no byte is wrong.
"""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:512"])

DEADLINE = 3
SLACK = 2  # s: emulated CPUs, and a monitor that looks every 0.1 s


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, remotify_percent=20)) as cluster:
        yield cluster


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def fill(cluster):
    n1 = cluster.lab["n1"]
    n1.sh("echo 0 >/proc/sys/vm/page-cluster")
    cluster.swapon_swapdev(n1, "512M", backing="swap")
    cluster.wait_space(n1)
    hold = Hold(n1, 140)
    cluster.wait_status(n1, lambda status: min(peer(status, name)["pages"] for name in ("n2", "n3")) > 2000)
    return hold


def assert_unharmed(cluster):
    counters = cluster.counters(cluster.lab["n1"])
    assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals", "malformed_answers",
                                        "late_peers")] == [0] * 5
    return counters


@pytest.mark.parametrize("trouble", ["slow", "lossy"])
def test_loads_wait_and_none_fails(cluster, trouble):
    lab, n1 = cluster.lab, cluster.lab["n1"]
    with fill(cluster) as hold:
        before = cluster.counters(n1)["loads_remote"]
        if trouble == "slow":
            lab.delay("n1", "n2", 150)
        if trouble == "lossy":
            lab.drop("n1", "n2", 3)
        part = hold.pages // 4
        hold.assert_right(0, part, timeout=300)
        hold.rewrite(0, part, timeout=300)
        hold.assert_right(0, part, timeout=300)
        counters = assert_unharmed(cluster)
        assert counters["loads_remote"] > before
        if trouble == "slow":
            assert counters["remote_load_p99_us"] > 250000
        lab.heal("n1", "n2")
        hold.assert_right()
        assert_unharmed(cluster)
        cluster.wait_status(n1, lambda status: status["verdict"].startswith("ok:"))
        hold.end()


def test_slower_than_the_deadline(cluster):
    lab, n1 = cluster.lab, cluster.lab["n1"]
    with fill(cluster) as hold:
        lab.delay("n1", "n2", 2500)
        part = hold.pages // 4
        seen = hold.verify(0, part)
        print(seen)
        assert seen.wrong == 0 and seen.failed > 0 and seen.right + seen.failed == part
        assert seen.first_failed < DEADLINE + SLACK
        assert cluster.counters(n1)["late_peers"] > 0
        lab.heal("n1", "n2")
        cluster.wait_up()
        cluster.wait_status(n1, lambda status: peer(status, "n2")["data"] == "up")
        hold.assert_right(part)
        counters = cluster.counters(n1)
        assert [counters[name] for name in ("pages_lost", "bad_seals", "malformed_answers")] == [0] * 3
        hold.kill()
