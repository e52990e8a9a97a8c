# SPDX-License-Identifier: GPL-2.0-or-later
"""
The cluster falls into two halves, each with an owner and a donor: {n1, n3} and {n2, n4}. Each side goes on with what it
reaches; healed before hold_time all is as before, after it what was on the other side is lost, and nothing else.
"""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=4, mem="n1=128,n2=128,256", disks=["n1=swap:512", "n2=swap:512"])

SIDES = (("n1", "n3"), ("n2", "n4"))
OWNERS = ("n1", "n2")
DONORS = ("n3", "n4")
MANY = 1500  # pages


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


class Halves:
    """Both owners have pages with both donors, and one program each."""

    def __init__(self, lab, **settings):
        self.lab = lab
        config = ramster.configuration(lab, lend={"n1": "off", "n2": "off"}, remotify_percent=20, **settings)
        self.cluster = ramster.Cluster(lab, config, borrowers=OWNERS)
        self.holds = []
        for name in OWNERS:
            # No page is read that nobody has asked for: what fails is exactly what is read.
            lab[name].sh("echo 0 >/proc/sys/vm/page-cluster")
            self.cluster.swapon_swapdev(lab[name], "512M", backing="swap")
            self.cluster.wait_space(lab[name])
            self.holds.append(Hold(lab[name], 160))
        for name in OWNERS:
            self.wait(name, lambda status: min(peer(status, donor)["pages"] for donor in DONORS) > MANY)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for a in SIDES[0]:
            for b in SIDES[1]:
                self.lab.heal(a, b)
        self.cluster.down()

    def wait(self, name, condition):
        return self.cluster.wait_status(self.lab[name], condition)

    def cut(self):
        for a in SIDES[0]:
            for b in SIDES[1]:
                self.lab.cut(a, b)

    def heal(self):
        for a in SIDES[0]:
            for b in SIDES[1]:
                self.lab.heal(a, b)
        self.cluster.wait_up()

    def lenders(self, name):
        return [(node["name"], node["lender_instance"]) for node in self.cluster.status(self.lab[name])["nodes"]]


def test_healed_before_hold_time(lab):
    with Halves(lab) as halves:
        before = [halves.lenders(name) for name in OWNERS]
        halves.cut()
        for name, there in zip(OWNERS, reversed(DONORS)):
            status = halves.wait(name, lambda status: not peer(status, there)["member"])
            assert status["verdict"].startswith("degraded: ")
        # Both owners go on: with their donor, their own RAM and their disk.
        for name in OWNERS:
            with Hold(lab[name], 60, seed=3) as new:
                new.assert_right()
                new.end()
        halves.heal()
        for name, there in zip(OWNERS, reversed(DONORS)):
            halves.wait(name, lambda status: peer(status, there)["data"] == "up")
        for hold in halves.holds:
            hold.assert_right()
            hold.end()
        assert [halves.lenders(name) for name in OWNERS] == before
        for name in OWNERS:
            counters = halves.cluster.counters(lab[name])
            assert [counters[which] for which in ("pages_lost", "loads_failed", "bad_seals", "stale_slots")] == [0] * 4


def test_healed_after_hold_time(lab):
    with Halves(lab, hold_time="8s") as halves:
        halves.cut()
        lost = {}
        for name, here, there in zip(OWNERS, DONORS, reversed(DONORS)):
            halves.cluster.wait_counters(lab[name], lambda counters: counters["pages_lost"] > 0)
            lost[name] = halves.cluster.counters(lab[name])["pages_lost"]
            ramster.wait_log(lab[name], f"{there}: it was away for hold_time and has ended our leases; {lost[name]} pages")
            # The donor over there has its memory back, and only that of who was away.
            status = halves.wait(there, lambda status: peer(status, name)["held"] == 0)
            assert status["lender"]["lent"] == sum(node["held"] for node in status["nodes"]) > 0
            ramster.wait_log(lab[there], "it was away for hold_time")
        halves.heal()
        for name, hold in zip(OWNERS, halves.holds):
            seen = hold.verify()
            assert seen.wrong == 0 and seen.right + seen.failed == hold.pages
            assert lost[name] * 0.8 < seen.failed <= lost[name]
            assert seen.first_failed < 1
            hold.kill()
        # All is lent anew to all.
        for name in OWNERS:
            with Hold(lab[name], 130, seed=4) as hold:
                halves.wait(name, lambda status: min(peer(status, donor)["pages"] for donor in DONORS) > MANY / 2)
                hold.assert_right()
                hold.end()
            assert halves.cluster.counters(lab[name])["pages_lost"] == lost[name]
