# SPDX-License-Identifier: GPL-2.0-or-later
"""A reload with a bad file keeps the old configuration whole and says why in one line; a good one takes effect."""
import os
import signal

import pytest

import ramster
from hold import Hold

pytestmark = pytest.mark.lab(nodes=3, mem="96,160")

CONF = "/etc/ramster/cluster.conf"
NODES = "/sys/kernel/config/ramster/lab/node"
N3 = "\nnode:\n\tname = n3\n\tnumber = 3\n\taddress = 10.77.0.3\n\tport = 7700\n\tcluster = lab\n"


def only(lab, *names):
    """The lab's configuration with some of its nodes."""
    cluster, *nodes = ramster.configuration(lab, node_count=len(names)).split("\nnode:\n")
    return "\nnode:\n".join([cluster] + [node for node in nodes if node.split()[2] in names])


@pytest.fixture
def cluster(lab):
    """n1 and n2 know each other, n3 knows nobody."""
    two = only(lab, "n1", "n2")
    with ramster.Cluster(lab, {"n1": two, "n2": two, "n3": only(lab, "n3")}) as cluster:
        yield cluster


def log_lines(cluster, node):
    with open(os.path.join(cluster.lab.logs, f"{node.name}.ramsterd.log"), errors="replace") as file:
        return file.read().splitlines()


def reload(cluster, node, text):
    """Puts a file into place and has it read; the lines that ramsterd writes about it."""
    seen = len(log_lines(cluster, node))
    node.write(CONF, text)
    cluster.signal_daemon(node, "ramsterd", signal.SIGHUP)
    cluster.wait_status(node, lambda status: any(CONF in line for line in log_lines(cluster, node)[seen:]))
    return [line for line in log_lines(cluster, node)[seen:] if CONF in line]


def in_force(cluster, node):
    """What can be seen of the configuration: the kernel's nodes with all they have, and the peers that ramsterd knows."""
    return (node.sh(f"cd {NODES} && grep -r . . | sort"),
            sorted((peer["name"], peer["number"], peer["address"], peer["port"]) for peer in cluster.status(node)["nodes"]))


BAD = {  # what is done to a good file: what the complaint says
    "port 0": (lambda text: text.replace("port = 7700", "port = 0", 1), 'port = "0" is not acceptable'),
    "number twice": (lambda text: text.replace("number = 2", "number = 1"), "duplicate node number 1"),
    "name twice": (lambda text: text.replace("name = n2", "name = n1"), 'duplicate node name "n1"'),
    "number 300": (lambda text: text.replace("number = 2", "number = 300"), 'number = "300" is not acceptable'),
    "no number": (lambda text: text.replace("\tnumber = 2\n", ""), 'without "number"'),
    "unknown key": (lambda text: text.replace("port = 7700", "harbour = 7700", 1), 'unknown key "harbour"'),
    "bad address": (lambda text: text.replace("10.77.0.2", "10.77.0"), 'address = "10.77.0" is not acceptable'),
    "one node more and a mistake": (lambda text: text + N3 + "\tprot = 1\n", 'unknown key "prot"'),
    "not this node": (lambda text: text.replace("name = n1", "name = other"), 'no node is named "n1"'),
    "another number here": (lambda text: text.replace("number = 1", "number = 9"), "restart ramsterd"),
    "empty": (lambda text: "", "cluster"),
    "binary": (lambda text: bytes(range(256)) * 16, "not a text file"),
}


def test_a_bad_file_changes_nothing(cluster):
    n1 = cluster.lab["n1"]
    good = only(cluster.lab, "n1", "n2")
    before = in_force(cluster, n1)
    for name, (spoil, complaint) in BAD.items():
        lines = reload(cluster, n1, spoil(good))
        assert len(lines) == 1 and complaint in lines[0] and "stays" in lines[0], f"{name}: {lines}"
        assert in_force(cluster, n1) == before, name
    # Not even there.
    n1.sh(f"rm {CONF}")
    seen = len(log_lines(cluster, n1))
    cluster.signal_daemon(n1, "ramsterd", signal.SIGHUP)
    cluster.wait_status(n1, lambda status: any("No such file" in line for line in log_lines(cluster, n1)[seen:]))
    assert in_force(cluster, n1) == before
    # It still reads a good one.
    assert "loaded, 2 nodes" in reload(cluster, n1, good)[0]


def test_a_node_more_takes_effect(cluster):
    n1 = cluster.lab["n1"]
    cluster.swapon_swapdev(n1, "256M")
    cluster.wait_space(n1)
    with Hold(n1, 100) as hold:
        for node in cluster.lab:
            assert "loaded, 3 nodes" in reload(cluster, node, ramster.configuration(cluster.lab))[0]
        assert n1.sh(f"cat {NODES}/n3/num {NODES}/n3/address {NODES}/n3/port").split() == ["3", "10.77.0.3", "7700"]
        cluster.wait_status(n1, lambda status: [
            peer["control"] for peer in status["nodes"] if peer["name"] == "n3"] == ["up"])
        hold.rewrite()
        hold.assert_right()
        hold.end()


def test_a_node_goes_when_its_pages_are_gone(cluster):
    """A node with pages cannot be taken out of the file: first it is drained, under load."""
    lab, n1 = cluster.lab, cluster.lab["n1"]
    for node in lab:
        reload(cluster, node, ramster.configuration(lab))
    cluster.wait_up()
    n1.sh("echo 10 >/sys/module/ramster/parameters/remotify_percent")  # many pages leave
    cluster.swapon_swapdev(n1, "256M")
    cluster.wait_space(n1)

    def seen(status, name):
        return [peer for peer in status["nodes"] if peer["name"] == name]

    with Hold(n1, 150) as hold:
        cluster.wait_status(n1, lambda status: min(seen(status, name)[0]["pages"] for name in ("n2", "n3")) > 1000)
        lines = reload(cluster, n1, only(lab, "n1", "n2"))
        assert len(lines) == 1 and "n3 goes, or is another one, but has" in lines[0]
        assert seen(cluster.status(n1), "n3")[0]["pages"] > 0
        hold.tell("rewrite", 0, hold.pages // 2)
        lab["n3"].run("ramster", "drain", "n3", timeout=300)
        assert hold.answer().word == "rewritten"
        for node in lab:
            here = ("n3",) if node.name == "n3" else ("n1", "n2")
            assert f"loaded, {len(here)} nodes" in reload(cluster, node, only(lab, *here))[0]
        assert not seen(cluster.status(n1), "n3")
        hold.assert_right()
        counters = cluster.counters(n1)
        assert [counters[name] for name in ("pages_lost", "loads_failed", "stale_slots")] == [0] * 3
        hold.end()
