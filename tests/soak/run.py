# SPDX-License-Identifier: GPL-2.0-or-later
"""
A run: n1 keeps two copies of each page with three donors and works, and one failure comes after the other. After each
the cluster must become whole again by itself, and at no time may a byte be wrong, a page be lost or a load fail.
"""
import concurrent.futures
import json
import time

import ramster
from faults import DONORS, KINDS, OWNER
from hold import Hold
from labnet import LabError
from load import Load

MIB = 1 << 20
HELD = 200  # MiB, on n1
WHOLE_SECONDS = 180  # for the cluster to become so; some ten are usual
STEADY = 5  # looks in a row at which it must be
ROOM = 16 * MIB  # that each donor offers then, or has leased to n1 and not filled
HUNG_SECONDS = 25  # a task that waits for so long is hung: more than the deadline, the slow deadline and a slow machine
SETTINGS = {"copies": 2, "restore_after": "5s", "slow_deadline": "6s"}
LABS = {
    "static": {"nodes": 4, "mem": "n1=128,320"},
    "corosync": {"nodes": 4, "mem": "n1=272,450"},  # corosync locks 130 MiB
}
# Pages leave early, so that many are with peers.
PERCENTS = {"static": {"remotify_percent": 20}, "corosync": {"remotify_percent": 8, "local_max_percent": 20}}
DISKS = ["swap:512"]
MUST_BE_ZERO = ("pages_lost", "loads_failed", "bad_seals", "malformed_answers", "stale_slots")
TOLD = ("late_peers", "connections_failed", "requests_retried", "requests_timed_out", "requests_refused", "remotify_failed",
        "extents_moved", "pages_home", "stores_backing")


class Failure(Exception):
    """What went wrong. `fault`: after which fault, or None."""

    def __init__(self, fault, why):
        super().__init__(why)
        self.fault = fault


def lab_settings(membership="static"):
    """What labnet.Lab.up is to be given."""
    return {**LABS[membership], "disks": DISKS}


class Cluster(ramster.Cluster):
    """Only n1 has the module; the donors swap to their own disks. All look for hung tasks."""

    def __init__(self, lab, membership):
        config = ramster.configuration(lab, membership=membership, **SETTINGS, **PERCENTS[membership])
        super().__init__(lab, config, borrowers=[OWNER])

    def start(self, node):
        node.sh(f"cd /proc/sys/kernel && echo -1 >hung_task_warnings && echo {HUNG_SECONDS} >hung_task_timeout_secs")
        if node.name != OWNER:
            node.sh("mkswap /dev/disk/swap && swapon /dev/disk/swap")
        super().start(node)


def node_of(status, name):
    return next(node for node in status["nodes"] if node["name"] == name)


def is_calm(status):
    return status["verdict"].startswith("ok:") and "drained" not in status["verdict"]


def is_whole(status, lenders):
    """n1 deals with the lenders that run now, nothing is missing, and there is room for what comes."""
    return is_calm(status) and status["counters"]["pages_missing_copy"] == 0 and all(
        node["lender_instance"] == lender and (node["data"] == "up" or not node["extents"])
        and node["free"] + node["space"] - node["used"] >= ROOM
        for node, lender in ((node_of(status, name), lender) for name, lender in lenders.items()))


class Run:
    """say(text) gets a line for each fault as it ends."""

    def __init__(self, lab, faults, seed, membership="static", say=print):
        self.lab, self.faults, self.seed, self.membership, self.say = lab, faults, seed, membership, say
        self.owner = lab[OWNER]
        self.fault, self.cluster, self.load = None, None, None

    def run(self):
        """Raises Failure."""
        begun, self.marks = time.monotonic(), self.lab.console_marks()
        try:
            self.cluster = Cluster(self.lab, self.membership)
            self.cluster.swapon_swapdev(self.owner, "512M", backing="swap")
            self.cluster.wait_space(self.owner)
            with Hold(self.owner, HELD) as hold:
                self.load = Load(hold, self.seed)
                self.wait_whole()
                for self.fault in self.faults:
                    self.one(begun)
                self.fault = None
                self.end(hold)
        except Failure:
            self.keep_statuses()
            raise
        except (LabError, TimeoutError, AssertionError) as error:
            self.keep_statuses()
            raise Failure(self.fault, f"{type(error).__name__}: {error}")

    def one(self, begun):
        before, checked = self.cluster.counters(self.owner), self.load.checked
        kind = KINDS[self.fault.kind]
        at = time.monotonic() - begun
        with kind.begin(self.cluster, self.lab[self.fault.node], self.fault.amount):
            self.load.over.wait(self.fault.seconds)
        healed = time.monotonic()
        self.look()
        self.wait_whole()
        took = time.monotonic() - healed
        self.load.wait_commands(1)
        after = self.look()
        grown = [f"{name} +{after[name] - before[name]}" for name in TOLD if after[name] > before[name]]
        self.say(f"{self.fault.number}/{self.faults[-1].number} at {at:.0f} s: {self.fault}; whole {took:.1f} s later; "
                 f"{self.load.checked - checked} pages checked; {', '.join(grown) or 'nothing else'}")

    def look(self):
        """Whether anything is wrong so far; the counters."""
        if self.load.failure:
            raise Failure(self.fault, self.load.failure)
        if splats := self.lab.splats(self.marks):
            raise Failure(self.fault, "a kernel complained: " + "; ".join(splats[:5]))
        counters = self.cluster.counters(self.owner)
        if wrong := [f"{name} {counters[name]}" for name in MUST_BE_ZERO if counters[name]]:
            raise Failure(self.fault, "counters that must be 0: " + ", ".join(wrong))
        return counters

    def wait_whole(self):
        """Every donor is well, and n1 has two copies of each page with lenders that run."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            donors = list(pool.map(lambda name: self.cluster.wait_status(
                self.lab[name], lambda status: is_calm(status) and status["lender"]["present"], WHOLE_SECONDS), DONORS))
        lenders = {name: status["lender"]["instance"] for name, status in zip(DONORS, donors)}
        steady = 0

        def whole(status):
            nonlocal steady
            steady = steady + 1 if is_whole(status, lenders) else 0
            return steady == STEADY or self.load.over.is_set()

        self.cluster.wait_status(self.owner, whole, WHOLE_SECONDS)

    def end(self, hold):
        """The last look: all bytes, all counters."""
        self.load.stop()
        self.look()
        hold.assert_right(timeout=300)
        counters = self.look()
        if not counters["remotify_pages"] or not counters["loads_remote"]:
            raise Failure(None, "no page has been with peers and come back: this was no test")
        hold.end()
        self.say(f"{self.load.checked} pages checked and {self.load.written} rewritten by the job, "
                 f"{counters['remotify_pages']} sent to peers, {counters['loads_remote']} waited for, none lost or wrong")

    def keep_statuses(self):
        """What each node says now, beside its logs."""
        for node in self.lab if self.cluster else ():
            try:
                text = json.dumps(self.cluster.status(node), indent=2)
            except (LabError, TimeoutError, ValueError) as error:
                text = str(error)
            with open(f"{self.lab.logs}/{node.name}.status.json", "w") as file:
                file.write(text + "\n")
