# SPDX-License-Identifier: GPL-2.0-or-later
"""
membership = corosync, with a corosync on each node: it may end, come back, lose its quorum or be set up wrongly. No page is
lost by that, and when a node is gone nothing waits for it.
"""
import datetime
import re
import signal

import pytest

import ramster
from hold import Hold

# corosync locks 130 MiB of RAM.
pytestmark = pytest.mark.lab(nodes=3, mem="n1=272,400")

PARAMETERS = "remotify_percent=8 local_max_percent=20"
MIB = 150  # held on n1
NOTICE = 2  # s: from corosync's own change of membership to the module's
DEADLINE = 25  # s: so long that it is not what ends the loads where membership should


def start(lab, **settings):
    return ramster.Cluster(lab, ramster.configuration(lab, membership="corosync", **settings), parameters=PARAMETERS)


@pytest.fixture
def cluster(lab):
    with start(lab) as cluster:
        yield cluster


def node(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def wait_reason(cluster, on, name, text, timeout=60):
    """Until that node says of that other why it is no member."""
    return cluster.wait_status(cluster.lab[on], lambda status: not node(status, name)["member"]
                               and text in node(status, name)["reason"], timeout)


def wait_spread(cluster, pages=1500):
    """Until n1 has so many pages with each of the others."""
    return cluster.wait_status(cluster.lab["n1"], lambda status: min(
        node(status, name)["pages"] for name in ("n2", "n3")) > pages)


def log(lab, node_name, name):
    with open(f"{lab.logs}/{node_name}.{name}.log", errors="replace") as file:
        return file.read()


def assert_nothing_lost(cluster):
    counters = cluster.counters(cluster.lab["n1"])
    assert (counters["pages_lost"], counters["bad_seals"], counters["malformed_answers"]) == (0, 0, 0)


def seconds_to_notice(cluster, name, since):
    """
    From n1's corosync saying that the node has left to the module of n1 acting on it, by n1's clock. since: n1's console
    before that.
    """
    n1 = cluster.lab["n1"]
    number = name[1:]
    late = n1.wait_console(rf"ramster: node {number}: late, was", 60, since)
    n1.run("bash", "-c", "echo test: clock $EPOCHREALTIME >/dev/kmsg")
    clock = re.search(r"\[ *([\d.]+)\] test: clock ([\d.]+)", n1.wait_console("test: clock", 60, since))
    acted = float(clock[2]) - float(clock[1]) + float(re.search(r"\[ *([\d.]+)\]", late)[1])
    stamp = re.findall(rf"(\w+ +\d+ [\d:.]+) .*formed\. Members left: {number}\b", log(cluster.lab, "n1", "corosync"))[-1]
    year = datetime.datetime.fromtimestamp(acted, datetime.timezone.utc).year
    left = datetime.datetime.strptime(f"{year} {stamp} +0000", "%Y %b %d %H:%M:%S.%f %z").timestamp()
    print(f"{name}: noticed after {acted - left:.3f} s")
    return acted - left


def test_corosync_killed_on_a_donor_and_on_the_owner(cluster):
    n1, n2 = cluster.lab["n1"], cluster.lab["n2"]
    status = cluster.status(n1)
    assert (status["health"], status["membership"]) == ("ok", "corosync")
    assert status["membership_state"] == "quorate, 3 of 3 nodes in the group"
    assert "membership       corosync: quorate, 3 of 3 nodes in the group\n" in n1.run("ramster", "status").out
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, MIB) as hold:
        wait_spread(cluster)
        since = n1.console_mark()
        cluster.stop_daemon(n2, "corosync", signal.SIGKILL)
        status = wait_reason(cluster, "n1", "n2", "left corosync's membership")
        assert status["verdict"].startswith("degraded: n2 is not up (left corosync's membership ")
        assert -0.1 < seconds_to_notice(cluster, "n2", since) < NOTICE
        status = cluster.status(n2)
        assert status["verdict"].startswith("degraded: corosync does not answer (")
        assert not any(peer["member"] for peer in status["nodes"] if not peer["local"])

        # Its lender lives, and says so.
        cluster.wait_status(n1, lambda status: node(status, "n2")["data"] == "up")
        hold.assert_right()
        cluster.start_corosync(n2)
        cluster.wait_up()
        hold.assert_right()

        cluster.stop_daemon(n1, "corosync", signal.SIGKILL)
        wait_reason(cluster, "n1", "n2", "corosync does not answer")
        hold.assert_right()
        cluster.start_corosync(n1)
        cluster.wait_up()
        hold.rewrite()
        hold.assert_right()
        assert_nothing_lost(cluster)
        assert all(peer["data"] != "dead" for peer in cluster.status(n1)["nodes"])
        hold.end()


def test_a_donor_loses_its_power(lab):
    with start(lab, deadline=f"{DEADLINE}s") as cluster:
        n1, n2 = lab["n1"], lab["n2"]
        cluster.swapon_swapdev(n1, "512M")
        cluster.wait_space(n1)
        with Hold(n1, MIB) as hold:
            wait_spread(cluster)
            since = n1.console_mark()
            n2.kill()
            seen = hold.verify()
            assert -0.1 < seconds_to_notice(cluster, "n2", since) < NOTICE
            assert seen.wrong == 0 and seen.failed > 0 and seen.right > 0
            # It was not the deadline that ended the wait of the first; what was asked later failed at once.
            assert seen.first_failed < DEADLINE / 2 and seen.later_failed < 1
            status = cluster.status(n1)
            assert node(status, "n2")["data"] == "late" and node(status, "n2")["reason"].startswith("left corosync's")
            assert node(status, "n3")["member"] and status["membership_state"] == "quorate, 2 of 3 nodes in the group"
            print(seen)
            hold.kill()


def test_a_partition_that_heals(cluster):
    lab, n1 = cluster.lab, cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "512M")
    cluster.wait_space(n1)
    with Hold(n1, MIB) as hold:
        before = wait_spread(cluster)
        n1.run("date", "-s", "2035-01-01 00:00:00")  # clocks that jump are nobody's business
        for name in ("n2", "n3"):
            lab.cut("n1", name)
        status = cluster.wait_status(n1, lambda status: "no quorum" in status["membership_state"])
        assert status["verdict"].startswith("degraded: no quorum, 1 of 3 nodes in the group")
        wait_reason(cluster, "n2", "n1", "left corosync's membership")
        assert node(cluster.status(lab["n2"]), "n3")["member"]
        for name in ("n2", "n3"):
            lab.heal("n1", name)
        cluster.wait_up()
        cluster.wait_status(n1, lambda status: all(
            node(status, name)["data"] == "up" for name in ("n2", "n3")))
        hold.assert_right()
        assert_nothing_lost(cluster)
        after = cluster.status(n1)
        assert all(node(after, name)["lender_instance"] == node(before, name)["lender_instance"] for name in ("n2", "n3"))
        assert after["health"] == "ok"
        hold.end()


def test_a_node_that_does_not_fit(cluster):
    """Another number, another cluster, a stranger in the group: said on the side that can act; the others go on."""
    lab, n1, n3 = cluster.lab, cluster.lab["n1"], cluster.lab["n3"]
    good = cluster.configs["n3"]

    def restart(config):
        cluster.stop_daemon(n3, "ramsterd")
        wait_reason(cluster, "n1", "n3", "its ramsterd left corosync's group")
        n3.write("/etc/ramster/cluster.conf", config)
        cluster.start_daemon(n3, "ramsterd")

    restart(good.replace("number = 3\n", "number = 4\n"))
    cluster.wait_status(n3, lambda status: status["membership_state"].startswith(
        "corosync has this node as 3, cluster.conf as 4: correct"))
    assert not any(peer["member"] for peer in cluster.status(n3)["nodes"] if not peer["local"])
    assert node(cluster.status(n1), "n2")["member"] and not node(cluster.status(n1), "n3")["member"]
    cluster.stop_daemon(n3, "ramsterd")
    n3.write("/etc/ramster/cluster.conf", good)
    cluster.start_daemon(n3, "ramsterd")
    cluster.wait_up()

    restart(good.replace("name = lab\n", "name = other\n").replace("cluster = lab\n", "cluster = other\n"))
    wait_reason(cluster, "n1", "n3", 'it is of another cluster than "lab"')
    cluster.wait_status(n3, lambda status: status["membership_state"] == "quorate, 1 of 3 nodes in the group")
    cluster.stop_daemon(n3, "ramsterd")
    n3.write("/etc/ramster/cluster.conf", good)
    cluster.start_daemon(n3, "ramsterd")
    cluster.wait_up()

    bad = n3.start("badmember", "ramster:lab", "3000")
    wait_reason(cluster, "n1", "n3", "2 processes of this node are in corosync's group")
    assert node(cluster.status(n1), "n2")["member"]
    bad.close_stdin()
    assert bad.wait(120) == 0
    cluster.wait_up()
    assert "similar messages not shown" not in log(lab, "n1", "ramsterd")
