# SPDX-License-Identifier: GPL-2.0-or-later
"""Own RAM, peers, disk: the coldest pages are furthest down, and what is used comes up again."""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=2, mem="n1=128,256", disks=["n1=backing:256"])

LENT = 24 << 20
MIB = 120  # of pages that do not compress: more than both nodes have room for
TENTH = MIB // 10


@pytest.fixture
def cluster(lab):
    config = ramster.configuration(lab, lend={"n1": "off", "n2": "24M"}, local_max_percent=25, remotify_percent=20)
    with ramster.Cluster(lab, config) as cluster:
        n1 = lab["n1"]
        n1.sh(f"cd {ramster.SWAPDEV_SETTINGS}; echo /dev/disk/backing >backing_dev; echo 256M >disksize")
        cluster.wait_for(lambda counters: counters["remote_space_bytes"] == LENT)
        n1.sh(f"dd if=/dev/urandom of=/tmp/pages bs=1M count={TENTH}")
        yield cluster


def write(node, tenth):
    node.run("dd", "if=/tmp/pages", f"of={ramster.SWAPDEV}", "bs=64k", f"seek={tenth * TENTH * 16}", "oflag=direct",
             timeout=300)


def read_from_disk(cluster, node, tenth):
    """How many pages of that tenth came from the disk; its bytes must be right."""
    before = cluster.counters(node)["loads_backing"]
    node.sh(f"dd if={ramster.SWAPDEV} bs=64k skip={tenth * TENTH * 16} count={TENTH * 16} iflag=direct | "
            "cmp - /tmp/pages", timeout=300)
    return cluster.counters(node)["loads_backing"] - before


def test_the_coldest_are_on_the_disk(cluster):
    n1 = cluster.lab["n1"]
    for tenth in range(10):
        write(n1, tenth)
    counters = cluster.counters(n1)
    assert counters["remote_space_bytes"] == LENT
    assert counters["pages_remote"] * 4096 > LENT * 0.8
    assert counters["writeback_remote"] > 1000
    # Nearly nothing had to go there before its turn, and all that was written is in one place.
    assert counters["stores_backing"] < 100
    assert counters["pages_remote"] + counters["pages_local"] + counters["pages_backing"] == MIB * 256
    from_disk = [read_from_disk(cluster, n1, tenth) for tenth in range(10)]
    assert sum(from_disk[:3]) > 0.9 * 3 * TENTH * 256
    assert from_disk[8:] == [0, 0]

    # What is written anew is hot, wherever it was.
    write(n1, 0)
    assert read_from_disk(cluster, n1, 0) == 0
    assert cluster.counters(n1)["loads_failed"] == 0


def test_what_is_used_again_comes_up(cluster):
    """A page that is swapped in from the disk for the second time, unchanged, is in RAM from then on."""
    n1, n2 = cluster.lab
    n2.run("ramster", "set", "lend=off")
    n1.sh(f"mkswap {ramster.SWAPDEV} && swapon {ramster.SWAPDEV}")
    with Hold(n1, 120) as hold:
        cluster.wait_for(lambda counters: counters["pages_backing"] > 2000)
        # There is room again. While less than half of the swap disk is used what is read there stays there, too.
        n1.sh("cd /sys/module/ramster/parameters && echo 50 >local_max_percent && echo 50 >remotify_percent")
        for _ in range(3):
            hold.assert_right()
        counters = cluster.counters(n1)
        assert counters["loads_brought_up"] > 100 and counters["loads_failed"] == 0
        hold.rewrite(0, hold.pages // 4)
        hold.assert_right()
        hold.end()


def test_without_peers_the_coldest_go_to_the_disk(cluster):
    n1, n2 = cluster.lab
    n2.run("ramster", "set", "lend=off")
    cluster.wait_for(lambda counters: counters["remote_space_bytes"] == 0)
    for tenth in range(6):
        write(n1, tenth)
    from_disk = [read_from_disk(cluster, n1, tenth) for tenth in range(6)]
    # Page 0, where the swap header would be, stays here.
    assert from_disk[:3] == [TENTH * 256 - 1, TENTH * 256, TENTH * 256] and from_disk[5] == 0
    assert cluster.counters(n1)["stores_backing"] < 100
