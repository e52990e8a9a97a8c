# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab, as tests and the `lab` command see it. Every call blocks, and may be made from any thread."""
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys

from . import image, paths, spec
from .node import Node
from .request import LabError, ask

import cache
import debian
import kernel

SPLATS = re.compile("|".join((
    "BUG:", "WARNING:", "kernel BUG", "Oops", "Call Trace", "general protection", "Kernel panic", "refcount_t:",
    "possible circular locking", "possible recursive locking", "suspicious RCU", "scheduling while atomic",
    "sleeping function called", "blocked for more than", "soft lockup", "unreferenced object", "list_add corruption",
    "list_del corruption", "stack-protector", "UBSAN:", "ODEBUG:")))


class Lab:
    """A lab that is up. Lab.up() makes one; Lab(name) is one that somebody has made."""

    def __init__(self, name="default"):
        self.name = spec.check_name(name)
        self.logs = paths.logs(name)
        self.owner = None
        self.nodes = {node["name"]: Node(self, node["name"], node["address"]) for node in self.status()["nodes"]}

    @classmethod
    def up(cls, stay=False, **settings):
        """
        Brings a lab up; the settings are those of spec.parse(). It goes down with this process, if nothing else takes
        it down before, unless told to stay.
        """
        wanted = spec.parse(**settings)
        if len(os.fsencode(paths.control(wanted.name))) > 100:
            raise spec.Error(f"{paths.state(wanted.name)} is too long a name for unix sockets (set RAMSTER_LAB_DIR)")
        try:
            built = kernel.Kernel(wanted.kernel)
        except kernel.Error as error:
            raise spec.Error(str(error))
        try:
            built.build("full")
            image.switch()
            image.root(built)
        except (kernel.Error, debian.Error) as error:
            raise LabError(str(error))
        owner = cls._supervise(wanted)
        try:
            lab = cls(wanted.name)
            lab.owner = owner
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(Node.put_files, lab.nodes.values()))
        except BaseException:
            owner.stdin.close()
            owner.wait()
            raise
        if stay:
            owner.stdin.write(b"stay\n")
            owner.stdin.close()
            lab.owner = None
        return lab

    @staticmethod
    def _supervise(wanted):
        """Starts the supervisor and waits until the nodes are up."""
        environment = {**os.environ, "PYTHONPATH": paths.SOURCES, "PYTHONDONTWRITEBYTECODE": "1"}
        owner = subprocess.Popen([sys.executable, "-m", "labnet.supervisor"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, start_new_session=True, env=environment)
        try:
            owner.stdin.write(json.dumps(dataclasses.asdict(wanted)).encode() + b"\n")
            owner.stdin.flush()
            while "say" in (answer := json.loads(owner.stdout.readline() or "{}")):
                cache.say("lab", answer["say"])
        except BaseException:
            owner.stdin.close()
            owner.wait()
            raise
        if "up" not in answer:
            owner.stdin.close()
            owner.wait()
            kind = spec.Error if answer.get("mistake") else LabError
            raise kind(answer.get("error") or f"the lab did not start (see {paths.logs(wanted.name)})")
        return owner

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(paths.control(self.name))
        except OSError:
            connection.close()
            raise spec.Error(f"lab {self.name} is not up")
        return connection

    def ask(self, **request):
        with self.connect() as connection:
            return ask(connection, **request)

    def __getitem__(self, name):
        """A node by its name or its number."""
        name = f"n{name}" if isinstance(name, int) else str(name)
        if name not in self.nodes:
            raise spec.Error(f"unknown node {name} (nodes: {' '.join(self.nodes)})")
        return self.nodes[name]

    def __iter__(self):
        return iter(self.nodes.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def status(self):
        return self.ask(op="status")

    def down(self):
        """Takes everything down; when it returns no process of the lab is left. Twice is fine."""
        with contextlib.suppress(spec.Error, LabError, ConnectionError):
            self.ask(op="down")
        if self.owner:
            self.owner.stdin.close()
            self.owner.stdout.close()
            self.owner.wait()
            self.owner = None
        wait_until_down(self.name)

    # Links

    def _link(self, setting, a, b, value, one_way):
        self.ask(op="link", setting=setting, a=self[a].name, b=self[b].name, value=value, one_way=one_way)

    def cut(self, a, b, one_way=False):
        """Lets no frame through between two nodes; with one_way, none from a to b."""
        self._link("cut", a, b, 1, one_way)

    def heal(self, a, b, one_way=False):
        """Undoes cut, delay and drop."""
        for setting in ("cut", "delay", "drop"):
            self._link(setting, a, b, 0, one_way)

    def delay(self, a, b, ms, one_way=False):
        if not 0 <= int(ms) <= 60000:
            raise spec.Error(f"bad delay {ms} (expected 0 to 60000 ms)")
        self._link("delay", a, b, int(ms), one_way)

    def drop(self, a, b, percent, one_way=False):
        if not 0 <= float(percent) <= 100:
            raise spec.Error(f"bad percentage {percent} (expected 0 to 100)")
        self._link("drop", a, b, float(percent), one_way)

    def links(self):
        """A dictionary (from, to, cut, delay_ms, drop_percent, frames, bytes, lost) for every link and direction."""
        return self.ask(op="links")

    def capture(self, node, path):
        """Writes the node's frames to a pcap file from now on; None ends it."""
        self.ask(op="capture", node=self[node].name, path=os.path.abspath(path) if path else "-")

    # Consoles

    def console_marks(self):
        return {node.name: node.console_mark() for node in self}

    def splats(self, since=None, allowed=()):
        """
        The console lines in which a kernel complains, as "node: line"; from the offsets of console_marks() on, without
        those that one of the regular expressions in `allowed` is found in.
        """
        found = []
        for node in self:
            for line in node.console((since or {}).get(node.name, 0)).splitlines():
                if SPLATS.search(line) and not any(re.search(pattern, line) for pattern in allowed):
                    found.append(f"{node.name}: {line}")
        return found


def wait_until_down(name):
    """Returns when no supervisor holds the lab; clears what one that was killed has left."""
    with contextlib.suppress(FileNotFoundError), paths.owned(name, wait=True):
        cache.remove(paths.state(name))


def names():
    """The labs that have a directory, up or not."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(entry.name for entry in os.scandir(paths.base()) if entry.is_dir() and entry.name != "logs")
    return []
