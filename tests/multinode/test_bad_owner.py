# SPDX-License-Identifier: GPL-2.0-or-later
"""
An owner that does with a donor's lender what no owner should (tests/programs/badowner.c), while another one works with the
same lender: it is refused and counted, and the other has every byte right, no connection less, and its share of the donor.
"""
import re

import pytest

import ramster
from hold import Hold
from labnet import patience

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,n2=256,128")

OWNER = 40  # a number of no node, so that nobody else speaks for it
SECONDS = 8
FRAME = 30  # seconds after which the lender ends a connection in the middle of a frame
GROWTH = 16 << 10  # KiB that the lender may have more

# Misbehaviour: what it adds to in the lender's counters, or None.
CASES = {"others": "stale", "stale": "stale", "range": "range", "malformed": "malformed", "cut": "malformed",
         "flood": "read_items", "fences": None, "openings": "refused_hello"}
SLOW = {"unread": None, "loris": "malformed"}  # seen only when a frame takes too long


@pytest.fixture
def cluster(lab):
    conf = ramster.configuration(lab, lend={"n1": "off", "n2": "96M", "n3": "off"})
    with ramster.Cluster(lab, conf, borrowers=["n1"]) as cluster:
        cluster.swapon_swapdev(lab["n1"], "384M")
        cluster.wait_space(lab["n1"])
        yield cluster


def lender(cluster):
    """The lender's counters, and what it costs its node apart from what is lent, in KiB."""
    n2 = cluster.lab["n2"]
    status = cluster.status(n2)["lender"]
    rss = n2.sh("for pid in $(pidof ramster-lender); do grep RssAnon /proc/$pid/status; done")
    return {**status, "kib": sum(map(int, re.findall(r"\d+", rss))) - status["lent"] // 1024}


def bad_owners(cluster, names, seconds):
    """Starts one for each name on n3, and returns what ends them and says what they saw."""
    n2, n3 = cluster.lab["n2"], cluster.lab["n3"]
    tickets = [n2.run("badowner", "admit", OWNER + i).out.strip() for i in range(len(names))]
    running = [n3.start("badowner", n2.address, ticket, seconds, name) for ticket, name in zip(tickets, names)]

    def end():
        for process in running:
            assert process.wait(seconds + 30) == 0
        for ticket in tickets:
            n2.run("badowner", "expel", ticket)
        return [dict((key, int(value)) for key, value in re.findall(r"(\w+)=(\d+)", process.out)) for process in running]

    return running, end


def verify_beside(hold, running):
    """How many pages a second the good owner reads until the bad ones are done; every byte must be right."""
    pages = seconds = 0
    while not all(process.over for process in running):
        seen = hold.verify()
        assert (seen.wrong, seen.failed) == (0, 0)
        hold.rewrite(0, hold.pages // 8)
        pages, seconds = pages + seen.right, seconds + seen.seconds
    return pages / seconds


def assert_unharmed(cluster, before):
    n1 = cluster.lab["n1"]
    counters = cluster.counters(n1)
    assert [counters[name] for name in ("loads_failed", "pages_lost", "bad_seals", "stale_slots", "connections_failed",
                                        "late_peers")] == [0] * 6
    after = lender(cluster)
    assert after["instance"] == before["instance"]
    assert after["lent"] >= counters["remote_used_bytes"] > 0
    assert after["kib"] <= before["kib"] + GROWTH


def test_every_misbehaviour_is_tried(cluster):
    assert sorted(cluster.lab["n3"].run("badowner", "list").out.split()) == sorted([*CASES, *SLOW])


def test_the_other_owner_does_not_notice(cluster):
    n1 = cluster.lab["n1"]
    with Hold(n1, 150) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 1000)
        alone = hold.verify()
        print(f"alone: {alone.right / alone.seconds:.0f} pages/s")
        for name, counter in CASES.items():
            before = lender(cluster)
            running, end = bad_owners(cluster, [name], SECONDS)
            rate = verify_beside(hold, running)
            seen, = end()
            print(f"{name}: {seen}, the other {rate:.0f} pages/s")
            assert rate > alone.right / alone.seconds / 5
            if counter:  # ramsterd asks the lender once a second
                wanted = before[counter] + max(seen["refused"], seen["ended"] - 1, 1)
                cluster.wait_status(cluster.lab["n2"], lambda status: status["lender"][counter] >= wanted, timeout=10)
            assert_unharmed(cluster, before)
        hold.assert_right()
        hold.end()


def test_frames_that_take_for_ever_end(cluster):
    n1 = cluster.lab["n1"]
    with Hold(n1, 150) as hold:
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 1000)
        before = lender(cluster)
        running, end = bad_owners(cluster, list(SLOW), patience.longer(FRAME + 15))
        rate = verify_beside(hold, running)
        for name, seen in zip(SLOW, end()):
            print(f"{name}: {seen}")
            assert seen["ended"] > 0
        print(f"the other {rate:.0f} pages/s")
        assert lender(cluster)["malformed"] > before["malformed"]
        assert_unharmed(cluster, before)
        hold.assert_right()
        hold.end()
