# SPDX-License-Identifier: GPL-2.0-or-later
"""
Nodes that are lost, with one copy of each page: what was with a dead donor is lost and nothing else, and says so; what was
lent to a dead owner is free again.
"""
import signal

import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:512"])

DEADLINE = 3
SLACK = 2  # s: emulated CPUs, and a monitor that looks every 0.1 s
MANY = 2000  # pages


def start(lab, **settings):
    # Pages leave early, so that many are with peers.
    return ramster.Cluster(lab, ramster.configuration(lab, remotify_percent=20, **settings))


@pytest.fixture
def cluster(lab):
    with start(lab) as cluster:
        yield cluster


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def swapon(cluster):
    """No page is read that nobody has asked for: what fails is exactly what is read."""
    n1 = cluster.lab["n1"]
    n1.sh("echo 0 >/proc/sys/vm/page-cluster")
    cluster.swapon_swapdev(n1, "512M", backing="swap")
    cluster.wait_space(n1)


def wait_spread(cluster, pages=MANY):
    """Until n1 has so many pages with each of the others."""
    return cluster.wait_status(cluster.lab["n1"], lambda status: min(
        peer(status, name)["pages"] for name in ("n2", "n3")) > pages)


def wait_quiet(cluster):
    """Until no page of n1 is on its way anywhere; its status then."""
    seen = []

    def quiet(status):
        seen.append([status["counters"][name] for name in ("stores", "remotify_pages", "remotify_items", "reads")])
        return len(seen) > 10 and seen[-1] == seen[-10]

    return cluster.wait_status(cluster.lab["n1"], quiet)


def test_a_lender_that_is_started_anew_has_lost_its_pages_and_no_others(cluster):
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    swapon(cluster)
    with Hold(n1, 70, seed=1) as one, Hold(n1, 70, seed=2) as two:
        wait_spread(cluster)
        before = wait_quiet(cluster)
        there = peer(before, "n2")["pages"]
        cluster.stop_daemon(n2, "ramster-lender", signal.SIGKILL)
        cluster.start_daemon(n2, "ramster-lender")
        cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)
        assert cluster.counters(n1)["pages_lost"] == there
        status = cluster.status(n1)
        assert status["verdict"].startswith(f"degraded: {there} pages were lost with their peers")
        assert f"its lender is gone, and {there} pages with it" in n1.sh("dmesg")
        ramster.wait_log(n1, f"its lender was started anew; {there} pages that were with it are lost")

        # A page that nobody has any more can be that of a program that runs no more, or a copy is here.
        seen = [hold.verify() for hold in (one, two)]
        assert all(answer.wrong == 0 for answer in seen)
        assert there * 0.8 < sum(answer.failed for answer in seen) <= there
        # They stay lost, and what was right stays right.
        again = [hold.verify() for hold in (one, two)]
        assert [answer.failed for answer in again] == [answer.failed for answer in seen]
        assert all(answer.wrong == 0 for answer in again)
        assert max(answer.first_failed for answer in again) < 1
        one.kill()
        two.kill()
    # Both lend to whoever comes next.
    with Hold(n1, 140, seed=3) as hold:
        wait_spread(cluster, 1000)
        hold.assert_right()
        assert cluster.counters(n1)["pages_lost"] == there
        hold.end()


def test_all_donors_at_once(cluster):
    lab, n1 = cluster.lab, cluster.lab["n1"]
    swapon(cluster)
    with Hold(n1, 140) as hold:
        wait_spread(cluster)
        hold.tell("verify", 0, hold.pages // 2)
        for name in ("n2", "n3"):
            lab[name].kill()
        seen = hold.answer()
        assert seen.wrong == 0 and seen.failed > 0 and seen.right + seen.failed == hold.pages // 2
        # Each of the two has a deadline.
        assert max(seen.first_failed, seen.later_failed) < DEADLINE + SLACK
        # Pages went on leaving until then, and none has since; those there are not lost before hold_time.
        assert seen.failed <= cluster.counters(n1)["pages_remote"]

        # What is new stays here or goes to the disk, and is not disturbed.
        before = cluster.counters(n1)
        with Hold(n1, 100, seed=2) as new:
            new.assert_right()
            new.rewrite()
            new.assert_right()
            new.end()
        after = cluster.counters(n1)
        to_disk = [sum(counters[name] for name in ("stores_backing", "writeback_pages")) for counters in (before, after)]
        assert to_disk[1] > to_disk[0]
        assert after["bad_seals"] == after["malformed_answers"] == after["pages_lost"] == 0
        ramster.wait_log(n1, "pages go to disk: neither this node nor its peers have RAM for them")

        # They are back with nothing of what they had.
        for name in ("n2", "n3"):
            lab[name].cycle()
            cluster.install(lab[name])
            cluster.start(lab[name])
        cluster.wait_up()
        cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)
        again = hold.verify()
        assert again.wrong == 0 and again.failed >= seen.failed and again.first_failed < 1
        hold.kill()
    with Hold(n1, 140, seed=3) as hold:
        wait_spread(cluster, 1000)
        hold.assert_right()
        hold.end()


@pytest.mark.parametrize("hold_time, reason", [("4h", "it came back as a new one"), ("6s", "it was away for hold_time")],
                         ids=["back at once", "back after hold_time"])
def test_what_was_lent_to_a_dead_owner_is_free_again(lab, hold_time, reason):
    with start(lab, hold_time=hold_time) as cluster:
        n1, donors = lab["n1"], [lab["n2"], lab["n3"]]
        swapon(cluster)
        Hold(n1, 140)
        wait_spread(cluster)
        lent = [cluster.status(donor)["lender"]["lent"] for donor in donors]
        n1.kill()
        assert min(lent) > 0
        if hold_time == "4h":
            # They are kept for it, for it may only be away.
            for donor, bytes_lent in zip(donors, lent):
                status = cluster.wait_status(donor, lambda status: not peer(status, "n1")["member"])
                assert status["lender"]["lent"] >= bytes_lent
            n1.cycle()
            cluster.install(n1)
            cluster.start(n1)
        for donor in donors:
            cluster.wait_status(donor, lambda status: status["lender"]["lent"] == 0)
            ramster.wait_log(donor, reason)
        if hold_time != "4h":
            n1.cycle()
            cluster.install(n1)
            cluster.start(n1)
        cluster.wait_up()
        swapon(cluster)
        with Hold(n1, 140, seed=2) as hold:
            wait_spread(cluster, 1000)
            hold.assert_right()
            hold.end()
