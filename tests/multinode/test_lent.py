# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a node has lent is never sent on to a third: n1's pages are with n2, which then swaps itself, to n3.
"""
import os

import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:256", "n2=swap:256"])

MIB = 1 << 20
PAGE = 4096
LENT = 24 * MIB  # what n2 is to put on swap of it
MANY = 2000  # pages
STAYS = "lent pages stay on this node: the module knows them by control group /" + ramster.LENDER_GROUP
WARNING = "lent pages may be sent on to peers when this node borrows: "
UNACCOUNTED = "elsewhere/lender"  # its pages are charged to the group above


def swap_out(node, group):
    """Has the kernel reclaim memory of this control group; returns how many of the lender's pages are on swap then."""
    node.sh(f"echo {LENT} >/sys/fs/cgroup/{group}/memory.reclaim || true")  # EAGAIN: less than that
    return int(node.sh(f"cat /sys/fs/cgroup/{group}/memory.swap.current")) // PAGE


def borrow_from_n2(cluster):
    """n1's memory, most of it on n2; n2 swaps to /dev/ramster0, with n3 as its donor."""
    n1, n2, n3 = cluster.lab
    cluster.swapon_swapdev(n1, "256M", backing="swap")
    cluster.wait_space(n1)
    hold = Hold(n1, 190)
    cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 8 * MANY)
    n3.run("ramster", "set", "lend=auto")
    cluster.swapon_swapdev(n2, "256M", backing="swap")
    cluster.wait_space(n2)
    cluster.stop_daemon(n2, "ramsterd")  # it would take back what it has lent
    return hold


def swap_what_is_lent(cluster, group):
    """
    n2 swaps what it has lent, and then others' pages, which go to n3. Returns n2's counters when the others have ended.
    """
    n2 = cluster.lab["n2"]
    swapped = swap_out(n2, group)
    assert swapped > MANY
    sent = cluster.counters(n2)["remotify_pages"]
    with Hold(n2, 190, seed=2) as hog:
        cluster.wait_counters(n2, lambda counters: counters["remotify_pages"] > sent + MANY)
        hog.end()
    return cluster.counters(n2)


def assert_unharmed(cluster, hold):
    hold.assert_right()
    after = cluster.counters(cluster.lab["n1"])
    assert [after[name] for name in ("pages_lost", "loads_failed", "bad_seals", "stale_slots")] == [0] * 4


@pytest.mark.parametrize("keep", ["off", "on"])
def test_lent_pages_stay(lab, keep):
    """With keep_on_restart they are in a file in memory, not the lender's own."""
    n2 = lab["n2"]
    config = ramster.configuration(lab, {"n2": "64M", "n3": "off"}, keep)
    with ramster.Cluster(lab, config, "remotify_percent=2") as cluster, borrow_from_n2(cluster) as hold:
        counters = swap_what_is_lent(cluster, ramster.LENDER_GROUP)
        print(counters)
        assert counters["stores_lent"] > MANY
        assert counters["pages_local"] > MANY
        assert counters["pages_remote"] < MANY / 2
        assert_unharmed(cluster, hold)

        # The other front end knows them, too.
        cluster.swapoff(n2)
        cluster.swapon_frontswap(n2, "swap")
        before = cluster.counters(n2)["stores_lent"]
        assert swap_out(n2, ramster.LENDER_GROUP) > MANY
        assert cluster.counters(n2)["stores_lent"] > before + MANY
        assert_unharmed(cluster, hold)
        log = ramster.last_log(n2)
        assert log.count(STAYS) == 1 and WARNING not in log


def test_they_go_where_the_group_is_not_known(lab):
    """Shows that the test above could fail; and what ramsterd says then."""
    n1, n2, _ = lab
    config = ramster.configuration(lab, {"n2": "64M", "n3": "off"})
    with (ramster.Cluster(lab, config, "remotify_percent=2", lender_group=UNACCOUNTED) as cluster,
          borrow_from_n2(cluster) as hold):
        counters = swap_what_is_lent(cluster, os.path.dirname(UNACCOUNTED))
        print(counters)
        assert counters["stores_lent"] == 0
        assert counters["pages_remote"] > MANY
        assert_unharmed(cluster, hold)
        why = f"memory is not accounted in control group /{UNACCOUNTED} "
        log = ramster.last_log(n2)
        assert log.count(WARNING) == log.count(WARNING + why) == 1 and STAYS not in log

        # Another lender, another reason; and then a good one.
        for group, says in (("", WARNING + "the lender is in no control group of its own"), (ramster.LENDER_GROUP, STAYS)):
            cluster.stop_daemon(n1, "ramster-lender")
            cluster.lender_group = group
            cluster.start_daemon(n1, "ramster-lender")
            log = ramster.wait_log(n1, says)
        assert log.count(WARNING) == 2
