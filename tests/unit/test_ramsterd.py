# SPDX-License-Identifier: GPL-2.0-or-later
"""ramsterd, ramster-lender and ramster on one machine, without the module.

Each node has an address of its own in 127/8. The module's side is played by an Owner: it speaks the control protocol as
another node's ramsterd would, and HELLO as its data connections would.
"""

import contextlib
import hmac
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

import tls
from authkey import KEY, key_file

BUILD = pathlib.Path(os.environ.get("RAMSTER_BUILD", pathlib.Path(__file__).parents[2] / "build"))
PORT = 7700
MIB = 1 << 20
LENDER = [BUILD / "ramster-lender"] + (["--user", "nobody"] if os.geteuid() == 0 else [])

# Members of Message, by their numbers in ramster.proto.
HELLO, REFUSE, PING, ADVERTISE, REQUEST, GRANT, RETURN, LIST, LEASES = range(1, 10)
REVOKE, DRAIN = 10, 11


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


class Fixed(int):
    """A number that goes as fixed64."""


def pack(fields):
    """Fields by number: int, Fixed, bytes, dict (a message) or a list of these."""
    out = b""
    for number, value in fields.items():
        for v in value if isinstance(value, list) else [value]:
            if isinstance(v, dict):
                v = pack(v)
            if isinstance(v, Fixed):
                out += varint(number << 3 | 1) + struct.pack("<Q", v)
            elif isinstance(v, int):
                out += varint(number << 3) + varint(v)
            else:
                out += varint(number << 3 | 2) + varint(len(v)) + v
    return out


def unpack(data):
    """Fields by number, each a list of ints and bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        elif key & 7 == 1:
            value = struct.unpack_from("<Q", data, at)[0]
            at += 8
        else:
            size = number()
            value = data[at : at + size]
            at += size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def frame(message):
    data = pack(message)
    return struct.pack(">I", len(data)) + data


STATUS_REQUEST = frame({16: {}})


def wait_for(what, condition, seconds=10):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def memory(cluster, name, what="VmRSS"):
    """Bytes that a process has, by a line of its /proc/PID/status."""
    with open(f"/proc/{cluster.processes[name].pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(what))


class Owner:
    """Node 0, which has the lowest number and so connects to the others."""

    def __init__(self, cluster, donor, instance, name="demo", protocol=1, to=None, key=KEY):
        self.cluster, self.donor, self.instance = cluster, donor, instance
        self.socket = tls.connect((cluster.address(donor), PORT), cluster.address(0), "demo", 0, donor, key)
        self.buffer = b""
        hello = {1: protocol, 2: name.encode(), 3: 0, 4: donor if to is None else to, 5: Fixed(instance)}
        self.send({HELLO: hello})

    def send(self, message):
        self.socket.sendall(frame(message))

    def receive(self):
        """The next message as (number of its member, fields), or None at the end."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack(">I", self.buffer[:4])[0]:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.buffer += more
        size = struct.unpack(">I", self.buffer[:4])[0]
        message, self.buffer = unpack(self.buffer[4 : 4 + size]), self.buffer[4 + size :]
        ((member, values),) = message.items()
        return member, unpack(values[0])

    def expect(self, member):
        while True:
            message = self.receive()
            assert message, "closed"
            if message[0] == member:
                return message[1]
            assert message[0] in (PING, ADVERTISE), message

    def lease(self, count):
        self.send({REQUEST: {1: Fixed(self.instance), 2: count, 3: 4 * MIB}})
        return self.expect(GRANT)

    def give_back(self, grant, leases):
        self.send({RETURN: {1: Fixed(self.instance), 2: Fixed(grant[5][0]), 3: leases}})

    def leases(self):
        self.send({LIST: {1: Fixed(self.instance)}})
        found = []
        while True:
            part = self.expect(LEASES)
            found += part.get(2, [])
            if part.get(3):
                return found

    def data_connection(self, grant, number, role=1):
        """The opening with the lender. Returns the socket and the status of the ANSWER."""
        s = socket.create_connection((self.cluster.address(self.donor), grant[6][0]), timeout=5)
        token, nonce = grant[4][0], os.urandom(32)
        hello = struct.pack("<HHIIIQIHH", 2, 2, 0, 0, self.donor, self.instance, number, role, 8) + nonce
        s.sendall(struct.pack("<IBBHIIQ", 0x316E3272, 2, 1, 0, len(hello), 0, number) + hello)
        challenge = s.recv(56, socket.MSG_WAITALL)
        said = hello + challenge[24:]
        proof = hmac.digest(token, b"ramster data 2, owner".ljust(24, b"\0") + said, "sha256")
        s.sendall(struct.pack("<IBBHIIQ", 0x316E3272, 2, 8, 0, len(proof), 0, number) + proof)
        answer = s.recv(80, socket.MSG_WAITALL)
        (status,) = struct.unpack_from("<I", answer, 24)
        if status == 0:
            said = b"ramster data 2, lender".ljust(24, b"\0") + said + answer[32:48]
            assert answer[48:] == hmac.digest(token, said, "sha256")
        return s, status


class Lender:
    """Stands in for node 1's lender: notes the commands, and answers when it is told to."""

    STATUS, LIMIT, ADMIT, LEASE = range(1, 5)

    def __init__(self, cluster):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"{cluster.path}/lender1")
        listener.listen()
        listener.settimeout(10)
        cluster.start_daemon(1)
        self.socket = listener.accept()[0]
        listener.close()

    def command(self, seconds=10):
        """The next command, or None if there is none for so long."""
        self.socket.settimeout(seconds)
        try:
            return struct.unpack_from("<I", self.socket.recv(4096), 4)[0]
        except TimeoutError:
            return None

    def answer(self):
        status = struct.pack("<QQQ8Q4I", 77, 64 * MIB, 0, *[0] * 8, PORT + 1, 0, 0, 1)
        self.socket.send(bytes(16) + status + bytes(64 * 24))

    def serve_until(self, command):
        """Answers what comes before that command."""
        while True:
            got = self.command()
            assert got, "no command came"
            if got == command:
                return
            self.answer()


class Cluster:
    def __init__(self, path):
        self.path = path
        self.base = f"127.{os.getpid() >> 8 & 0x7F | 0x80}.{os.getpid() & 0xFF}"
        self.processes = {}
        self.write_key(KEY)
        self.write_conf()

    def address(self, node):
        return f"{self.base}.{node + 1}"

    def write_key(self, *keys, file="authkey"):
        path = self.path / file
        path.unlink(missing_ok=True)
        path.write_text(key_file(*keys))
        path.chmod(0o400)

    def write_conf(self, nodes=3, name="demo", lend="64M", more="", first=0, file="cluster.conf", authkey="authkey"):
        authkey = authkey if authkey == "off" else self.path / authkey
        text = f"cluster:\n\tname = {name}\n\tauthkey = {authkey}\n{more}"
        for i in range(first, nodes):
            text += f"node:\n\tname = n{i}\n\tnumber = {i}\n\taddress = {self.address(i)}\n\tport = {PORT}\n"
            text += f"\tcluster = {name}\n\tlend = {lend}\n"
        (self.path / file).write_text(text)

    def start(self, name, *command):
        with open(self.path / f"{name}.log", "a", encoding="ascii") as log:
            self.processes[name] = subprocess.Popen(command, stderr=log)

    def stop(self, name, signum=signal.SIGTERM):
        process = self.processes.pop(name)
        process.send_signal(signum)
        return process.wait(10)

    def start_lender(self, i):
        socket_path = f"{self.path}/lender{i}"
        listen = f"{self.address(i)}:{PORT + 1}"
        self.start(f"l{i}", *LENDER, "--node", str(i), "--listen", listen, "--socket", socket_path)

    def start_keeping_lender(self, i):
        """A lender that keeps what it lends, and fdstore as its service manager. Its control group is a directory."""
        group = self.path / "group"
        group.mkdir()
        (group / "memory.events").write_text("oom 0\noom_kill 0\n")
        command = [*LENDER, "--node", str(i), "--listen", f"{self.address(i)}:{PORT + 1}"]
        command += ["--socket", f"{self.path}/lender{i}", "--keep", "--group", group]
        self.start(f"l{i}", BUILD / "tests/programs/fdstore", *command)

    def start_daemon(self, i, conf="cluster.conf", options=()):
        conf, lender, tool = (f"{self.path}/{name}" for name in (conf, f"lender{i}", f"tool{i}"))
        command = [BUILD / "ramsterd", "-c", conf, "--node", f"n{i}", "--lender", lender, "--socket", tool, "--debug"]
        self.start(f"d{i}", *command, *options)

    def log(self, name):
        return (self.path / f"{name}.log").read_text()

    def start_tool(self, i, *words):
        command = [BUILD / "ramster", *words, "--socket", f"{self.path}/tool{i}"]
        tool = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.processes[f"tool{i}"] = tool
        return tool

    def tool(self, i, *words):
        command = [BUILD / "ramster", *words, "--socket", f"{self.path}/tool{i}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    def status(self, i):
        result = self.tool(i, "status", "--json")
        return json.loads(result.stdout) if result.returncode == 0 else None

    def node(self, i, other):
        status = self.status(i)
        return status and status["nodes"][other]

    def lends(self, i):
        """Whether node i has told its lender what to lend."""
        node = self.node(i, i)
        return node and node["free"] > 0


@pytest.fixture(name="cluster")
def make_cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    for process in cluster.processes.values():
        process.kill()
        process.wait()


@pytest.fixture(name="two")
def start_two(cluster):
    """Nodes 1 and 2 with daemon and lender; node 0 is for an Owner."""
    for i in (1, 2):
        cluster.start_lender(i)
        cluster.start_daemon(i)
    wait_for("both lend", lambda: cluster.lends(1) and cluster.lends(2))
    wait_for("each sees the other", lambda: (cluster.node(1, 2) or {}).get("free") == 64 * MIB)
    return cluster


def test_two_nodes(two):
    status = two.status(1)
    assert status["module"] is False
    assert status["health"] == "degraded"  # n0 does not run
    assert "n0 is not up" in status["verdict"]
    assert two.node(2, 1)["control"] == "up"
    assert two.node(2, 1)["free"] == 64 * MIB


def test_lease_and_return(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(5)
    assert len(grant[2]) == 5 and len(grant[4][0]) == 32 and grant[3] == [4 * MIB]
    wait_for("it is told", lambda: two.node(2, 1)["free"] == 44 * MIB)
    assert two.node(2, 1)["lent"] == 20 * MIB

    s, status = owner.data_connection(grant, 1)
    assert status == 0
    bad = dict(grant)
    bad[4] = [bytes(32)]
    assert owner.data_connection(bad, 2)[1] == 4  # R2NET_EPERM
    s.close()

    assert sorted(owner.leases()) == sorted(grant[2])
    owner.give_back(grant, grant[2][:3])
    assert sorted(owner.leases()) == sorted(grant[2][3:])
    assert two.node(1, 1)["lent"] == 8 * MIB


def test_full(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    assert [len(owner.lease(64)[2]) for _ in range(2)] == [8, 8]  # so many at a time, and all that there is
    assert owner.lease(1)[1] == [2]  # FULL


@pytest.mark.parametrize("count, size", [(65, 4 * MIB), (1, 3 * MIB), (1, 128 * MIB), (1, 0)])
def test_impossible_request(two, count, size):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    owner.send({REQUEST: {1: Fixed(11), 2: count, 3: size}})
    while owner.receive():
        pass
    says = "n0: down: it sent a LeaseRequest with impossible values"
    wait_for("it says so", lambda: says in two.log("d1"))
    assert two.status(1)["control_malformed"] == 1


def test_request_of_another_instance(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    owner.send({REQUEST: {1: Fixed(12), 2: 1, 3: 4 * MIB}})
    assert owner.expect(GRANT)[1] == [4]  # BAD_REQUEST
    assert len(owner.lease(1)[2]) == 1


def test_token_alone(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    first, second = owner.lease(0), owner.lease(1)
    assert 2 not in first and first[4] == second[4]
    assert owner.data_connection(first, 1, role=2)[1] == 0


def test_daemon_restart_keeps_leases(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(3)
    s, status = owner.data_connection(grant, 1)
    assert status == 0
    assert two.stop("d1", signal.SIGKILL) == -signal.SIGKILL
    two.start_daemon(1)
    wait_for("it lends again", lambda: two.lends(1))
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    assert sorted(owner.leases()) == sorted(grant[2])
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(1)  # the data connection lives
    again = owner.lease(0)
    assert owner.data_connection(again, 2)[1] == 0


def test_new_instance_ends_old_leases(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(3)
    s, _ = owner.data_connection(grant, 1)
    assert two.node(1, 1)["lent"] == 12 * MIB
    owner.socket.close()
    owner = Owner(two, 1, instance=12)
    owner.expect(HELLO)
    wait_for("nothing is lent", lambda: two.node(1, 1)["lent"] == 0)
    assert s.recv(1) == b""
    assert "came back as a new one" in two.log("d1")


def test_module_gone(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    owner.lease(3)
    owner.send({ADVERTISE: {6: Fixed(0)}})
    wait_for("nothing is lent", lambda: two.node(1, 1)["lent"] == 0, seconds=30)
    assert "no module any more" in two.log("d1")


def test_hold_time(cluster):
    cluster.write_conf(more="\thold_time = 1s\n")
    cluster.start_lender(1)
    cluster.start_daemon(1)
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    owner.lease(3)
    owner.socket.close()
    wait_for("the leases are ended", lambda: cluster.node(1, 1)["lent"] == 0, seconds=30)
    assert "away for hold_time" in cluster.log("d1")


def test_lender_restart(two):
    before = two.node(2, 1)["lender_instance"]
    two.stop("l1", signal.SIGKILL)
    wait_for("it is noticed", lambda: not two.status(1)["lender"]["present"])
    assert two.node(1, 1)["free"] == 0
    two.start_lender(1)
    wait_for("it lends again", lambda: two.node(2, 1)["free"] == 64 * MIB)
    assert two.node(2, 1)["lender_instance"] != before


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP], ids=["killed", "ended"])
def test_kept_leases_outlive_the_lender(cluster, number):
    """Owners connect again with what they have: the donor's ramsterd is not even needed for that."""
    cluster.start_keeping_lender(1)
    cluster.start_daemon(1)
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(3)
    connection, status = owner.data_connection(grant, 1)
    assert status == 0

    # Killed while ramsterd is away, and then while it is there.
    cluster.stop("d1")
    cluster.processes["l1"].send_signal(number)
    assert connection.recv(1) == b""
    wait_for("it goes on", lambda: "goes on as before: 3 leases with 12 MiB were kept" in cluster.log("l1"))
    connection, status = owner.data_connection(grant, 2)
    assert status == 0
    cluster.start_daemon(1)
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    assert sorted(owner.leases()) == sorted(grant[2])
    cluster.processes["l1"].send_signal(number)
    assert connection.recv(1) == b""
    wait_for("it goes on", lambda: cluster.log("l1").count("goes on as before: 3 leases with 12 MiB were kept") == 2)
    wait_for("ramsterd finds it", lambda: cluster.log("d1").count("answers: data port") == 3)
    assert owner.data_connection(grant, 3)[1] == 0
    assert sorted(owner.leases()) == sorted(grant[2])
    assert cluster.node(1, 1)["lent"] == 12 * MIB

    # What comes later is from the same hand.
    wait_for("it lends again", lambda: cluster.lends(1))
    more = owner.lease(1)
    assert more[5] == grant[5] and more[2][0] not in grant[2]
    assert cluster.stop("l1") == 0


def test_lender_hangs(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(3)
    two.processes["l1"].send_signal(signal.SIGSTOP)
    wait_for("it is noticed", lambda: not two.status(1)["lender"]["present"], seconds=15)
    assert two.node(1, 1)["free"] == 0
    wait_for("it is told", lambda: two.node(2, 1)["free"] == 0)
    owner = Owner(two, 1, instance=11)  # it was silent for too long
    owner.expect(HELLO)
    assert owner.lease(1)[1] == [1]  # NO_LENDER
    two.processes["l1"].send_signal(signal.SIGCONT)
    wait_for("it lends again", lambda: two.node(2, 1)["free"] == 52 * MIB, seconds=15)
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    assert sorted(owner.leases()) == sorted(grant[2])
    assert two.log("d1").count("it does not answer") == 1


def test_lender_is_busy(cluster):
    lender = Lender(cluster)
    lender.serve_until(Lender.LIMIT)
    lender.answer()
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    owner.send({REQUEST: {1: Fixed(11), 2: 1, 3: 4 * MIB}})
    lender.serve_until(Lender.LEASE)
    assert lender.command(seconds=8) is None  # longer than a lender may take that has nothing to do
    assert cluster.status(1)["lender"]["present"]
    lender.answer()
    waiting = 0
    while lender.command(seconds=0.5) == Lender.STATUS:
        lender.answer()
        waiting += 1
    assert waiting <= 1


def test_peer_dies_and_returns(two):
    two.processes["d2"].send_signal(signal.SIGSTOP)
    wait_for("it is down", lambda: two.node(1, 2)["control"] != "up")
    assert "no word" in two.node(1, 2)["reason"]
    two.processes["d2"].send_signal(signal.SIGCONT)
    wait_for("it is up", lambda: two.node(1, 2)["control"] == "up")
    two.stop("d2", signal.SIGKILL)
    wait_for("it is down", lambda: two.node(1, 2)["control"] != "up")
    two.start_daemon(2)
    wait_for("it is up", lambda: two.node(1, 2)["control"] == "up")


@pytest.mark.parametrize(
    "wrong, reason",
    [
        ({"name": "other"}, 'is of cluster "other"'),
        ({"to": 7}, "believes n1"),
        ({"protocol": 99}, "speaks control protocol 99"),
    ],
)
def test_refused(two, wrong, reason):
    owner = Owner(two, 1, instance=11, **wrong)
    assert reason in owner.expect(REFUSE)[1][0].decode()
    assert owner.receive() is None
    Owner(two, 1, instance=11, **wrong).expect(REFUSE)
    assert two.log("d1").count(reason) == 1
    assert two.status(1)["control_refused"] == 2


def test_refused_by_address(two):
    two.base, real = two.base.rsplit(".", 1)[0] + ".1", two.base
    source = two.address(0)
    two.base = real
    s = tls.connect((two.address(1), PORT), source, "demo", 0, 1)
    hello = pack({HELLO: {1: 1, 2: b"demo", 3: 0, 4: 1, 5: Fixed(3)}})
    s.sendall(struct.pack(">I", len(hello)) + hello)
    assert b"connects from" in s.recv(1000)


@pytest.mark.parametrize("garbage", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2ab"])
def test_malformed(two, garbage):
    with tls.connect((two.address(1), PORT), two.address(0), "demo", 0, 1) as s:
        s.sendall(garbage)
        assert s.recv(1) == b""
    assert two.status(1)["control_malformed"] == 1
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    owner.socket.sendall(garbage)
    while owner.receive():
        pass
    assert two.status(1)["control_malformed"] == 2
    assert two.node(1, 2)["control"] == "up"


def test_many_requests(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(1)
    owner.give_back(grant, [{1: 1000 + i, 2: 1} for i in range(8000)])  # as many as a message of real ones may have
    assert owner.leases() == grant[2]
    owner.give_back(grant, [{}] * 32000)
    while owner.receive():
        pass
    assert two.status(1)["control_malformed"] == 1
    two.processes["l1"].send_signal(signal.SIGSTOP)
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    with contextlib.suppress(ConnectionError):  # which ends before all are sent, or read
        for _ in range(300):
            owner.send({LIST: {1: Fixed(11)}})
        while owner.receive():
            pass
    wait_for("it is counted", lambda: two.status(1)["control_malformed"] == 2)
    assert two.log("d1").count("it sent more requests than may be open") == 2
    assert two.node(1, 2)["control"] == "up"


def test_flood(two):
    sockets = [socket.create_connection((two.address(1), PORT), timeout=5) for _ in range(100)]
    closed = 0
    for s in sockets:
        assert s.recv(1) == b""  # at once, or after the time for Hello
        s.close()
        closed += 1
    assert closed == 100
    assert two.log("d1").count("have not greeted") == 1
    assert two.node(1, 2)["control"] == "up"


def connect_tool(cluster, i):
    """A client of the operator's socket that has asked nothing yet."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{cluster.path}/tool{i}")  # without a time-out it waits for its turn
    s.settimeout(10)
    return s


def test_quiet_clients_keep_nobody_out(two):
    clients = [connect_tool(two, 1) for _ in range(200)]
    assert two.status(1)
    assert clients[0].recv(1) == b""  # the one that was quiet for the longest
    clients[-1].sendall(STATUS_REQUEST)
    assert clients[-1].recv(1)
    for s in clients:
        s.close()


def test_client_that_asks_without_end(two):
    """It is cut off at its second question before the answer to the first; neither memory nor others feel it."""
    before = memory(two, "d1", "VmHWM")
    clients = [connect_tool(two, 1) for _ in range(60)]
    for s in clients:
        with contextlib.suppress(ConnectionError):
            s.sendall(STATUS_REQUEST * 2000)
    assert two.status(1)
    assert memory(two, "d1", "VmHWM") - before < 4 * MIB
    for s in clients:
        with contextlib.suppress(ConnectionError):
            while s.recv(65536):
                pass
        s.close()
    assert two.node(1, 2)["control"] == "up"


CONNECT_WITHOUT_END = """
import socket, struct, sys, time
end, reset = time.monotonic() + 2, struct.pack("ii", 1, 0)
for _ in range(50000):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)  # no port stays in use
        s.connect((sys.argv[1], int(sys.argv[2])))
    if time.monotonic() > end:
        break
"""


def test_connections_without_end(two):
    """The control port is connected to as fast as some processes can: ramsterd goes on with all else."""
    before = memory(two, "d1")
    command = [sys.executable, "-c", CONNECT_WITHOUT_END, two.address(1), str(PORT)]
    flood = [subprocess.Popen(command) for _ in range(3)]
    for i, process in enumerate(flood):
        two.processes[f"flood{i}"] = process
    slowest = 0
    while any(process.poll() is None for process in flood):
        begun = time.monotonic()
        assert two.status(1)
        slowest = max(slowest, time.monotonic() - begun)
    assert [process.returncode for process in flood] == [0, 0, 0]
    assert slowest < 2
    assert two.node(1, 2)["control"] == two.node(2, 1)["control"] == "up"
    assert two.log("d1").count(": down: ") == two.log("d2").count(": down: ") == 0
    assert memory(two, "d1") - before < 4 * MIB


def test_reload(two):
    conf = two.path / "cluster.conf"
    good = conf.read_text()
    conf.write_text(good + "\tcolour = red\n")
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("it says so", lambda: 'unknown key "colour"' in two.log("d1"))
    assert len(two.status(1)["nodes"]) == 3
    two.write_conf(nodes=4, lend="32M")
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("the new node is known", lambda: len(two.status(1)["nodes"]) == 4)
    wait_for("it lends less", lambda: two.node(2, 1)["free"] == 32 * MIB)
    two.write_conf(nodes=2)
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("a node is gone", lambda: len(two.status(1)["nodes"]) == 2)
    wait_for("n2 sees it go", lambda: two.node(2, 1)["control"] != "up")
    two.write_conf(name="other")
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("it is refused", lambda: "restart ramsterd for that" in two.log("d1"))
    assert two.status(1)["cluster"] == "demo"
    two.write_conf(more="\tmembership = corosync\n", first=1)
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("it is refused", lambda: two.log("d1").count("restart ramsterd for that") == 2)
    assert two.status(1)["membership"] == "static"


@pytest.mark.skipif(os.path.exists("/run/corosync.pid"), reason="this machine runs a corosync")
def test_without_corosync(cluster):
    """It starts before corosync does, counts nobody as a member, and says why."""
    cluster.write_conf(more="\tmembership = corosync\n", first=1)
    for i in (1, 2):
        cluster.start_lender(i)
        cluster.start_daemon(i)
    wait_for("both are connected", lambda: (cluster.node(1, 1) or {}).get("control") == "up")
    says = "corosync does not answer (no connection: is it running?)"
    wait_for("it has tried", lambda: cluster.status(1)["membership_state"].startswith(says))
    status = cluster.status(1)
    assert status["membership"] == "corosync"
    assert status["verdict"].startswith("degraded: corosync does not answer")
    assert (status["nodes"][1]["member"], status["nodes"][1]["reason"]) == (False, "corosync does not answer")
    assert status["nodes"][1]["free"] == 0  # what nodes offer is corosync's to carry
    assert "no member" in cluster.tool(1, "nodes").stdout
    wait_for("it tries again", lambda: cluster.status(1)["uptime_ms"] > 3000)
    assert cluster.log("d1").count("corosync does not answer") == 1
    assert cluster.stop("d1") == 0


def start_one(cluster, **conf):
    """Node 1 with daemon and lender, and an Owner."""
    cluster.write_conf(**conf)
    cluster.start_lender(1)
    cluster.start_daemon(1)
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    return owner


def test_quota(cluster):
    owner = start_one(cluster, more="\tquota = 16M\n")
    grant = owner.lease(5)
    assert len(grant[2]) == 4
    assert owner.lease(1)[1] == [6]  # QUOTA
    assert len(owner.lease(0)[4][0]) == 32  # the token all the same
    node = cluster.node(1, 0)
    assert (node["held"], node["quota"]) == (16 * MIB, 16 * MIB)
    assert re.search(r"n0 .* 16.0 MiB +16.0 MiB\n", cluster.tool(1, "nodes").stdout)
    owner.give_back(grant, grant[2][:1])
    assert len(owner.lease(5)[2]) == 1
    assert cluster.node(1, 1)["lent"] == 16 * MIB
    # A new instance of the same node has no more than the old one, also while that one's leases are being ended.
    owner.socket.close()
    owner = Owner(cluster, 1, instance=12)
    owner.expect(HELLO)
    leases = []
    wait_for("it has all", lambda: leases.extend(owner.lease(5).get(2, [])) or len(leases) == 4)
    assert cluster.node(1, 1)["lent"] == 16 * MIB


def test_quota_below_what_is_in_use(cluster):
    owner = start_one(cluster)
    grant = owner.lease(3)
    result = cluster.tool(1, "set", "n0.quota=8M")
    says = "node n0 has 12 MiB leased, more than its quota of 8 MiB: nothing new until it gives back"
    assert result.returncode == 0 and says in result.stdout
    assert says in cluster.log("d1")
    assert sorted(owner.leases()) == sorted(grant[2])
    assert owner.lease(1)[1] == [6]
    owner.give_back(grant, grant[2][:1])
    assert owner.lease(1)[1] == [6]
    owner.give_back(grant, grant[2][1:2])
    assert len(owner.lease(5)[2]) == 1
    assert cluster.tool(1, "set", "n0.quota=off").returncode == 0
    assert len(owner.lease(5)[2]) == 5
    # A new ramsterd counts what its lender has, and says so when its file has a quota below that.
    cluster.stop("d1")
    cluster.write_conf(more="\tquota = 4M\n")
    cluster.start_daemon(1)
    wait_for("it has counted", lambda: (cluster.node(1, 0) or {}).get("held") == 28 * MIB)
    cluster.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("it says so", lambda: "node n0 has 28 MiB leased, more than its quota of 4 MiB" in cluster.log("d1"))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    assert owner.lease(1)[1] == [6]


def bandwidth_of(cluster, node):
    """What node 1's lender has been told; None while it has nothing to say of that owner."""
    owner = (cluster.node(1, node) or {}).get("owner")
    return owner and owner["bandwidth"]


def test_bandwidth(cluster):
    owner = start_one(cluster, more="\tbandwidth = 32M\n")
    owner.lease(1)
    wait_for("the lender was told", lambda: bandwidth_of(cluster, 0) == 32 * MIB)
    assert cluster.node(1, 1)["owner"] is None  # no owner of its own node
    says = cluster.node(1, 0)["owner"]
    assert says == {
        "connections": 0,
        "bandwidth": 32 * MIB,
        "in_bytes": 0,
        "out_bytes": 0,
        "frames": 0,
        "waits": 0,
        "throttled_ms": 0,
        "refused": 0,
    }
    assert re.search(r"\n +0 n0 +0 +0 +0 B +0 B +32.0 MiB/s +0.0 s +0\n", cluster.tool(1, "nodes").stdout)
    assert cluster.tool(1, "set", "n0.bandwidth=64M").returncode == 0
    wait_for("it is another one", lambda: bandwidth_of(cluster, 0) == 64 * MIB)
    cluster.stop("l1")
    cluster.start_lender(1)
    wait_for("a new lender was told, too", lambda: bandwidth_of(cluster, 0) == 64 * MIB)
    result = cluster.tool(1, "set", "bandwidth=1M")
    assert result.returncode == 2 and "bytes a second from 8M, or off" in result.stderr
    assert cluster.tool(1, "set", "n0.bandwidth=off").returncode == 0
    wait_for("there is none any more", lambda: cluster.node(1, 0) and bandwidth_of(cluster, 0) is None)
    # A new ramsterd finds what the lender has, and puts its file into force.
    cluster.stop("d1")
    cluster.start_daemon(1)
    wait_for("that of the file", lambda: bandwidth_of(cluster, 0) == 32 * MIB)


def settings(cluster, i):
    reply = json.loads(cluster.tool(i, "set", "--json").stdout)
    return {setting["name"]: (setting["value"], setting["file"]) for setting in reply["settings"]}


def test_set(two):
    before = settings(two, 1)
    assert before["lend"] == ("64M", "") and before["reserve"] == ("auto", "") and before["quota"] == ("off", "")
    assert before["n2.weight"] == ("10", "") and before["n2.priority"] == ("0", "") and "n2.lend" not in before
    result = two.tool(1, "set", "lend=32M", "n2.weight=20")
    assert result.returncode == 0 and "until its ramsterd is started anew or reloads cluster.conf" in result.stdout
    wait_for("it lends less", lambda: two.node(2, 1)["free"] == 32 * MIB)
    assert settings(two, 1)["lend"] == ("32M", "64M") and settings(two, 1)["n2.weight"] == ("20", "10")
    assert "lend = 32M  # set at run time; 64M in cluster.conf\n" in two.tool(1, "set").stdout
    assert settings(two, 2)["lend"] == ("64M", "")  # only there
    assert "set until cluster.conf is read again: lend=32M" in two.log("d1")
    assert two.tool(1, "set", "reserve=100T").returncode == 0
    wait_for("nothing is left beside the reserve", lambda: two.node(2, 1)["free"] == 0)
    two.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("the file is in force again", lambda: settings(two, 1) == before)
    wait_for("it lends as before", lambda: two.node(2, 1)["free"] == 64 * MIB, seconds=30)


@pytest.mark.parametrize(
    "words, says",
    [
        (["colour=red"], 'unknown setting "colour" (expected lend, reserve, quota, bandwidth, NODE.quota, NODE.ban'),
        (["lend=32M", "weight=20"], "weight of which node? (expected NODE.weight=VALUE)"),
        (["lend=32M", "lend=off"], "lend is set twice"),
        (["lend=lots"], 'lend = "lots" is not acceptable (expected auto, off, or a size such as 256M)'),
        (["lend=2M"], "lend is less than one extent (expected at least 4194304 bytes, or off)"),
        (["n7.quota=64M"], 'no node is named "n7"'),
        (["n2.lend=off"], "n2.lend can only be set on n2 itself"),
        (["lend", "=", "off"], '"lend" is no assignment (expected KEY=VALUE)'),
        (["hold_time=1s"], "hold_time cannot be changed at run time"),
        (["lend=off\x01"], "control characters"),
    ],
)
def test_bad_settings_change_nothing(two, words, says):
    before = settings(two, 1)
    result = two.tool(1, "set", *words)
    assert result.returncode == 2 and says in result.stderr and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and result.stderr.endswith("; nothing was changed\n")
    assert settings(two, 1) == before
    assert "set until" not in two.log("d1")


def test_lend_below_what_is_lent(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(8)
    leases = grant[2] + owner.lease(2)[2]
    result = two.tool(1, "set", "lend=16M")
    assert result.returncode == 0
    assert "40 MiB are lent, more than the 16 MiB of lend: nothing new until they are back" in result.stdout
    wait_for("it is wanted back", lambda: two.status(1)["lender"]["wanted_back"] == 24 * MIB)
    assert owner.expect(REVOKE)[3] == [4]
    assert sorted(owner.leases()) == sorted(leases)
    assert owner.lease(1)[1] == [2] and two.node(1, 1)["free"] == 0  # FULL
    assert "24.0 MiB wanted back" in two.tool(1, "status").stdout
    owner.give_back(grant, leases[:7])
    wait_for("there is room again", lambda: two.node(1, 1)["free"] == 4 * MIB)
    assert owner.expect(REVOKE)[3] == [0xFFFFFFFF]
    assert len(owner.lease(5)[2]) == 1
    wait_for("nothing is wanted back", lambda: two.status(1)["lender"]["wanted_back"] == 0)


def read_until(process, text):
    """Reads lines of what it says until one has the text."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended before {text!r}")


@pytest.mark.parametrize("where", [1, 2])
def test_drain_while_the_lender_hangs(two, where):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(4)
    wait_for("it is told", lambda: two.node(where, 1)["lent"] == 16 * MIB)
    drain = two.start_tool(where, "drain", "--force", "n1")
    read_until(drain, "n1: 16.0 MiB left")
    two.processes["l1"].send_signal(signal.SIGSTOP)
    read_until(drain, "not known what is left")
    two.processes["l1"].send_signal(signal.SIGCONT)
    read_until(drain, "16.0 MiB left")
    assert drain.poll() is None
    owner = Owner(two, 1, instance=11)  # it was silent for too long
    owner.expect(HELLO)
    assert owner.expect(REVOKE).get(3, [0]) == [0]
    owner.give_back(grant, grant[2])
    read_until(drain, " 0 B left")
    assert drain.wait(10) == 0
    assert two.tool(where, "drain", "--cancel", "n1").returncode == 0


def test_drain_while_its_daemon_restarts(two):
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(4)
    wait_for("it is told", lambda: two.node(2, 1)["lent"] == 16 * MIB)
    drain = two.start_tool(2, "drain", "n1")
    read_until(drain, "n1: 16.0 MiB left")
    wait_for("it has come there", lambda: two.node(2, 1)["draining"])
    assert two.stop("d1", signal.SIGKILL) == -signal.SIGKILL
    read_until(drain, "not known what is left")
    refused = two.tool(2, "drain", "--cancel", "n1")
    assert refused.returncode == 2 and re.search(r"n1 is not up \(.+\): run this on the node itself", refused.stderr)
    two.start_daemon(1)
    read_until(drain, "16.0 MiB left")
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    assert owner.expect(REVOKE).get(3, [0]) == [0]
    owner.give_back(grant, grant[2])
    read_until(drain, " 0 B left")
    assert drain.wait(10) == 0
    assert two.tool(2, "drain", "--cancel", "n1").returncode == 0


def test_flood_of_drains(two):
    """What a peer says again and again does not fill the log."""
    owner = Owner(two, 1, instance=11)
    owner.expect(HELLO)
    for i in range(1000):
        owner.send({DRAIN: {1: 1 - i % 2}})
    owner.leases()
    assert two.log("d1").count("drained") < 30
    assert not two.node(1, 1)["draining"]


@pytest.mark.skipif(os.path.exists("/run/corosync.pid"), reason="this machine runs a corosync")
def test_drain_without_quorum(cluster):
    """Neither end of a drain needs membership. There is no corosync here, so nobody is a member."""
    cluster.write_conf(more="\tmembership = corosync\n", first=1)
    for i in (1, 2):
        cluster.start_lender(i)
        cluster.start_daemon(i)
    wait_for("both are connected", lambda: (cluster.node(1, 1) or {}).get("control") == "up")
    assert cluster.tool(1, "drain", "--no-wait", "--force", "n2").returncode == 0
    wait_for("it is drained", lambda: cluster.node(2, 1)["draining"])
    assert cluster.tool(1, "drain", "--cancel", "n2").returncode == 0
    wait_for("it is drained no more", lambda: not cluster.node(2, 1)["draining"])


def test_node_that_comes_and_goes(two):
    """It is not in the log each time, but as often as nodes do."""
    for i in range(200):
        owner = Owner(two, 1, instance=11 + i)
        owner.expect(HELLO)
        assert len(owner.lease(1)[2]) == 1
    assert two.node(1, 0)["control"] == "up"
    assert 20 <= two.log("d1").count("n0: up") + two.log("d1").count("n0: down: ") < 40
    assert two.log("d1").count("came back as a new one") < 40


def test_bad_conf_at_start(cluster):
    conf = cluster.path / "cluster.conf"
    conf.write_text("cluster:\n\tname = demo\n\tcolour = red\n")
    for words in (["-c", conf, "--node", "n1"], ["--check", conf]):
        result = subprocess.run([BUILD / "ramsterd", *words], capture_output=True, text=True, timeout=5, check=False)
        assert result.returncode == 2
        assert re.fullmatch(r'\S+cluster.conf:3: unknown key "colour" \(expected .*\)\n', result.stderr)
    cluster.write_conf()
    result = subprocess.run(
        [BUILD / "ramsterd", "-c", conf, "--node", "nobody"], capture_output=True, text=True, timeout=5, check=False
    )
    assert result.returncode == 2 and 'no node is named "nobody"' in result.stderr
    result = subprocess.run([BUILD / "ramsterd", "--check", conf], capture_output=True, text=True, check=False)
    assert result.returncode == 0


def test_lender_options(cluster):
    command = [BUILD / "ramsterd", "--lender-options", "-c", cluster.path / "cluster.conf", "--node", "n2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    listen = f"{cluster.address(2)}:{PORT + 1}"
    assert result.stdout == f"--node 2 --listen {listen} --socket /run/ramster-lender/lender.sock\n"
    conf = cluster.path / "cluster.conf"
    conf.write_text(conf.read_text() + "\tkeep_on_restart = on\n")  # of n2, the last
    result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    assert result.stdout == f"--node 2 --listen {listen} --socket /run/ramster-lender/lender.sock --keep\n"


def test_sigterm(two):
    assert two.stop("d1") == 0
    assert two.processes["l1"].poll() is None
    assert not (two.path / "tool1").exists()


def test_question_at_the_end(two):
    """Who asks while it ends is answered as ever or not at all, but not by what is left of it."""
    daemon = two.processes["d1"]
    daemon.send_signal(signal.SIGSTOP)
    with connect_tool(two, 1) as s:
        s.sendall(STATUS_REQUEST)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        with contextlib.suppress(ConnectionError):
            while s.recv(4096):
                pass
    assert daemon.wait(10) == 0


def test_second_daemon_on_one_socket(two):
    two.write_conf()
    command = [BUILD / "ramsterd", "-c", two.path / "cluster.conf", "--node", "n0", "--socket", two.path / "tool1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    assert result.returncode == 1 and "another ramsterd answers there" in result.stderr
    assert two.status(1)


def top_on_terminal(two, term, end):
    """`ramster top` on a terminal: what it draws until the nodes are there, and its exit status after end(it, the keyboard)."""
    keyboard, terminal = pty.openpty()
    command = [BUILD / "ramster", "top", "--interval", "0.1", "--socket", f"{two.path}/tool1"]
    top = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": term})
    os.close(terminal)
    drawn = b""
    while b"this node" not in drawn and select.select([keyboard], [], [], 10)[0]:
        drawn += os.read(keyboard, 65536)
    end(top, keyboard)
    with contextlib.suppress(OSError):  # EIO when it has closed the terminal
        while os.read(keyboard, 65536):
            pass
    os.close(keyboard)
    return drawn, top.wait(5)


def test_top_on_a_terminal(two):
    drawn, status = top_on_terminal(two, "xterm", lambda top, keyboard: os.write(keyboard, b"q"))
    assert b"degraded: n0 is not up" in drawn and b"\x1b[" in drawn and status == 0
    drawn, status = top_on_terminal(two, "xterm", lambda top, keyboard: top.send_signal(signal.SIGINT))
    assert status == 0
    # One that cannot be drawn on gets the same text again and again.
    drawn, status = top_on_terminal(two, "unknown", lambda top, keyboard: top.terminate())
    assert b"degraded: n0 is not up" in drawn and b"\x1b[" not in drawn


def test_tool(two):
    assert two.tool(1, "status").stdout.startswith("degraded: n0 is not up")
    nodes = two.tool(1, "nodes").stdout
    assert "this node" in nodes and "n2" in nodes
    assert [n["name"] for n in json.loads(two.tool(1, "nodes", "--json").stdout)["nodes"]] == ["n0", "n1", "n2"]
    top = two.tool(1, "top", "--once", "--interval", "0.1")
    assert top.returncode == 0 and "stores" in top.stdout
    lines = two.tool(1, "top", "--once", "--json", "--interval", "0.1").stdout.splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["node"] == "n1"
    for words in (["frobnicate"], [], ["top", "--interval", "0"], ["status", "x"], ["--frobnicate"]):
        assert two.tool(1, *words).returncode == 2
    for words, says in (
        ("status --once", 'status does not take "--once"'),
        ("nodes --cancel", 'nodes does not take "--cancel"'),
        ("evict --force", 'evict does not take "--force"'),
        ("set --interval 1", 'set does not take "--interval"'),
        ("evict --cancel --no-wait", "--cancel goes with neither"),
        ("drain --cancel --force n1", "--cancel goes with neither"),
    ):
        refused = two.tool(1, *words.split())
        assert refused.returncode == 2 and says in refused.stderr
    two.stop("d1")
    gone = two.tool(1, "status")
    assert gone.returncode == 3 and "systemctl start ramsterd" in gone.stderr
