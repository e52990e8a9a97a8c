# SPDX-License-Identifier: GPL-2.0-or-later
"""
A node that does not belong: another's number, another cluster's name. It is refused with a reason, on both sides; it
neither lends nor borrows, and the others go on, with every byte right.
"""
import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=4, mem="n1=128,256")

CONF = "/etc/ramster/cluster.conf"


def peer(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def as_number_2(text):
    """n4 takes n2's number, and knows no n2."""
    cluster, n1, n2, n3, n4 = text.split("\nnode:\n")
    return "\nnode:\n".join((cluster.replace("node_count = 4", "node_count = 3"), n1, n3,
                             n4.replace("number = 4", "number = 2")))


def of_another_cluster(text):
    return text.replace("name = lab\n", "name = other\n").replace("cluster = lab\n", "cluster = other\n")


# What each of them says, by its name: of two nodes the one with the lower number connects.
CASES = {
    "another's number": (as_number_2, {
        "n1": "n4: not connected: it is not node 4: compare cluster.conf",
        "n4": "10.77.0.1: it connects from node 1 to node 4, this is node 2: compare cluster.conf",
        "n3": "node 2 connects from 10.77.0.4, in the cluster.conf of n3 it is 10.77.0.2"}),
    "another cluster": (of_another_cluster, {
        "n1": 'n4: not connected: it is of another cluster than "lab": compare cluster.conf',
        "n4": 'control connection refused: 10.77.0.1: its key is for cluster "lab", this is "other": compare'}),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_while_the_others_work(lab, case):
    spoil, reasons = CASES[case]
    with ramster.Cluster(lab, ramster.configuration(lab, remotify_percent=20)) as cluster:
        n1, n4 = lab["n1"], lab["n4"]
        good = cluster.configs["n4"]
        cluster.stop_daemon(n4, "ramsterd")
        cluster.swapon_swapdev(n1, "512M")
        cluster.wait_space(n1)
        with Hold(n1, 120) as hold:
            cluster.wait_status(n1, lambda status: min(peer(status, name)["pages"] for name in ("n2", "n3")) > 1000)
            before = cluster.status(n1)
            assert before["counters"]["connections_failed"] == 0

            n4.write(CONF, spoil(good))
            hold.tell("rewrite", 0, None)
            cluster.start_daemon(n4, "ramsterd")
            for name, reason in reasons.items():
                ramster.wait_log(lab[name], reason)
            assert hold.answer().word == "rewritten"
            status = cluster.status(n1)
            assert not peer(status, "n4")["member"] and peer(status, "n4")["pages"] == 0
            for name in ("n2", "n3"):
                assert peer(status, name)["member"]
                assert peer(status, name)["lender_instance"] == peer(before, name)["lender_instance"]
            assert not any(node["member"] for node in cluster.status(n4)["nodes"] if not node["local"])
            hold.assert_right()

            # As it should be it is welcome.
            cluster.stop_daemon(n4, "ramsterd")
            n4.write(CONF, good)
            cluster.start_daemon(n4, "ramsterd")
            cluster.wait_up()
            hold.assert_right()
            counters = cluster.counters(n1)
            assert [counters[name] for name in ("pages_lost", "loads_failed", "bad_seals", "connections_failed")] == [0] * 4
            hold.end()
