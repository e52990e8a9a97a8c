# SPDX-License-Identifier: GPL-2.0-or-later
"""
A lender that answers the kernel as no lender should (tests/programs/badpeer.c): the connection ends or the item fails, a
load is an I/O error, a store stays where it was, no byte is wrong, and the kernel goes on.
"""
import re

import pytest

from hold import Hold

pytestmark = pytest.mark.lab(nodes=2, mem="n1=128,192")

MALFORMED = ("magic", "version", "type", "reserved", "tag", "items-0", "items-more", "items-limit", "length-0",
             "length-short", "length-long", "length-limit", "length-4g", "item-long", "item-4g", "stale-with-bytes", "twice")
BROKEN = ("half-frame", "half-header", "hang-up")
# What counts them: bad seals one by one; the first refusal of a slot is the end of its whole extent.
REFUSED = {"stale": "stale_slots", "range": "stale_slots", "status": None, "altered": "bad_seals",
           "swapped": "bad_seals", "replayed": "bad_seals"}
WATCHED = ("malformed_answers", "connections_failed", "stale_slots", "bad_seals", "loads_failed", "late_peers",
           "remotify_failed")


@pytest.fixture
def n1(cluster):
    """The module and its peers' names in configfs, and nobody who speaks for it."""
    node = cluster.lab["n1"]
    cluster.stop_daemon(node, "ramsterd")
    node.sh("cd /sys/module/ramster/parameters && echo 1 >remotify_percent && echo 1 >seal")
    return node


def misbehave(cluster, n1, request, how):
    """What has come of it: (pages right, pages failed, how much each counter has grown)."""
    n1.sh("echo 64M >/sys/block/ramster0/disksize")
    before = cluster.counters(n1)
    done = n1.run("badpeer", "2", request, how, timeout=60, check=False)
    assert done.status == 0, f"{request} {how}: {done.out}{done.err}"
    after = cluster.counters(n1)
    right, failed, wrong = map(int, re.fullmatch(r"right=(\d+) failed=(\d+) wrong=(\d+)\n", done.out).groups())
    assert wrong == 0 and right + failed == 2000
    n1.sh("echo 1 >/sys/block/ramster0/reset")
    cluster.wait_counters(n1, lambda counters: counters["pages_local"] + counters["pages_remote"] == 0)
    return right, failed, {name: after[name] - before[name] for name in WATCHED}


def test_every_misbehaviour_is_tried(n1):
    assert n1.sh("badpeer list").split() == [*MALFORMED, *BROKEN, "withheld", "silence", "late", "altered", "swapped",
                                                  "replayed", "stale", "range", "status"]


def test_bad_answers_to_reads_are_read_errors(cluster, n1):
    for how in MALFORMED + BROKEN + ("silence",) + tuple(REFUSED):
        right, failed, grown = misbehave(cluster, n1, "read", how)
        print(how, right, failed, grown)
        assert failed > 0 and right > 0, how
        assert grown["loads_failed"] == failed, how
        # Both connections end with the peer, if no bad answer has ended one before.
        assert grown["malformed_answers"] == (how in MALFORMED), how
        assert grown["connections_failed"] == 2, how
        assert grown["late_peers"] == (how in MALFORMED + BROKEN + ("silence",)), how
        for name in ("stale_slots", "bad_seals"):
            if REFUSED.get(how) == name:
                assert grown[name] >= (failed if name == "bad_seals" else 1), how
            else:
                assert grown[name] == 0, how


def test_bad_answers_to_writes_lose_nothing(cluster, n1):
    for how in MALFORMED + BROKEN + ("withheld", "silence", "late", "stale", "range", "status"):
        right, failed, grown = misbehave(cluster, n1, "write", how)
        print(how, right, failed, grown)
        # Where others were answered well, what they acknowledged is gone with the peer.
        assert (failed > 0) == (how in ("twice", "withheld")), how
        assert grown["malformed_answers"] == (how in MALFORMED), how
        assert (grown["stale_slots"] > 0) == (how in ("stale", "range")), how


def test_it_is_logged_and_the_kernel_goes_on(cluster, n1):
    n1.sh("dmesg --clear")
    misbehave(cluster, n1, "read", "magic")
    misbehave(cluster, n1, "read", "altered")
    log = n1.sh("dmesg")
    assert len(re.findall("node 2: connection 2 ended: malformed answer", log)) == 1
    assert 1 <= len(re.findall("node 2: a page came back with other bytes than were sent", log)) <= 10
    # Another lender serves it well.
    cluster.start_daemon(n1, "ramsterd")
    cluster.wait_up()
    cluster.swapon_swapdev(n1, "256M")
    cluster.wait_space(n1)
    with Hold(n1, 120) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 1000)
        hold.assert_right()
        hold.end()
