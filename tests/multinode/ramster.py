# SPDX-License-Identifier: GPL-2.0-or-later
"""
RAMster running on the nodes of a lab.

    with Lab.up(nodes=3, mem="n1=128,512", disks=["n1=swap:512"]) as lab, Cluster(lab) as cluster:
        n1 = lab["n1"]
        cluster.swapon_swapdev(n1, "512M")
        hog = n1.start(*pagecheck(384))
        cluster.wait_counters(n1, lambda counters: counters["pages_remote"] > 1000)
        assert hog.wait(300) == 0

The programs, and the module for the lab's kernel, are taken from the build directory ($RAMSTER_BUILD, or build/). What
the daemons write is in the lab's logs, as nX.ramsterd.log and nX.ramster-lender.log. Every call blocks, and waits for
events.
"""
import concurrent.futures
import functools
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time

import debug
import labnet
from labnet import patience

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RAMSTER_BUILD", os.path.join(SOURCES, "build"))
CONFIG = os.path.join(SOURCES, "configs/cluster.conf")
COROSYNC_CONFIG = os.path.join(SOURCES, "configs/corosync.conf")
PROGRAMS = {"ramsterd": "/usr/sbin", "ramster-lender": "/usr/sbin", "ramster": "/usr/bin"}
NODE_PROGRAMS = os.path.join(BUILD, "tests/programs")
MODULES = ("ramster_frontswap", "ramster")  # in the order of loading; the first is not on every kernel
SWAPDEV = "/dev/ramster0"
SWAPDEV_SETTINGS = "/sys/block/ramster0"
LENDER_GROUP = "ramster-lender.slice"  # the control group in which the service unit starts the lender
KEEPS = "keep_on_restart = on"
COUNTERS = "/sys/kernel/ramster/counters"
AUTHKEY = "ramster authkey 1\nkey " + "6c" * 32 + "\n"  # the same in every lab, and known to everybody
KERNEL_MIB = 21  # of a node's memory are the common kernel's
LOOK_SECONDS = 0.1  # between two looks of a program on a node that waits for something there


def configuration(lab, lend="auto", keep="off", **settings):
    """
    The text of a cluster.conf for all nodes of the lab. `lend` is for all nodes, or a dictionary by a node's name; keep is
    every node's keep_on_restart; the settings go into the cluster's stanza. Pages are not sealed unless seal="on", because
    emulated CPUs spend half of their time on that.
    """
    settings = {"name": "lab", "node_count": len(lab.nodes), "membership": "static", "seal": "off", **settings}
    stanzas = ["cluster:\n" + "".join(f"\t{key} = {value}\n" for key, value in settings.items())]
    for number, node in enumerate(lab, 1):
        amount = lend.get(node.name, "auto") if isinstance(lend, dict) else lend
        stanzas.append(f"node:\n\tname = {node.name}\n\tnumber = {number}\n\taddress = {node.address}\n"
                       f"\tport = 7700\n\tcluster = {settings['name']}\n\tlend = {amount}\n"
                       f"\tkeep_on_restart = {keep}\n")
    return "\n".join(stanzas)


def corosync_configuration(lab, nodeids=None):
    """
    The text of a corosync.conf for all nodes of the lab: configs/corosync.conf, the nodelist made for them. nodeids: by a
    node's name, where they are not the numbers that configuration() gives.
    """
    with open(COROSYNC_CONFIG) as file:
        head, rest = file.read().split("nodelist {\n")
    nodes = "".join(f"\tnode {{\n\t\tname: {node.name}\n\t\tnodeid: {(nodeids or {}).get(node.name, number)}\n"
                    f"\t\tring0_addr: {node.address}\n\t}}\n" for number, node in enumerate(lab, 1))
    return f"{head}nodelist {{\n{nodes}{rest[rest.index('}' + chr(10) + chr(10)):]}"


@functools.cache
def stripped(path):
    """A program's bytes without what only debuggers read: what nodes are given goes over a serial line."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["strip", "-o", f"{directory}/stripped", path], check=True)
        with open(f"{directory}/stripped", "rb") as file:
            return file.read()


def pagecheck(mib, *options):
    """The command line of pagecheck on a node."""
    return ("pagecheck", "--mib", str(mib), *map(str, options))


LOGGED = threading.Condition()  # a daemon has written something


def log_of(node, name):
    """A sink that appends a command's output to a file in the lab's logs."""
    path = os.path.join(node.lab.logs, f"{node.name}.{name}.log")

    def append(_, data):
        with LOGGED:
            with open(path, "ab") as log:
                log.write(data)
            LOGGED.notify_all()

    append(None, b"")
    return append


def last_log(node):
    """What ramsterd has written on a node since it found the module last."""
    with open(os.path.join(node.lab.logs, f"{node.name}.ramsterd.log"), errors="replace") as log:
        return log.read().rpartition("module ramster found")[2]


def wait_log(node, text, timeout=30):
    """Waits until that stands in last_log(), which it returns."""
    with LOGGED:
        assert LOGGED.wait_for(lambda: text in last_log(node), patience.longer(timeout)), f"{text!r} is not in {last_log(node)}"
        return last_log(node)


def read_counters(text):
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


class Stream:
    """The lines that a command on a node writes, as they come."""

    def __init__(self, node, *argv):
        self.lines, self.rest = queue.Queue(), b""
        self.process = node.start(*argv, sink=self._take)

    def _take(self, stream, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.lines.put((stream, line.decode(errors="replace")))

    def get(self, until):
        """The next line; TimeoutError at the time `until` of the monotonic clock, LabError if the command is over."""
        while True:
            try:
                stream, line = self.lines.get(timeout=min(1, max(0, until - time.monotonic())))
            except queue.Empty:
                if self.process.over:
                    raise labnet.LabError(f"{self.process.name}: ended: {self.rest.decode(errors='replace')}")
                if time.monotonic() >= until:
                    raise TimeoutError(f"{self.process.name}: nothing came")
                continue
            if stream == 1:
                return line

    def close(self):
        self.process.kill()
        self.process.wait()


class Cluster:
    """
    config: the text of cluster.conf, the same for all nodes, or a dictionary of texts by a node's name; by default
    configs/cluster.conf if the lab has three nodes. parameters: those of the module, "name=value ...". borrowers: the
    names of the nodes with the module (default: all). corosync: the text of corosync.conf, or a dictionary; it is started
    where there is one. By default it is corosync_configuration() if cluster.conf asks for it. lender_group: the control
    group that the lenders run in; "" for the root. seal: of a configuration that is not given. without: "reserves" for the
    module that was built so.
    """

    def __init__(self, lab, config=None, parameters="", borrowers=None, corosync=None, lender_group=LENDER_GROUP,
                 seal="off", without=""):
        self.lab, self.parameters = lab, parameters.split()
        self.borrowers = list(lab.nodes) if borrowers is None else borrowers
        self.lender_group = lender_group
        self.kernel = lab.status()["kernel"]
        self.modules = os.path.join(BUILD, "module", self.kernel + (f"-without-{without}" if without else ""))
        self.daemons = {}
        if config is None and len(lab.nodes) == 3:
            with open(CONFIG) as file:
                config = file.read().replace("seal = on", f"seal = {seal}")
        config = config or configuration(lab, seal=seal)
        self.configs = config if isinstance(config, dict) else dict.fromkeys(lab.nodes, config)
        if corosync is None and "membership = corosync" in "".join(self.configs.values()):
            corosync = corosync_configuration(lab)
        self.corosync = corosync if isinstance(corosync, dict) else dict.fromkeys(lab.nodes, corosync)
        try:
            self._on_all(self.install)
            self._on_all(self.start)
            self.wait_up()
        except Exception:
            self.down()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def _on_all(self, action):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(action, self.lab))

    # A node

    def install(self, node):
        """Puts programs, modules and configuration onto a node. After a power cycle: install(), then start()."""
        if not os.path.exists(os.path.join(self.modules, "ramster.ko")):
            raise labnet.LabError(f"there is no ramster.ko in {self.modules} (make module KERNEL={self.kernel})")
        for name in MODULES:
            if os.path.exists(path := os.path.join(self.modules, f"{name}.ko")):
                node.put(path, f"/lib/ramster/{name}.ko")
        for name, directory in PROGRAMS.items():
            node.write(f"{directory}/{name}", stripped(os.path.join(BUILD, name)), 0o755)
        for entry in os.scandir(NODE_PROGRAMS):
            if entry.is_file() and "." not in entry.name:
                node.write(f"/usr/local/bin/{entry.name}", stripped(entry.path), 0o755)
        node.write("/etc/ramster/cluster.conf", self.configs[node.name])
        node.write("/etc/ramster/authkey", AUTHKEY, 0o400)
        if self.corosync.get(node.name):
            node.write("/etc/corosync/corosync.conf", self.corosync[node.name])

    def start(self, node):
        """Loads the module, if the node borrows, and starts the daemons."""
        if self.corosync.get(node.name):
            self.start_corosync(node)
        if node.name in self.borrowers:
            self.load(node)
        node.run("mkdir", "-p", "/run/ramster", "/run/ramster-lender")
        self.start_daemon(node, "ramster-lender")
        self.start_daemon(node, "ramsterd")

    def load(self, node):
        """Loads the module; where the kernel has frontswap, first the one that registers with it (it stays)."""
        script = ('cd /lib/ramster; if [ -e ramster_frontswap.ko ] && [ ! -d /sys/module/ramster_frontswap ]; then '
                  'insmod ramster_frontswap.ko || exit; fi; insmod ramster.ko "$@"')
        node.run("sh", "-c", script, "sh", *self._usual_percentages(node), *self.parameters)

    def _usual_percentages(self, node):
        """Nodes have more memory where the kernel takes more: with these zcache is as large as it would be without."""
        if not patience.KERNEL.memory:
            return []
        total = int(node.sh("awk '/MemTotal/ { print $2 }' /proc/meminfo")) >> 10
        share = min(1, (node.status["mem"] - KERNEL_MIB) / total)
        return [f"remotify_percent={40 * share:.0f}", f"local_max_percent={50 * share:.0f}"]

    def unload(self, node, timeout=60):
        """Takes the module out of a node that does not swap any more; ramsterd ends before."""
        self.stop_daemon(node, "ramsterd")
        node.run("ramsterd", "--release", timeout=timeout)
        node.run("rmmod", "ramster", timeout=timeout)

    # Daemons

    def start_daemon(self, node, name, *options):
        """
        Starts ramsterd or ramster-lender, as its service unit does; does not wait until it is ready. A lender that keeps what
        it lends runs under fdstore (tests/programs), which then is what signals go to.
        """
        command = f'exec {name} "$@"'
        if name == "ramster-lender":
            group = os.path.join("/sys/fs/cgroup", self.lender_group)
            command = f'exec {name} $(ramsterd --lender-options) "$@"'
            if KEEPS in self.configs[node.name]:
                command = f"exec fdstore sh -c '{command}' sh \"$@\""
            command = f"mkdir -p {group} && echo $$ >{group}/cgroup.procs && {command}"
        process = node.start("sh", "-c", command, "sh", *options, sink=log_of(node, name))
        self.daemons[node.name, name] = process

    def start_corosync(self, node):
        """Starts corosync; does not wait until it has joined the others. stop_daemon(node, "corosync") ends it."""
        node.run("mkdir", "-p", "/var/run", "/var/lib/corosync")
        self.daemons[node.name, "corosync"] = node.start("corosync", "-f", sink=log_of(node, "corosync"))

    def signal_daemon(self, node, name, number=signal.SIGHUP):
        self.daemons[node.name, name].signal(number)

    def stop_daemon(self, node, name, number=signal.SIGTERM, timeout=30):
        """Ends a daemon; returns its exit status."""
        process = self.daemons.pop((node.name, name))
        process.signal(number)
        return process.wait(timeout)

    # What is going on

    def counters(self, node):
        """The module's counters, from sysfs: works without ramsterd."""
        return read_counters(node.sh(f"cat {COUNTERS}"))

    def status(self, node):
        """`ramster status --json` as a dictionary; the module's counters are in ["counters"]."""
        return json.loads(node.run("ramster", "status", "--json").out)

    def wait_counters(self, node, condition, timeout=60):
        """The counters as soon as condition(counters) is true."""
        stream = Stream(node, "sh", "-c", f"while cat {COUNTERS} && echo; do sleep {LOOK_SECONDS}; done")

        def counters(until):
            lines = []
            while line := stream.get(until):
                lines.append(line)
            return read_counters("\n".join(lines))

        return self._wait(stream, counters, condition, timeout)

    def wait_status(self, node, condition, timeout=60):
        """The status as soon as ramsterd answers and condition(status) is true."""
        script = f"until ramster top --json --interval {LOOK_SECONDS} 2>/dev/null; do sleep {LOOK_SECONDS}; done"
        stream = Stream(node, "sh", "-c", script)
        return self._wait(stream, lambda until: json.loads(stream.get(until)), condition, timeout)

    @staticmethod
    def _wait(stream, read, condition, timeout):
        until, seen = patience.until(timeout), None
        try:
            while True:
                seen = read(until)
                if condition(seen):
                    return seen
                if time.monotonic() >= until:
                    raise TimeoutError
        except TimeoutError:
            raise TimeoutError(f"{stream.process.name}: not within {timeout:g} s; last seen: {seen}")
        finally:
            stream.close()

    def wait_for(self, condition, timeout=60, node="n1"):
        """As wait_counters, for the node that most tests are about."""
        return self.wait_counters(self.lab[node], condition, timeout)

    def wait_space(self, node, timeout=60):
        """Waits until the node, which swaps to /dev/ramster0, has leased all the peers' RAM that it wants."""
        def has_space(status):
            return status["need"] == 0 and status["counters"]["remote_space_bytes"] > 0 and all(
                peer["data"] in ("up", "none") for peer in status["nodes"])

        self.wait_status(node, has_space, timeout)

    def wait_up(self, timeout=60):
        """Waits until every node has a lender, and every other as a member."""
        def all_up(status):
            return status["lender"]["present"] and all(peer["member"] for peer in status["nodes"])

        self._on_all(lambda node: self.wait_status(node, all_up, timeout))

    # Swap

    def swapon_swapdev(self, node, size, backing=None):
        """Swaps to /dev/ramster0 of this size ("512M"); backing: the node's disk behind it, at least as large."""
        if backing:
            node.sh(f"echo /dev/disk/{backing} >{SWAPDEV_SETTINGS}/backing_dev")
        node.sh(f"echo {size} >{SWAPDEV_SETTINGS}/disksize && mkswap {SWAPDEV} && swapon {SWAPDEV}")

    def swapon_frontswap(self, node, disk):
        """Swaps to one of the node's disks, through frontswap; readahead is RAMster's matter then, not the kernel's."""
        node.sh(f"echo 0 >/proc/sys/vm/page-cluster && mkswap /dev/disk/{disk} && swapon /dev/disk/{disk}")

    def swapoff(self, node, timeout=120):
        """Ends all swapping of the node, and makes /dev/ramster0 as new."""
        node.run("sh", "-c", f"swapoff -a && if [ -e {SWAPDEV} ]; then echo 1 >{SWAPDEV_SETTINGS}/reset; fi",
                 timeout=timeout)

    # The end

    def down(self):
        """Boots all nodes anew, for the next cluster: nothing of this one is left. A node that leaks memory is an error."""
        up = [node for node in self.lab if patience.LOOKS_FOR_MISTAKES and node.status["state"] == "up"]
        found = [f"{node} leaks memory:\n{text}" for node in up if (text := debug.leaks(node))]
        for node in up:
            debug.save_coverage(node, os.path.join(BUILD, "gcov"))
        self._on_all(labnet.Node.cycle)
        if found:
            raise labnet.LabError("\n".join(found))
