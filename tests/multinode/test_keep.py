# SPDX-License-Identifier: GPL-2.0-or-later
"""
keep_on_restart: a lender ends and is started again, and what it has lent is there as before. If the kernel ends it for want of
memory, it is not.
"""
import os
import re
import signal

import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:512"])

KILL, RESTART = signal.SIGUSR1, signal.SIGHUP  # what fdstore does with its command
GROUP = f"/sys/fs/cgroup/{ramster.LENDER_GROUP}"
GOES_ON = r"goes on as before: (\d+) leases with (\d+) MiB were kept"
MIB = 1 << 20
ROOM = 4 * MIB  # an extent
DEADLINE = "20s"  # emulated CPUs that others use, too


def lender_log(node):
    """What the lender has written since fdstore was started, as this test's."""
    with open(os.path.join(node.lab.logs, f"{node.name}.ramster-lender.log"), errors="replace") as log:
        return log.read().rpartition("with 0 descriptors")[2]


def wait_lender_log(node, regex, times=1, timeout=60):
    """Waits until the lender, or fdstore, has written so many lines like that."""
    with ramster.LOGGED:
        assert ramster.LOGGED.wait_for(lambda: len(re.findall(regex, lender_log(node))) >= times, timeout), lender_log(node)


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, keep="on", deadline=DEADLINE)) as cluster:
        cluster.swapon_swapdev(lab["n1"], "512M")
        cluster.wait_space(lab["n1"])
        yield cluster


def lender_of(status, name):
    return next(node["lender_instance"] for node in status["nodes"] if node["name"] == name)


def wait_quiet(cluster, node, *donors):
    return cluster.wait_status(node, lambda status: status["need"] == 0 and all(
        peer["control"] == "up" and peer["data"] == "up" for peer in status["nodes"] if peer["name"] in donors))


@pytest.mark.parametrize("number", [KILL, RESTART], ids=["killed", "upgraded"])
def test_no_page_is_lost(cluster, number):
    n1, n2, n3 = cluster.lab
    with Hold(n1, 160) as hold:
        before = wait_quiet(cluster, n1, "n2", "n3")
        # Under load: pages go out, and then come in.
        hold.tell("rewrite", 0, hold.pages // 2)
        cluster.signal_daemon(n2, "ramster-lender", number)
        assert hold.answer().word == "rewritten"
        wait_lender_log(n2, GOES_ON)
        hold.tell("verify", 0, None)
        cluster.signal_daemon(n2, "ramster-lender", number)
        seen = hold.answer()
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0), seen
        wait_lender_log(n2, GOES_ON, 2)
        cluster.wait_up()
        hold.assert_right()

        after = wait_quiet(cluster, n1, "n2", "n3")
        counters = cluster.counters(n1)
        assert counters["connections_failed"] > before["counters"]["connections_failed"]
        assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals", "stale_slots")] == [0] * 4
        for node in (n2, n3):
            assert lender_of(after, node.name) == lender_of(before, node.name)
            space = next(peer["space"] for peer in after["nodes"] if peer["name"] == node.name)
            cluster.wait_status(node, lambda status: status["lender"]["lent"] == space)
        assert all(int(leases) > 0 for leases, _ in re.findall(GOES_ON, lender_log(n2)))
        assert not re.search(GOES_ON, lender_log(n3))
        hold.end()


@pytest.mark.allow_splats("Call Trace")  # the OOM killer says where it came from
def test_the_kernel_gets_its_memory_back(lab):
    """n2's lender is killed for want of memory: what it had lent is free at once, and lost as ever, loudly."""
    n1, n2, _ = lab
    config = ramster.configuration(lab, {"n3": "off"}, keep="on", deadline=DEADLINE)
    with ramster.Cluster(lab, config) as cluster:
        cluster.swapon_swapdev(n1, "512M", backing="swap")
        cluster.wait_space(n1)
        with Hold(n1, 160) as hold:
            wait_quiet(cluster, n1, "n2")
            lent = cluster.status(n2)["lender"]["lent"]
            taken = int(n2.sh(f"cat {GROUP}/memory.current"))
            assert taken > lent > 4 * ROOM
            # The next lease is more than there is.
            n2.sh(f"echo {taken + ROOM // 2} >{GROUP}/memory.max")
            n1.sh("echo 64 >/sys/module/ramster/parameters/low_water_mb")
            wait_lender_log(n2, "the kernel ended the lender for want of memory: [1-9][0-9]* MiB that were lent are given back")
            n2.sh(f"echo max >{GROUP}/memory.max")
            wait_lender_log(n2, "starts empty: the kernel has killed in the lender's control group for want of memory")
            cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)
            seen = hold.verify()
            assert seen.wrong == 0 and seen.failed > 0 and seen.right > 0
            hold.kill()
        with Hold(n1, 160) as hold:
            hold.assert_right()
            hold.end()
