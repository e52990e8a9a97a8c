# SPDX-License-Identifier: GPL-2.0-or-later
"""copies = 2: a donor that is slow, or silent, does not slow loads down that the other can answer."""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256")

DONORS = ("n2", "n3")
DELAY = 300  # ms each way
LATENCY = "/sys/kernel/debug/ramster/latency"


@pytest.fixture
def cluster(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, copies=2, remotify_percent=20)) as cluster:
        yield cluster


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def fill(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    hold = Hold(n1, 160)
    cluster.wait_status(n1, lambda status: min(peer(status, name)["pages"] for name in DONORS) > 8000)
    return hold


def remote_loads(node):
    """How many loads that waited for a peer took less than so many microseconds, by these."""
    _, *lines = node.sh(f"cat {LATENCY}").splitlines()
    return {int(below): int(remote) for below, _, remote in map(str.split, lines)}


def percentile(before, after, percent):
    """Milliseconds below which so many of the loads lay that came after `before`."""
    loads = {below: number - before.get(below, 0) for below, number in sorted(after.items())}
    total, seen = sum(loads.values()), 0
    assert total > 100, loads
    for below, number in loads.items():
        seen += number
        if seen * 100 >= total * percent:
            return below / 1000


def read_all(cluster, hold):
    """Reads all pages, every one right. Returns the counters' growth, and percentiles of the loads that waited for a peer."""
    n1 = cluster.lab["n1"]
    loads, counters = remote_loads(n1), cluster.counters(n1)
    hold.assert_right(timeout=300)
    after = remote_loads(n1)
    grown = {name: value - counters[name] for name, value in cluster.counters(n1).items()}
    seen = {percent: percentile(loads, after, percent) for percent in (50, 90, 99, 100)}
    print({name: grown[name] for name in sorted(grown) if name.startswith(("loads_", "reads"))}, seen)
    assert (grown["loads_failed"], grown["bad_seals"], grown["pages_lost"]) == (0, 0, 0)
    return grown, seen


def test_a_donor_behind_a_slow_link(cluster):
    lab = cluster.lab
    hedged = 0
    with fill(cluster) as hold:
        for donor in DONORS:
            read_all(cluster, hold)
            lab.delay("n1", donor, DELAY)
            grown, slow = read_all(cluster, hold)
            lab.heal("n1", donor)
            # A round trip to it takes twice the delay, and what the machine does to one load in a hundred is nobody's fault.
            assert slow[90] < DELAY
            hedged += grown["loads_hedged"]
        assert hedged > 0
        counters = cluster.counters(lab["n1"])
        assert counters["late_peers"] == 0 and counters["reads_hedged"] < counters["reads"] / 10


def test_a_silent_donor(cluster):
    """Loads do not wait for its deadline, and when that has passed it is late all the same."""
    lab = cluster.lab
    n1 = lab["n1"]
    with fill(cluster) as hold:
        for donor in DONORS:
            late = cluster.counters(n1)["late_peers"]
            lab[donor].pause()
            grown, silent = read_all(cluster, hold)
            assert silent[100] < 2000 and silent[90] < 500
            if grown["reads_hedged"]:
                cluster.wait_counters(n1, lambda counters: counters["late_peers"] > late)
            lab[donor].resume()
            cluster.wait_status(n1, lambda status: all(peer(status, name)["data"] == "up" for name in DONORS))
        counters = cluster.counters(n1)
        assert counters["loads_hedged"] > 0 and counters["late_peers"] > 0
