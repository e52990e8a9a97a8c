# SPDX-License-Identifier: GPL-2.0-or-later
"""
Memory that has to be given back, and pages that have to be elsewhere: while programs run, with every byte right.
"""
import time

import pytest

import labnet
import ramster
from hold import Hold

# Lent memory is cleared and copied in huge pages, as it is on most machines.
pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,768", disks=["n1=swap:512"], append="transparent_hugepage=madvise")

MIB = 1 << 20
GIVE_BACK_SECONDS = 30  # as long as ramsterd waits before it complains; how long it takes is printed
LENT = 256 * MIB


@pytest.fixture
def cluster(request, lab):
    marker = request.node.get_closest_marker("cluster")
    # Pages leave early, so that memory is never as short as to end the programs that make it short.
    settings = {"remotify_percent": 20, **(marker.kwargs if marker else {})}
    with ramster.Cluster(lab, ramster.configuration(lab, **settings)) as cluster:
        yield cluster


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def pages(status, name):
    return peer(status, name)["pages"]


def fill(cluster, mib, *names, at_least=2000, size="1G"):
    """n1 swaps, with pages on each of the nodes named."""
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, size)
    cluster.wait_space(n1)
    hold = Hold(n1, mib)
    cluster.wait_status(n1, lambda status: all(pages(status, name) >= at_least for name in names))
    return hold


def assert_unharmed(cluster):
    counters = cluster.counters(cluster.lab["n1"])
    assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals", "stale_slots")] == [0] * 4


@pytest.mark.cluster(lend={"n3": "off"})
def test_a_donor_gets_its_memory_back_at_once(cluster):
    """256 MiB, full of pages, while their owner goes on working; the donor does not swap."""
    n1, n2, n3 = (cluster.lab[name] for name in ("n1", "n2", "n3"))
    with fill(cluster, 750, "n2") as hold:
        n3.run("ramster", "set", "lend=auto")
        cluster.wait_status(n1, lambda status: peer(status, "n3")["free"] >= LENT)
        lent = cluster.status(n2)["lender"]["lent"]
        assert lent >= LENT
        hold.tell("verify", 0, None)
        begun = time.monotonic()
        n2.run("ramster", "set", "lend=off")
        cluster.wait_status(n2, lambda status: status["lender"]["lent"] <= lent - LENT)
        took = time.monotonic() - begun
        cluster.wait_status(n2, lambda status: status["lender"]["lent"] == 0)
        all_took = time.monotonic() - begun
        seen = hold.answer(300)
        assert (seen.right, seen.wrong, seen.failed) == (hold.pages, 0, 0)
        status = cluster.status(n1)
        assert pages(status, "n2") == 0 and pages(status, "n3") > 0
        assert_unharmed(cluster)
        assert "pswpout 0" in n2.sh("cat /proc/vmstat")
        print(f"{lent / MIB:.0f} MiB lent; 256 MiB back after {took:.1f} s, all after {all_took:.1f} s; "
              f"{status['counters']['extents_moved']} extents moved")
        assert took < GIVE_BACK_SECONDS


def test_pages_come_home_when_nobody_else_lends(cluster):
    n1, n2, n3 = (cluster.lab[name] for name in ("n1", "n2", "n3"))
    with fill(cluster, 40, size="512M") as hold, Hold(n1, 110, seed=2) as hog:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
        hog.end()
        for node in (n2, n3):
            node.run("ramster", "set", "lend=off")
        for node in (n2, n3):
            cluster.wait_status(node, lambda status: status["lender"]["lent"] == 0)
        assert cluster.counters(n1)["pages_remote"] == 0
        hold.assert_right()
        assert_unharmed(cluster)
        # And out again, once somebody lends.
        n3.run("ramster", "set", "lend=auto")
        cluster.wait_space(n1)
        with Hold(n1, 110, seed=3):
            cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
            hold.assert_right()


def test_evict(cluster):
    n1 = cluster.lab["n1"]
    with fill(cluster, 40, size="512M") as hold, Hold(n1, 110, seed=2) as hog:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
        hog.end()
        out = n1.run("ramster", "evict", timeout=60).out
        assert out.strip().splitlines()[-1] == "evict: 0 B left"
        assert cluster.counters(n1)["pages_remote"] == 0
        assert "pages coming home" in n1.run("ramster", "status").out.splitlines()[0]
        hold.assert_right()
        begun = time.monotonic()
        cluster.swapoff(n1)
        assert time.monotonic() - begun < 20
        hold.assert_right()
        n1.run("ramster", "evict", "--cancel")
        cluster.swapon_swapdev(n1, "512M")
        cluster.wait_space(n1)


@pytest.mark.cluster(remotify_percent=30)  # what comes home takes less than half of that
def test_pages_come_home_by_themselves(cluster):
    """Some time after the node has RAM to spare."""
    n1 = cluster.lab["n1"]
    with fill(cluster, 25, size="512M") as hold, Hold(n1, 120, seed=2) as hog:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 2000)
        hog.end()
        counters = cluster.wait_counters(n1, lambda counters: counters["pages_remote"] == 0, 120)
        assert counters["pages_home"] > 0
        hold.assert_right()
        assert_unharmed(cluster)


def test_drain(cluster):
    n1, n2, n3 = (cluster.lab[name] for name in ("n1", "n2", "n3"))
    with fill(cluster, 200, "n2", "n3") as hold:
        hold.tell("verify", 0, None)
        out = n1.run("ramster", "drain", "n2", timeout=60).out
        assert out.strip().splitlines()[-1] == "n2: 0 B left"
        assert hold.answer().right == hold.pages
        assert pages(cluster.status(n1), "n2") == 0
        assert peer(cluster.wait_status(n1, lambda status: peer(status, "n2")["draining"]), "n2")["free"] == 0
        assert "being drained" in n2.run("ramster", "status").out.splitlines()[0]

        # It is not forgotten when ramsterd is started anew.
        cluster.stop_daemon(n2, "ramsterd")
        cluster.start_daemon(n2, "ramsterd")
        cluster.wait_up()
        assert peer(cluster.wait_status(n1, lambda status: peer(status, "n2")["draining"]), "n2")["free"] == 0

        for words, says in ((("n9",), 'no node is named "n9"'), (("n3",), "n3 is the last node that lends"),
                            ((), "drain: which node?"), (("n2", "n3"), "too many words")):
            with pytest.raises(labnet.Failed) as error:
                n1.run("ramster", "drain", *words)
            assert error.value.status == 2 and says in error.value.err

        n1.run("ramster", "drain", "--cancel", "n2")
        assert peer(cluster.wait_status(n1, lambda status: peer(status, "n2")["free"] > 0), "n2")["free"] > 0
        hold.assert_right()
        assert_unharmed(cluster)
