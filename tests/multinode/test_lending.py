# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a donor lends follows its memory, its settings and its owners' quotas; a node that borrows lends nothing new.
"""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="n1=128,256", disks=["n1=swap:384"])

MIB = 1 << 20
QUOTA = 16 * MIB


def seen(status, name):
    """What a node's status says of a node."""
    return next(node for node in status["nodes"] if node["name"] == name)


def wait_seen(cluster, where, name, condition, timeout=60):
    """Waits until what `where` knows of the node `name` is so; returns that."""
    return seen(cluster.wait_status(cluster.lab[where], lambda status: condition(seen(status, name)), timeout), name)


def ramster_set(node, *assignments, check=True):
    return node.run("ramster", "set", *assignments, check=check)


def test_a_donor_follows_its_memory(cluster):
    n2 = cluster.lab["n2"]
    before = wait_seen(cluster, "n1", "n2", lambda node: node["free"] > 120 * MIB)["free"]

    # Others take the memory: the limit follows within seconds, and comes back slowly when they have ended.
    with Hold(n2, 100):
        lower = wait_seen(cluster, "n1", "n2", lambda node: node["free"] < before - 80 * MIB, timeout=20)["free"]
        status = cluster.status(n2)["lender"]
        assert 0 < status["limit"] <= before - 80 * MIB and status["wanted_back"] == 0
    above = wait_seen(cluster, "n1", "n2", lambda node: node["free"] > lower + 4 * MIB)["free"]
    assert above < before - 16 * MIB, "it grew at once"
    wait_seen(cluster, "n1", "n2", lambda node: node["free"] > before - 24 * MIB)

    # Memory that is lent is wanted back when others need it.
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "256M", backing="swap")
    cluster.wait_space(n1)
    lent = cluster.status(n2)["lender"]["lent"]
    assert lent > 0
    ramster_set(n2, "reserve=100M")
    with Hold(n2, 100):
        # Leases that are empty come back within a second: what tells that they were wanted is the log.
        ramster.wait_log(n2, "of what is lent are wanted back")
        wait_seen(cluster, "n1", "n2", lambda node: node["free"] == 0)
        cluster.wait_status(n2, lambda status: status["lender"]["lent"] < lent)
    cluster.wait_status(n2, lambda status: status["lender"]["wanted_back"] == 0)


def test_settings_at_run_time(cluster):
    n2 = cluster.lab["n2"]
    wait_seen(cluster, "n1", "n2", lambda node: node["free"] > 100 * MIB)
    ramster_set(n2, "lend=32M")
    wait_seen(cluster, "n1", "n2", lambda node: node["free"] == 32 * MIB)
    refused = ramster_set(n2, "lend=off", "colour=red", check=False)
    assert refused.status == 2 and 'unknown setting "colour" (expected lend, reserve, quota' in refused.err
    assert "lend = 32M  # set at run time; auto in cluster.conf" in ramster_set(n2).out
    ramster_set(n2, "lend=off")
    wait_seen(cluster, "n1", "n2", lambda node: node["free"] == 0)
    # n1 borrows from n3 alone, of which it has been told that there is nothing better.
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "256M", backing="swap")
    cluster.wait_space(n1)
    assert seen(cluster.status(n1), "n2")["space"] == 0 < seen(cluster.status(n1), "n3")["space"]
    with Hold(n1, 150):
        cluster.wait_status(n1, lambda status: "all remote pages are with n3 alone" in status["verdict"])
        ramster.wait_log(n1, "all remote pages are with n3 alone: no other node lends")
    ramster_set(n2, "lend=auto")
    wait_seen(cluster, "n1", "n2", lambda node: node["free"] > 100 * MIB)


def test_quotas_and_borrowers(lab):
    with ramster.Cluster(lab, ramster.configuration(lab, quota="16M")) as cluster:
        n1, n2, n3 = lab
        wait_seen(cluster, "n2", "n1", lambda node: node["free"] > 0)
        cluster.swapon_swapdev(n1, "384M", backing="swap")
        with Hold(n1, 160) as hold:
            # All that the quotas allow, from both, and not an extent more although more is wanted.
            status = cluster.wait_status(n1, lambda status: status["need"] > 0 and all(
                peer["local"] or peer["space"] == QUOTA for peer in status["nodes"]))
            for donor in n2, n3:
                here = cluster.wait_status(donor, lambda status: seen(status, "n1")["held"] == QUOTA)
                assert here["lender"]["lent"] == QUOTA == seen(here, "n1")["quota"]
                assert seen(here, "n1")["borrowing"] and seen(here, "n1")["free"] == 0
            assert seen(status, "n1")["borrowing"]

            below = ramster_set(n2, "n1.quota=8M").out
            assert "node n1 has 16 MiB leased, more than its quota of 8 MiB: nothing new until it gives back" in below
            ramster_set(n3, "n1.quota=off")
            wait_seen(cluster, "n3", "n1", lambda node: node["held"] > QUOTA)
            assert cluster.status(n2)["lender"]["lent"] == QUOTA  # nothing was taken away, nothing added
            hold.assert_right()
            hold.end()
        cluster.swapoff(n1)  # a few pages of other programs are with peers, too
        wait_seen(cluster, "n2", "n1", lambda node: not node["borrowing"] and node["free"] > 0)
