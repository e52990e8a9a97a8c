# SPDX-License-Identifier: GPL-2.0-or-later
"""The module is unloaded: never while it is in use, and without a trace when it is not; the same if loading it fails."""
import labnet
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=144,256", disks=["n1=swap:512"])


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, remotify_percent=20, seal="on")) as cluster:
        yield cluster


def assert_refused(node, *argv):
    with pytest.raises(labnet.Failed) as error:
        node.run(*argv)
    return error.value.err


def assert_in_use(cluster, n1):
    """Whoever tries to take away what swapping needs is refused."""
    assert_refused(n1, "rmmod", "ramster")
    assert_refused(n1, "sh", "-c", f"echo 1 >{ramster.SWAPDEV_SETTINGS}/reset")
    assert "pages are with peers: swapoff first" in assert_refused(n1, "ramsterd", "--release")


def test_under_load(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "512M", backing="swap")
    cluster.wait_space(n1)
    with Hold(n1, 120) as hold, Hold(n1, 60, seed=2) as other:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
        hold.tell("rewrite", 0, None)
        assert_in_use(cluster, n1)
        assert hold.answer().word == "rewritten"
        hold.tell("verify", 0, None)
        assert_in_use(cluster, n1)
        seen = hold.answer()
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)
        hold.end()

        # swapoff while the other one works, which needs its pages home first.
        other.tell("verify", 0, None)
        cluster.swapoff(n1)
        seen = other.answer()
        assert (seen.right, seen.wrong, seen.failed) == (other.pages, 0, 0)
        assert [cluster.counters(n1)[name] for name in ("pages_remote", "pages_local", "loads_failed", "pages_lost")] == [0] * 4
        cluster.unload(n1)
        assert "ramster " not in n1.sh("cat /proc/modules")
        other.assert_right()
        other.end()

    # The donors end what the old instance had, and lend to the new one.
    cluster.load(n1)
    cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
    for name in ("n2", "n3"):
        cluster.wait_status(cluster.lab[name], lambda status: status["lender"]["lent"] == 0)
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, 160, seed=3) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
        hold.assert_right()
        hold.end()


@pytest.mark.parametrize("parameters, says", [
    ("remotify_percent=40 local_max_percent=20", "remotify_percent <= local_max_percent <= 50 does not hold"),
    ("allocator=none", "allocator none: not zsmalloc nor zbud, or no memory"),
    ("writethrough=1 copies=3", "`3' invalid for parameter `copies'")])
def test_a_load_that_fails_leaves_nothing(cluster, parameters, says):
    n1 = cluster.lab["n1"]
    cluster.unload(n1)
    for _ in range(2):
        n1.sh("dmesg --clear")
        assert_refused(n1, "insmod", "/lib/ramster/ramster.ko", *parameters.split())
        assert says in n1.sh("dmesg")
        assert "ramster " not in n1.sh("cat /proc/modules")
        assert not {"ramster", "ramster0"} & set(n1.sh("ls /sys/kernel/config /dev").split())
    cluster.load(n1)
    cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
