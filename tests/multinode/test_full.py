# SPDX-License-Identifier: GPL-2.0-or-later
"""No peer, or no room with any: the local disk takes over."""
import re
import signal

import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=2, mem="n1=128,256", disks=["n1=swap:384", "n1=backing:384"])

LEND = 16 << 20


@pytest.fixture(params=["no peer", "peer full"])
def cluster(request, lab):
    lend = "off" if request.param == "no peer" else "16M"
    with ramster.Cluster(lab, ramster.configuration(lab, lend={"n1": "off", "n2": lend}, local_max_percent=25,
                                                    remotify_percent=20)) as cluster:
        cluster.lends = request.param == "peer full"
        yield cluster


def assert_space(cluster, counters):
    """All that the peer lends is used, and not a byte more."""
    assert counters["remote_space_bytes"] == (LEND if cluster.lends else 0)
    assert (counters["pages_remote"] > 0) == cluster.lends


def test_frontswap_refuses_and_the_kernel_swaps_to_disk(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_frontswap(n1, "swap")
    with Hold(n1, 170) as hold:
        counters = cluster.counters(n1)
        assert counters["stores_refused"] > 0 and counters["stores"] > 0
        assert_space(cluster, counters)
        hold.assert_right()
        hold.rewrite(0, hold.pages // 4)
        hold.assert_right()
        hold.end()
    assert cluster.counters(n1)["loads_failed"] == 0


def test_swapdev_uses_its_backing_device(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "384M", backing="backing")
    with Hold(n1, 30, seed=2) as small, Hold(n1, 140) as hold:
        counters = cluster.counters(n1)
        assert counters["pages_backing"] > 0
        assert_space(cluster, counters)
        hold.assert_right()
        hold.rewrite(0, hold.pages // 4)
        hold.assert_right()
        hold.end()
        cluster.swapoff(n1)
        small.assert_right()
        small.end()
    counters = cluster.counters(n1)
    assert counters["loads_backing"] > 0
    assert (counters["loads_failed"], counters["pages_backing"], counters["pages_remote"]) == (0, 0, 0)


def test_without_a_backing_device_ramster0_is_full_as_a_disk_is(cluster):
    n1 = cluster.lab["n1"]
    n1.sh(f"echo 384M >{ramster.SWAPDEV_SETTINGS}/disksize")
    if cluster.lends:
        cluster.wait_for(lambda counters: counters["remote_space_bytes"] == LEND)
    done = n1.run("fulldisk", ramster.SWAPDEV, timeout=120).out
    taken = int(re.fullmatch(r"fulldisk: taken=(\d+) full=yes wrong=0\n", done)[1])
    assert taken * 4096 > LEND
    assert_space(cluster, cluster.counters(n1))
    assert "ramster0: full: no local room, no peer with space and no backing device" in n1.sh("dmesg")
    # What is discarded makes room again.
    n1.sh(f"blkdiscard {ramster.SWAPDEV}")
    assert n1.run("fulldisk", ramster.SWAPDEV, timeout=120).out.endswith(" full=yes wrong=0\n")


def test_a_backing_device_takes_all_that_the_rest_does_not(cluster):
    """Not a byte of the disk's size is promised in vain."""
    n1 = cluster.lab["n1"]
    n1.sh(f"echo /dev/disk/backing >{ramster.SWAPDEV_SETTINGS}/backing_dev && echo 96M >{ramster.SWAPDEV_SETTINGS}/disksize")
    done = n1.run("fulldisk", ramster.SWAPDEV, timeout=120, check=False).out
    assert done == f"fulldisk: taken={(96 << 20) // 4096} full=no wrong=0\n"
    counters = cluster.counters(n1)
    assert counters["pages_backing"] > 0 and counters["loads_failed"] == 0


@pytest.mark.allow_splats("Call Trace")  # of who wanted memory
def test_all_swap_is_full(cluster):
    """The disk behind, too: the kernel kills who wants more, as on any node; nobody else comes to harm."""
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "48M", backing="backing")
    with Hold(n1, 20, seed=2) as small:
        since = n1.console_mark()
        greedy = n1.start(*ramster.pagecheck(250))
        assert greedy.wait(120) == 128 + signal.SIGKILL
        assert "(pagecheck)" in n1.wait_console("Out of memory: Killed process", 60, since)
        small.assert_right()
        with Hold(n1, 60) as hold:
            hold.assert_right()
            hold.end()
        cluster.swapoff(n1)
        small.assert_right()
        small.end()
    counters = cluster.counters(n1)
    assert [counters[name] for name in ("loads_failed", "pages_backing", "pages_remote")] == [0] * 3
