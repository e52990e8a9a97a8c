# SPDX-License-Identifier: GPL-2.0-or-later
"""
A donor that runs out of memory while it has lent some: its kernel swaps what is lent, and owners wait; or it kills the
lender, and exactly the pages there are lost.
"""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:512", "n2=swap:256"])

MANY = 2000  # pages
PAGE = 4096


@pytest.fixture
def cluster(lab):
    config = ramster.configuration(lab, lend={"n3": "24M"}, remotify_percent=20)
    with ramster.Cluster(lab, config, borrowers=["n1"]) as cluster:
        yield cluster


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def fill(cluster):
    """n1's memory, with pages on n2; whose ramsterd does not live to take them back."""
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    n1.sh("echo 0 >/proc/sys/vm/page-cluster")
    cluster.swapon_swapdev(n1, "512M", backing="swap")
    cluster.wait_space(n1)
    hold = Hold(n1, 170)
    cluster.wait_status(n1, lambda status: peer(status, "n2")["pages"] > 2 * MANY)
    cluster.stop_daemon(n2, "ramsterd")
    return hold


def lender_status(node, what):
    """KiB, by a word of /proc/PID/status."""
    return int(node.sh(f"sed -n 's/^{what}: *//p' /proc/$(pidof ramster-lender)/status").split()[0])


def free_mib(node):
    return int(node.sh("sed -n 's/^MemAvailable: *//p' /proc/meminfo").split()[0]) >> 10


def test_what_is_lent_is_swapped_and_nothing_is_lost(cluster):
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    n2.sh("mkswap /dev/disk/swap && swapon /dev/disk/swap")
    with fill(cluster) as hold:
        hold.tell("rewrite", 0, hold.pages // 2)
        with Hold(n2, free_mib(n2) + 40, seed=2) as hog:
            assert hold.answer(300).word == "rewritten"
            n2.sh(f"echo 24M >/sys/fs/cgroup/{ramster.LENDER_GROUP}/memory.reclaim || true")
            assert lender_status(n2, "VmSwap") * 1024 // PAGE > MANY
            hold.assert_right(timeout=300)
            hog.assert_right(timeout=300)
        hold.assert_right(timeout=300)
        counters = cluster.counters(n1)
        assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals", "stale_slots")] == [0] * 4
        cluster.start_daemon(n2, "ramsterd")
        cluster.wait_up()
        hold.end(120)


@pytest.mark.allow_splats("Call Trace")  # of who wanted memory
def test_the_lender_is_killed_for_want_of_memory(cluster):
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    with fill(cluster) as hold:
        n2.sh("echo 1000 >/proc/$(pidof ramster-lender)/oom_score_adj")
        with Hold(n2, free_mib(n2) + 8, seed=2):
            line = n2.wait_console("Out of memory: Killed process", 60)
            assert "(ramster-lender)" in line
            # Until somebody says what it means, its pages may be back.
            cluster.wait_status(n1, lambda status: peer(status, "n2")["data"] in ("down", "late"))
            assert cluster.counters(n1)["pages_lost"] == 0
        there = peer(cluster.status(n1), "n2")["pages"]
        cluster.start_daemon(n2, "ramster-lender")
        cluster.start_daemon(n2, "ramsterd")
        cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)
        assert cluster.counters(n1)["pages_lost"] == there
        seen = hold.verify()
        assert seen.wrong == 0 and there * 0.8 < seen.failed <= there and seen.right + seen.failed == hold.pages
        cluster.wait_up()
        hold.kill()
    with Hold(n1, 170, seed=3) as hold:
        cluster.wait_status(n1, lambda status: peer(status, "n2")["pages"] > MANY)
        hold.assert_right()
        hold.end()
