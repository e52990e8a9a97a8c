# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab shall be: the arguments of `lab up` and of Lab(), checked."""
import dataclasses
import os
import re

from . import paths  # noqa: F401, finds the next

import kernel as kernels

MAX_NODES = 16
UNITS = {"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Error(Exception):
    """A mistake of the user's: one line, exit status 2."""


@dataclasses.dataclass
class Disk:
    name: str  # /dev/disk/NAME in the node
    size: int  # bytes
    throttle: int = 0  # bytes a second; 0: none


@dataclasses.dataclass
class File:
    source: str  # a file or a directory, read at every start of the node
    target: str


@dataclasses.dataclass
class Node:
    name: str
    number: int
    mem: int = 256  # MiB
    cpus: int = 1
    disks: list = dataclasses.field(default_factory=list)
    files: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Lab:
    name: str
    nodes: list
    kernel: str = kernels.DEFAULT
    append: str = ""
    mtu: int = 1500
    boot_timeout: int = 120  # seconds

    @staticmethod
    def from_json(data):
        nodes = [Node(**{**node, "disks": [Disk(**disk) for disk in node["disks"]],
                         "files": [File(**file) for file in node["files"]]}) for node in data["nodes"]]
        return Lab(**{**data, "nodes": nodes})


def check_name(name):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}", name) or name == "logs":
        raise Error(f"bad lab name {name!r} (letters, digits, _ . -; up to 31)")
    return name


def _integer(text, what, low, high):
    if not re.fullmatch(r"[0-9]+", str(text)) or not low <= int(text) <= high:
        raise Error(f"bad {what} {text!r} (expected {low} to {high})")
    return int(text)


def _size(text, what):
    match = re.fullmatch(r"([0-9]+)([KMG]?)", text)
    if not match or not int(match.group(1)):
        raise Error(f"bad {what} {text!r} (expected a number of MiB, or a number with K, M or G)")
    return int(match.group(1)) * UNITS[match.group(2)]


def _per_node(settings, names, what):
    """Yields (node names, value) for each "VALUE" or "nX=VALUE" of settings; those for all nodes come first."""
    settings = [settings] if isinstance(settings, (str, int)) else settings
    texts = [text for setting in settings for text in str(setting).split(",")]
    pairs = [text.split("=", 1) if "=" in text else [None, text] for text in texts]
    for node, value in sorted(pairs, key=lambda pair: pair[0] is not None):
        if node is not None and node not in names:
            raise Error(f"unknown node {node} in {what} (nodes: {' '.join(names)})")
        yield (names if node is None else [node]), value


def _disk(text):
    parts = text.split(":")
    if len(parts) not in (2, 3) or not re.fullmatch(r"[a-z0-9_-]{1,20}", parts[0]):
        raise Error(f"bad disk {text!r} (expected NAME:SIZE or NAME:SIZE:MB_A_SECOND)")
    throttle = _integer(parts[2], "disk speed (MB/s)", 1, 100000) * 1000000 if len(parts) == 3 else 0
    return Disk(parts[0], _size(parts[1], "disk size"), throttle)


def _file(text, names):
    parts = text.split(":")
    if len(parts) == 2:
        parts.insert(0, "all")
    if len(parts) != 3 or not parts[1] or not parts[2].startswith("/"):
        raise Error(f"bad file {text!r} (expected [NODE:]SOURCE:TARGET, TARGET starting with /)")
    node, source, target = parts
    if node != "all" and node not in names:
        raise Error(f"unknown node {node} in file {text!r} (nodes: {' '.join(names)})")
    if not os.path.exists(source):
        raise Error(f"no such file: {source}")
    return (names if node == "all" else [node]), File(os.path.abspath(source), target)


def parse(name="default", nodes=3, mem=(), cpus=(), disks=(), files=(), kernel=kernels.DEFAULT, append="", mtu=1500,
          boot_timeout=120):
    """
    The description of a lab. mem, cpus and disks are lists, or texts with commas, of "VALUE" (for all nodes) or
    "n1=VALUE": mem in MiB, disks as NAME:SIZE[:MB/s]. files is a list of "[n1:]SOURCE:TARGET".
    """
    check_name(name)
    names = [f"n{number}" for number in range(1, _integer(nodes, "number of nodes", 1, MAX_NODES) + 1)]
    lab = Lab(name, [Node(node, number) for number, node in enumerate(names, 1)], str(kernel), append,
              _integer(mtu, "MTU", 576, 65521), _integer(boot_timeout, "boot timeout", 1, 3600))
    by_name = {node.name: node for node in lab.nodes}
    for who, value in _per_node(mem, names, "mem"):
        for node in who:
            by_name[node].mem = _integer(value, "memory (MiB)", 48, 65536)
    for who, value in _per_node(cpus, names, "cpus"):
        for node in who:
            by_name[node].cpus = _integer(value, "number of CPUs", 1, 8)
    for who, value in _per_node(disks, names, "disk"):
        for node in who:
            disk = _disk(value)
            if any(other.name == disk.name for other in by_name[node].disks):
                raise Error(f"{node} has two disks named {disk.name}")
            by_name[node].disks.append(disk)
    for text in files:
        who, file = _file(text, names)
        for node in who:
            by_name[node].files.append(file)
    return lab
