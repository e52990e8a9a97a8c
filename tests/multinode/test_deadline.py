# SPDX-License-Identifier: GPL-2.0-or-later
"""
A peer that does not answer: all loads together wait for its deadline once, and then fail as a disk's would. No byte is ever
wrong, nothing hangs, and when the peer is back its pages are, too.
"""
import time

import pytest

import ramster
from hold import Hold
from labnet import patience

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:512"])

FRONT_ENDS = ("swapdev", "frontswap")
DEADLINE = 3
SLOW_DEADLINE = 6
SLACK = patience.longer(2)  # s: emulated CPUs, and a monitor that looks every 0.1 s
AT_ONCE = patience.longer(1)  # s: as long as a load may take that need not wait


class Silence:
    """n2 stops answering, as a machine that hangs or as one behind a cut cable."""

    def __init__(self, lab, how):
        self.lab, self.how, self.going_on = lab, how, False

    def begin(self):
        self.going_on = True
        if self.how == "paused":
            self.lab["n2"].pause()
        else:
            self.lab.cut("n1", "n2")

    def end(self):
        if not self.going_on:
            return
        self.going_on = False
        if self.how == "paused":
            self.lab["n2"].resume()
        else:
            self.lab.heal("n1", "n2")


@pytest.fixture(params=["paused", "cut"])
def silence(request, lab):
    silence = Silence(lab, request.param)
    yield silence
    silence.end()


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, slow_deadline=f"{SLOW_DEADLINE}s")) as cluster:
        yield cluster


def swapon(cluster, front_end):
    if front_end == "swapdev":
        cluster.swapon_swapdev(cluster.lab["n1"], "512M")
        cluster.wait_space(cluster.lab["n1"])
    else:
        cluster.swapon_frontswap(cluster.lab["n1"], "swap")


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def wait_state(cluster, state, timeout=60):
    """Until n1 says so of n2's RAM."""
    cluster.wait_status(cluster.lab["n1"], lambda status: peer(status, "n2")["data"] == state, timeout)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_all_loads_share_one_deadline(cluster, silence, front_end):
    n1 = cluster.lab["n1"]
    swapon(cluster, front_end)
    with Hold(n1, 70, seed=1) as one, Hold(n1, 70, seed=2) as two, Hold(n1, 70, seed=3) as three:
        cluster.wait_status(n1, lambda status: min(peer(status, name)["pages"] for name in ("n2", "n3")) > 2000)
        half, read_ahead = one.pages // 2, 2 ** int(n1.sh("cat /proc/sys/vm/page-cluster"))
        silence.begin()
        begun = time.monotonic()
        for hold in (one, two, three):
            hold.tell("verify", 0, half)
        seen = [hold.answer() for hold in (one, two, three)]
        took = time.monotonic() - begun

        assert sum(one.failed for one in seen) > 0
        for answer in seen:
            assert answer.wrong == 0 and answer.right + answer.failed == half
            # Whoever came first waited for the deadline, whoever came later for what was left of it.
            assert answer.first_failed < DEADLINE + SLACK
            assert answer.later_failed < AT_ONCE
        assert max(answer.first_failed for answer in seen) > DEADLINE / 2
        counters = cluster.counters(n1)
        assert (counters["late_peers"], counters["bad_seals"], counters["malformed_answers"]) == (1, 0, 0)
        assert counters["requests_timed_out"] > 0 and counters["requests_refused"] > 0
        assert counters["loads_failed"] >= sum(answer.failed for answer in seen)
        assert cluster.status(n1)["degraded"]

        # Pages with n3 are unharmed all the while, and n2's come back with it, but for those that a task has seen fail, and
        # those next to them that the kernel has tried to read ahead.
        silence.end()
        wait_state(cluster, "up")
        assert cluster.counters(n1)["pages_lost"] == 0
        for hold in (one, two, three):
            hold.assert_right(half + read_ahead)
            hold.kill()
    print(f"{front_end}: {took:.1f} s, {seen}")


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_swapoff_and_rmmod_end_with_a_silent_peer(cluster, silence, front_end):
    n1 = cluster.lab["n1"]
    swapon(cluster, front_end)
    with Hold(n1, 45) as hold, Hold(n1, 145, seed=2) as hog:
        cluster.wait_status(n1, lambda status: min(peer(status, name)["pages"] for name in ("n2", "n3")) > 2000)
        hog.end()
        pages = peer(cluster.status(n1), "n2")["pages"]
        assert pages > 0
        silence.begin()
        # It waits for the slow deadline, once.
        begun = time.monotonic()
        n1.run("swapoff", "-a", timeout=120)
        took = time.monotonic() - begun
        assert SLOW_DEADLINE / 2 < took < 2 * SLOW_DEADLINE + SLACK
        seen = hold.verify()
        assert seen.wrong == 0 and seen.right + seen.failed == hold.pages
        assert 0 < seen.failed <= pages
        hold.kill()
    begun = time.monotonic()
    cluster.unload(n1)
    assert time.monotonic() - begun < 30


def test_a_donor_away_for_hold_time_is_given_up(lab):
    """It has ended the leases by then, so nothing waits for it any more; when it is back it is borrowed from anew."""
    with ramster.Cluster(lab, ramster.configuration(lab, lend={"n3": "24M"}, hold_time="6s")) as cluster:
        n1, n2 = lab["n1"], lab["n2"]
        swapon(cluster, "swapdev")
        with Hold(n1, 160) as hold:
            before = cluster.wait_status(n1, lambda status: peer(status, "n2")["pages"] > 2000)
            lab.cut("n1", "n2")
            lost = cluster.wait_counters(n1, lambda counters: counters["pages_lost"] > 0)["pages_lost"]
            assert lost == pytest.approx(peer(before, "n2")["pages"], rel=0.3)
            seen = hold.verify()
            assert seen.wrong == 0 and 0 < seen.failed <= lost and seen.right > 0
            assert max(seen.first_failed, seen.later_failed) < AT_ONCE
            cluster.wait_status(n2, lambda status: status["lender"]["lent"] == 0)
            lab.heal("n1", "n2")
            cluster.wait_up()
            hold.kill()
        with Hold(n1, 160) as hold:
            cluster.wait_status(n1, lambda status: peer(status, "n2")["pages"] > 1000)
            hold.assert_right()
            assert cluster.counters(n1)["pages_lost"] == lost
            hold.end()
