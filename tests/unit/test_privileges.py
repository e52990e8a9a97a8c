# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemons give up by themselves once they have started, and who may ask ramsterd for what."""

import ctypes
import errno
import grp
import os
import socket
import struct
import subprocess

import pytest

from test_ramsterd import BUILD, HELLO, PORT, Owner, make_cluster, start_two, wait_for

__all__ = ["make_cluster", "start_two"]

ROOT = os.geteuid() == 0
NOBODY = 65534
NET_ADMIN = 1 << 12
DENIED = 4  # exit status of ramster


def status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def sanitized():
    """Whether the programs are built for a sanitizer, and so without a filter."""
    with open(BUILD / "ramster-lender", "rb") as program:
        return b"__asan_init" in program.read() or b"__tsan_init" in program.read()


def has_seccomp():
    return "Seccomp_filters" in status("self") or status("self").get("Seccomp") is not None


def assert_sandboxed(pid):
    now = status(pid)
    assert all(int(now[cap], 16) == 0 for cap in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert now["NoNewPrivs"] == "1"
    if has_seccomp() and not sanitized():
        assert now["Seccomp"] == "2"
    if ROOT:
        assert now["Uid"].split() == [str(NOBODY)] * 4 and now["Groups"].strip() == ""
        assert int(now["CapBnd"], 16) == 0
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
    # What belongs to root belongs to a process whose memory nobody else may see.
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0


def test_lender(two):
    pid = two.processes["l1"].pid
    assert_sandboxed(pid)
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    connection, answer = owner.data_connection(owner.lease(1), 1)
    assert answer == 0
    wait_for("its thread runs", lambda: len(os.listdir(f"/proc/{pid}/task")) >= 3)
    for thread in os.listdir(f"/proc/{pid}/task"):
        assert status(f"{pid}/task/{thread}")["NoNewPrivs"] == "1"
    connection.close()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_guard(cluster):
    cluster.start_keeping_lender(1)
    wait_for("it is ready", lambda: "owners connect to" in cluster.log("l1"))
    (lender,) = children(cluster.processes["l1"].pid)
    (guard,) = children(lender)
    assert status(guard)["Name"] == "lender-guard"
    assert_sandboxed(lender)
    assert_sandboxed(guard)


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_a_lender_needs_its_user(cluster):
    command = [BUILD / "ramster-lender", "--node", "1", "--listen", "127.0.0.1:0", "--socket", cluster.path / "lender1"]
    result = subprocess.run([*command, "--user", "no-such-user"], capture_output=True, text=True, timeout=5, check=False)
    assert result.returncode == 1
    assert "no user no-such-user: it does not exist" in result.stderr
    assert not (cluster.path / "lender1").exists()


@pytest.mark.skipif(not ROOT, reason="only root can begin as somebody else")
def test_only_root_becomes_another_user(cluster):
    command = [BUILD / "ramster-lender", "--node", "1", "--listen", "127.0.0.1:0", "--socket", cluster.path / "lender1"]
    result = subprocess.run(
        [*command, "--user", "root"], user=NOBODY, capture_output=True, text=True, timeout=5, check=False
    )
    assert result.returncode == 1 and "only root can go on as another user" in result.stderr


def strangers(cluster, address, count):
    """Connections from an address that never say anything."""
    found = []
    for _ in range(count):
        s = socket.socket()
        s.bind((address, 0))
        s.connect((cluster.address(1), PORT + 1))
        found.append(s)
    return found


def test_one_address_does_not_keep_others_from_the_lender(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(0)
    flood = strangers(two, two.address(100), 200)
    wait_for("some are closed", lambda: two.status(1)["lender"]["refused_hello"] >= 200 - 64, 4)
    connection, answer = owner.data_connection(grant, 1)
    assert answer == 0
    assert "64 connections from there have not proven anything yet" in two.log("l1")
    for s in [*flood, connection]:
        s.close()


def assert_locked(pid):
    """Its memory is in RAM, and what it allocates later is not limited by that."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        assert [line.split()[3:5] for line in limits if line.startswith("Max locked memory")] == [["unlimited"] * 2]
    assert int(status(pid)["VmLck"].split()[0]) > 0


def test_ramsterd(two):
    pid = two.processes["d1"].pid
    for thread in os.listdir(f"/proc/{pid}/task"):
        now = status(f"{pid}/task/{thread}")
        left = NET_ADMIN if ROOT else 0
        assert int(now["CapEff"], 16) & ~left == int(now["CapPrm"], 16) & ~left == 0
        assert int(now["CapInh"], 16) == int(now["CapAmb"], 16) == 0
        assert now["NoNewPrivs"] == "1"
        if ROOT:
            assert int(now["CapBnd"], 16) & ~left == 0
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    if "memory cannot be locked" not in two.log("d1"):
        assert_locked(pid)


PRLIMIT, PRCTL = {"x86_64": (302, 157), "aarch64": (261, 167)}.get(os.uname().machine, (None, None))


def forbid(number, argument=None):
    """From now on that system call, or only with that first argument, fails with EPERM in this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Load and compare: its number, then the argument. Return.
    if argument is None:
        code = [(0x20, 0, 0, 0), (0x15, 0, 1, number)]
    else:
        code = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, argument)]
    code += [(0x06, 0, 0, 0x00050000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters)))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.skipif(not PRLIMIT or not has_seccomp(), reason="no way to forbid it here")
@pytest.mark.parametrize("call", [(PRLIMIT,), (PRCTL, 4)], ids=["setrlimit", "PR_SET_DUMPABLE"])
def test_memory_that_cannot_be_hidden(cluster, call):
    """Without that protection the keys are not even read."""
    (cluster.path / "authkey").unlink()
    command = [BUILD / "ramsterd", "-c", cluster.path / "cluster.conf", "--node", "n1", "--socket", cluster.path / "tool1"]
    result = subprocess.run(
        command, preexec_fn=lambda: forbid(*call), capture_output=True, text=True, timeout=5, check=False
    )
    assert result.returncode == 1
    assert "its memory, where the keys are to be, cannot be hidden: Operation not permitted" in result.stderr
    assert len(result.stderr.splitlines()) == 1


SOME_GROUP = grp.getgrgid(NOBODY).gr_name if ROOT else ""  # which nobody is in but those that a test puts there
LOOKS = (["status"], ["nodes"], ["top", "--once", "--interval", "0.05"], ["set"])
CHANGES = (["set", "lend=off"], ["drain", "--no-wait", "n1"], ["drain", "--cancel", "n1"], ["evict", "--cancel"])


@pytest.fixture(name="guarded")
def start_guarded(cluster):
    """Node 1, which a group may look at, with its socket within reach of all users."""
    cluster.start_lender(1)
    cluster.start_daemon(1, options=["--group", SOME_GROUP])
    wait_for("it lends", lambda: cluster.lends(1))
    for path in [cluster.path, *cluster.path.parents[:-2]]:
        os.chmod(path, os.stat(path).st_mode | 0o111)
    return cluster


def ask(cluster, words, user, group, groups=()):
    command = [BUILD / "ramster", *words, "--socket", f"{cluster.path}/tool1"]
    return subprocess.run(
        command, user=user, group=group, extra_groups=groups, capture_output=True, text=True, timeout=10, check=False
    )


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_who_may_look_and_who_may_change(guarded):
    mode = os.stat(guarded.path / "tool1")
    assert mode.st_mode & 0o777 == 0o660 and (mode.st_uid, mode.st_gid) == (0, NOBODY)
    for words in LOOKS:
        assert ask(guarded, words, 65533, 65533, [4, NOBODY]).returncode == 0  # a supplementary group
        assert ask(guarded, words, 65533, NOBODY).returncode == 0
        refused = ask(guarded, words, 65533, 65533, [4])
        assert refused.returncode == DENIED and "needs root" in refused.stderr
    for words in CHANGES:
        refused = ask(guarded, words, 65533, NOBODY, [NOBODY])
        assert refused.returncode == DENIED and "needs root" in refused.stderr, words
    assert "tool1: user 65533 refused: changing settings needs root" in guarded.log("d1")
    assert guarded.node(1, 1)["free"] > 0 and not guarded.node(1, 1)["draining"]


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_the_socket_is_not_trusted_to_keep_others_out(guarded):
    os.chmod(guarded.path / "tool1", 0o666)
    for words in (*LOOKS, *CHANGES):
        refused = ask(guarded, words, 65533, 65533, [4])
        assert refused.returncode == DENIED and "needs root" in refused.stderr, words
    assert guarded.log("d1").count("user 65533 refused") <= 5


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_without_the_group_only_root_may_ask(cluster):
    cluster.start_daemon(1, options=["--group", "no-such-group"])
    wait_for("it answers", lambda: cluster.status(1))
    assert os.stat(cluster.path / "tool1").st_mode & 0o777 == 0o600
    assert "no group no-such-group: only root may ask" in cluster.log("d1")
