# SPDX-License-Identifier: GPL-2.0-or-later
"""
What can fail, one function each: a context manager that begins the failure on a node and ends it. It gets the cluster,
the node, and a number from `amount` where the failure has one.
"""
import contextlib
import dataclasses
import signal
import typing

from hold import Hold

OWNER = "n1"
DONORS = ("n2", "n3", "n4")
NODES = (OWNER, *DONORS)


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    text: str  # with {node} and {amount}
    begin: typing.Callable
    nodes: tuple
    gap: tuple  # s, from the least to the most that it lasts
    amount: tuple  # (least, most), or ()
    membership: str  # only with that one; "": with any


KINDS = {}


def kind(text, nodes=DONORS, gap=(0.2, 10), amount=(), membership=""):
    def register(function):
        name = function.__name__.replace("_", "-")
        KINDS[name] = Kind(name, text, contextlib.contextmanager(function), nodes, gap, amount, membership)
        return function
    return register


# The network

@kind("the link between n1 and {node} is cut")
def cut(cluster, node, _):
    cluster.lab.cut(OWNER, node.name)
    yield
    cluster.lab.heal(OWNER, node.name)


@kind("nothing gets from n1 to {node}")
def cut_to(cluster, node, _):
    cluster.lab.cut(OWNER, node.name, one_way=True)
    yield
    cluster.lab.heal(OWNER, node.name, one_way=True)


@kind("nothing gets from {node} to n1")
def cut_from(cluster, node, _):
    cluster.lab.cut(node.name, OWNER, one_way=True)
    yield
    cluster.lab.heal(node.name, OWNER, one_way=True)


@kind("{node} is cut off from all")
def isolated(cluster, node, _):
    others = [name for name in NODES if name != node.name]
    for name in others:
        cluster.lab.cut(name, node.name)
    yield
    for name in others:
        cluster.lab.heal(name, node.name)


@kind("the link between n1 and {node} takes {amount} ms more", amount=(50, 1500))
def slow(cluster, node, amount):
    cluster.lab.delay(OWNER, node.name, amount)
    yield
    cluster.lab.heal(OWNER, node.name)


@kind("the link between n1 and {node} loses {amount} % of the frames", amount=(5, 50))
def lossy(cluster, node, amount):
    cluster.lab.drop(OWNER, node.name, amount)
    yield
    cluster.lab.heal(OWNER, node.name)


@kind("the data connections of {node} end", gap=(0, 1))
def hangup_data(cluster, node, _):
    node.sh("hangup $(pidof ramster-lender)")
    yield


@kind("the control connections of {node} end", NODES, gap=(0, 1))
def hangup_control(cluster, node, _):
    node.sh("hangup $(pidof ramsterd)")
    yield


# Nodes

@kind("{node} stands still")
def paused(cluster, node, _):
    node.pause()
    yield
    node.resume()


@kind("{node} loses its power")
def power(cluster, node, _):
    node.kill()
    yield
    node.cycle()
    cluster.install(node)
    cluster.start(node)


@kind("{amount} MiB of {node}'s memory are used by others", amount=(100, 260))
def hog(cluster, node, amount):
    with Hold(node, amount, seed=9):
        yield


# Programs

@contextlib.contextmanager
def _ended(cluster, node, program, number):
    cluster.stop_daemon(node, program, number)
    yield
    cluster.start_daemon(node, program)


@contextlib.contextmanager
def _stopped(cluster, node, program):
    cluster.signal_daemon(node, program, signal.SIGSTOP)
    yield
    cluster.signal_daemon(node, program, signal.SIGCONT)


@kind("ramsterd on {node} is killed and started again", NODES, gap=(0, 8))
def ramsterd_killed(cluster, node, _):
    with _ended(cluster, node, "ramsterd", signal.SIGKILL):
        yield


@kind("ramsterd on {node} is stopped and started again", NODES, gap=(0, 8))
def ramsterd_ended(cluster, node, _):
    with _ended(cluster, node, "ramsterd", signal.SIGTERM):
        yield


@kind("ramsterd on {node} hangs", NODES)
def ramsterd_hangs(cluster, node, _):
    with _stopped(cluster, node, "ramsterd"):
        yield


@kind("the lender on {node} is killed and started again", gap=(0, 8))
def lender_killed(cluster, node, _):
    with _ended(cluster, node, "ramster-lender", signal.SIGKILL):
        yield


@kind("the lender on {node} hangs")
def lender_hangs(cluster, node, _):
    with _stopped(cluster, node, "ramster-lender"):
        yield


@kind("corosync on {node} is killed and started again", NODES, membership="corosync")
def corosync_killed(cluster, node, _):
    cluster.stop_daemon(node, "corosync", signal.SIGKILL)
    yield
    cluster.start_corosync(node)


# Orders: given on the node itself, so that they depend on nobody's network

@kind("{node} is drained", gap=(0, 1))
def drained(cluster, node, _):
    node.run("ramster", "drain", node.name, timeout=180)
    yield
    node.run("ramster", "drain", "--cancel", node.name)


@kind("{node} is being drained, which is cancelled", gap=(0.2, 3))
def drain_cancelled(cluster, node, _):
    drain = node.start("ramster", "drain", node.name)
    yield
    node.run("ramster", "drain", "--cancel", node.name)
    drain.wait(60)


@kind("{node} may lend {amount} MiB and no more", amount=(4, 24))  # an extent at least
def revoked(cluster, node, amount):
    node.run("ramster", "set", f"lend={amount}M")
    yield
    node.run("ramster", "set", "lend=auto")
