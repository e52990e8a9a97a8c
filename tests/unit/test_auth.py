# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in on control connections, and what an operator is told of who does not: real daemons, without the module."""

import contextlib
import itertools
import json
import os
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import tls
from authkey import KEY, OTHER_KEY, key_file, key_id
from test_ramsterd import BUILD, HELLO, MIB, PORT, REFUSE, Fixed, Owner, make_cluster, memory, pack, wait_for

__all__ = ["make_cluster"]

IDENTITY = tls.identity("demo", 0, 1, KEY)
FLOOD = 10000


def start(cluster, *nodes, **conf):
    cluster.write_conf(lend="off", **conf)
    for i in nodes:
        cluster.start_daemon(i)
    for i in nodes:
        wait_for("it answers", lambda i=i: cluster.status(i))
    return cluster


@pytest.fixture(name="one")
def start_one(cluster):
    return start(cluster, 1)


@pytest.fixture(name="pair")
def start_pair(cluster):
    start(cluster, 1, 2)
    wait_for_pair(cluster)
    return cluster


def control(cluster, i, other):
    return (cluster.node(i, other) or {}).get("control")


def wait_for_pair(cluster):
    wait_for("both see each other", lambda: control(cluster, 1, 2) == control(cluster, 2, 1) == "up")


def knock(cluster, i=1, source=None):
    return socket.create_connection((cluster.address(i), PORT), 5, (source or cluster.address(0), 0))


def ended(sock, seconds=10):
    """Waits until the other side has closed the connection."""
    sock.settimeout(seconds)
    with contextlib.suppress(ConnectionError):
        while sock.recv(4096):
            pass


# ---- The file ----


def run_daemon(cluster):
    command = [BUILD / "ramsterd", "-c", cluster.path / "cluster.conf", "--node", "n1"]
    command += ["--socket", cluster.path / "tool", "--lender", cluster.path / "lender"]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def test_no_key(cluster):
    (cluster.path / "authkey").unlink()
    result = run_daemon(cluster)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "/authkey: no key (run `ramster keygen` on one node and copy that file to every node" in result.stderr


GOOD = key_file(KEY)


@pytest.mark.parametrize(
    "text, mode, says",
    [
        (GOOD, 0o440, "authkey: mode 0440 lets others at it: chmod 0400 "),
        (GOOD, 0o604, "authkey: mode 0604 lets others at it: chmod 0400 "),
        (GOOD, 0o420, "authkey: mode 0420 lets others at it: chmod 0400 "),
        ("", 0o400, 'authkey:1: no key file (expected "ramster authkey 1"'),
        (KEY.hex() + "\n", 0o400, 'authkey:1: no key file (expected "ramster authkey 1"'),
        ("ramster authkey 2\n" + GOOD, 0o400, "authkey:1: no key file"),
        ("ramster authkey 1\n# nothing\n\n", 0o400, "authkey: no key in it (make one: ramster keygen --force)"),
        (GOOD[:-9] + "\n", 0o400, "authkey:2: a key of 56 hexadecimal digits, expected 64"),
        (GOOD[:-1] + "00\n", 0o400, "authkey:2: a key of 66 hexadecimal digits, expected 64"),
        (GOOD.replace("0f", "0x"), 0o400, "authkey:2: a key of something else than hexadecimal digits"),
        (GOOD + "secret\n", 0o400, "authkey:3: neither a key nor a comment"),
        (GOOD + 2 * f"key {OTHER_KEY.hex()}\n", 0o400, "authkey:4: more than 2 keys"),
        (GOOD + "#" * 5000, 0o400, "authkey: no key file"),
        (GOOD + "\0", 0o400, "authkey: no key file"),
    ],
)
def test_bad_files(cluster, text, mode, says):
    path = cluster.path / "authkey"
    path.chmod(0o600)
    path.write_text(text)
    path.chmod(mode)
    result = run_daemon(cluster)
    assert result.returncode == 2 and says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert KEY.hex()[:16] not in result.stderr


def test_no_file_at_all(cluster):
    (cluster.path / "authkey").unlink()
    (cluster.path / "authkey").mkdir()
    assert "authkey: not a file" in run_daemon(cluster).stderr
    (cluster.path / "authkey").rmdir()
    os.mkfifo(cluster.path / "authkey", 0o400)
    assert "authkey: not a file" in run_daemon(cluster).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user(cluster):
    os.chown(cluster.path / "authkey", 65534, 0)
    result = run_daemon(cluster)
    assert result.returncode == 2 and "authkey: belongs to user 65534: chown 0 " in result.stderr


@pytest.mark.parametrize("value", ["authkey", "on", ""])
def test_bad_path(cluster, value):
    conf = cluster.path / "cluster.conf"
    conf.write_text(f"cluster:\n\tname = demo\n\tauthkey = {value}\n")
    assert f'cluster.conf:3: authkey = "{value}" is not acceptable (expected a path such as' in run_daemon(cluster).stderr


# ---- Who gets in ----


def with_certificates(sock, version=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version or context.maximum_version
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(sock.dup()).recv(1)


def with_identity(name, secret, priority=tls.PRIORITY):
    def speak(sock):
        with pytest.raises(tls.TlsError):
            tls.TlsSocket(sock, name, secret, priority)

    return speak


def with_key(cluster, from_node, to, key):
    name = tls.identity(cluster, from_node, to, key)
    return with_identity(name, tls.secret(key, name))


def in_plain_text(sock):
    hello = pack({HELLO: {1: 1, 2: b"demo", 3: 0, 4: 1, 5: Fixed(11)}})
    sock.sendall(struct.pack(">I", len(hello)) + hello)


GOOD_SECRET = tls.secret(KEY, IDENTITY)


@pytest.mark.parametrize(
    "speak, says",
    [
        (with_key("demo", 0, 1, OTHER_KEY), "its key 7f52fbc1 is not known here, node 1 has 98a76d5a"),
        (with_identity(IDENTITY, OTHER_KEY), "wrong key: it says to be node 0 with key 98a76d5a, and does not have"),
        (with_identity(IDENTITY, tls.secret(KEY, tls.identity("demo", 2, 1, KEY))), "wrong key: it says to be"),
        (with_key("other", 0, 1, KEY), 'its key is for cluster "other", this is "demo"'),
        (with_key("demo", 0, 2, KEY), "it connects from node 0 to node 2, this is node 1"),
        (with_key("demo", 1, 1, KEY), "it connects from node 1 to node 1, this is node 1"),
        (with_identity(b"admin", GOOD_SECRET), "its identity is none of RAMster's"),
        (with_identity(IDENTITY + b" ", GOOD_SECRET), "its identity is none of RAMster's"),
        (with_identity(IDENTITY + b"\0", GOOD_SECRET), "its identity is none of RAMster's"),
        (with_identity(b"ramster1 a\nramsterd:ok 0 1 98a76d5a", GOOD_SECRET), 'cluster "a?ramsterd:ok", this is "demo"'),
        (with_identity(b"x" * 5000, GOOD_SECRET), "its identity is none of RAMster's"),
        (with_identity(IDENTITY, GOOD_SECRET, tls.TLS_1_2), "it speaks an older TLS than 1.3"),
        (lambda sock: with_certificates(sock, ssl.TLSVersion.TLSv1_2), "it speaks an older TLS than 1.3"),
        (with_certificates, "no key: it speaks TLS, but offers none"),
        (in_plain_text, "it speaks without TLS: authkey = off there, or no ramsterd"),
        (lambda sock: sock.sendall(b"\x16\x03\x01\x02\x00" + bytes(512)), "the TLS handshake failed"),
        (lambda sock: sock.sendall(b"\x16\x03\x01\x40\x01" + bytes(16385)), "the TLS handshake failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_stranger(one, speak, says):
    for _ in range(3):
        with knock(one) as sock:
            speak(sock)
            ended(sock)
    wait_for("it is counted", lambda: one.status(1)["control_refused"] == 3)
    assert one.log("d1").count(says) == 1  # once a minute
    assert f"control connection refused: {one.address(0)}: " in one.log("d1")
    assert control(one, 1, 0) != "up"
    assert one.status(1)["control_malformed"] == 0
    Owner(one, 1, instance=11).expect(HELLO)


def test_node_that_says_to_be_another(one):
    """The key proves node 0, from node 0's address; Hello is of node 2."""
    with tls.connect((one.address(1), PORT), one.address(0), "demo", 0, 1) as sock:
        hello = pack({HELLO: {1: 1, 2: b"demo", 3: 2, 4: 1, 5: Fixed(11)}})
        sock.sendall(struct.pack(">I", len(hello)) + hello)
        reply = sock.recv(1000)
    assert reply[4] >> 3 == REFUSE and b"has proven to be node 0, but says to be node 2" in reply
    assert "has proven to be node 0, but says to be node 2" in one.log("d1")
    assert control(one, 1, 2) != "up" and control(one, 1, 0) != "up"


class Between:
    """A process at a node's address that carries what comes there to another address, and back."""

    def __init__(self, cluster, at, to, source):
        self.to, self.source = (cluster.address(to), PORT), cluster.address(source)
        self.listener = socket.create_server((cluster.address(at), PORT))
        self.carried = [b"", b""]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            with near, contextlib.suppress(ConnectionError):
                with socket.create_connection(self.to, 5, (self.source, 0)) as far:
                    self._carry(near, far)

    def _carry(self, near, far):
        pair = (near, far)
        while True:
            for sock in select.select(pair, [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    return
                self.carried[sock is far] += data
                pair[sock is near].sendall(data)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_reflection(one):
    """Who has no key answers node 1, which takes it for node 2, with node 1's own messages."""
    between = Between(one, at=2, to=1, source=2)
    says = "it connects from node 1 to node 2, this is node 1"
    wait_for("it is refused", lambda: says in one.log("d1"))
    between.close()
    assert between.carried[0] and control(one, 1, 2) != "up"
    assert "n2: not connected: it is not node 2: compare cluster.conf" in one.log("d1")


def test_replay(one):
    """What a node said once is of no use a second time."""
    between = Between(one, at=2, to=1, source=0)
    owner = tls.connect((one.address(2), PORT), one.address(0), "demo", 0, 1)  # by way of who listens
    hello = pack({HELLO: {1: 1, 2: b"demo", 3: 0, 4: 1, 5: Fixed(11)}})
    owner.sendall(struct.pack(">I", len(hello)) + hello)
    wait_for("it is in", lambda: control(one, 1, 0) == "up")
    recorded = between.carried[0]
    owner.close()
    between.close()
    wait_for("it is gone", lambda: control(one, 1, 0) != "up")
    with knock(one) as sock:
        sock.sendall(recorded)
        ended(sock)
    assert control(one, 1, 0) != "up"
    assert one.log("d1").count("n0: up") == 1


@pytest.mark.parametrize(
    "answer, says",
    [
        (b"", "closed by the other side before it proved who it is (authkey = off there?)"),
        (b"\0\0\0\2ab", "it speaks without TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x73", "it does not know our key 98a76d5a: the same key file is to be on every node"),
        (b"\x15\x03\x03\x00\x02\x02\x31", 'it is of another cluster than "demo": compare cluster.conf'),
        (b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", "it does not prove to have our key 98a76d5a"),
    ],
    ids=["nothing", "plain text", "unknown key", "other cluster", "nonsense"],
)
def test_no_ramsterd_there(cluster, answer, says):
    listener = socket.create_server((cluster.address(2), PORT))
    start(cluster, 1)
    for _ in range(2):
        sock = listener.accept()[0]
        sock.recv(4096)
        sock.sendall(answer)
        sock.close()
    wait_for("it says so", lambda: f"n2: not connected: {says}" in cluster.log("d1"))
    assert cluster.log("d1").count(says) == 1
    assert says in cluster.node(1, 2)["reason"] and control(cluster, 1, 2) != "up"
    listener.close()


def test_node_with_certificates(cluster, tmp_path):
    """TLS 1.3 with a certificate, which is easy to have, is no proof of being a node."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=n2", "-keyout", "key", "-out", "cert"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listener = socket.create_server((cluster.address(2), PORT))
    start(cluster, 1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(listener.accept()[0], server_side=True).recv(1)
    wait_for("it says so", lambda: "n2: not connected: it " in cluster.log("d1"))
    assert control(cluster, 1, 2) != "up"
    listener.close()


# ---- Crowds and who is slow ----


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "begun"])
def test_flood(pair, begins):
    """Ten thousand half-open connections: memory stays, the log stays short, and nodes get in meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FLOOD + 1000:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FLOOD + 1000, hard))
    before, lines = memory(pair, "d2"), pair.log("d2").count("\n")
    sockets = []
    try:
        for i in range(FLOOD):
            sockets.append(knock(pair, 2, "127.0.0.1"))
            if begins:
                with contextlib.suppress(ConnectionError):
                    sockets[-1].sendall(begins)
            if i == FLOOD // 2:
                pair.stop("d1", signal.SIGKILL)
                pair.start_daemon(1)
        grown = memory(pair, "d2") - before
        print(f"{FLOOD} half-open connections: {grown >> 10} KiB more")
        wait_for_pair(pair)
    finally:
        for sock in sockets:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert grown < 8 * MIB
    assert pair.log("d2").count("\n") - lines < 20
    assert pair.log("d2").count("have not greeted") == 1


def test_flood_from_a_nodes_address(one):
    sockets = []
    for _ in range(200):
        sockets.append(knock(one))
    owner = Owner(one, 1, instance=11)
    owner.expect(HELLO)
    for sock in sockets:
        ended(sock)
    assert one.log("d1").count("have not greeted") == 1
    wait_for("it is up", lambda: control(one, 1, 0) == "up")


@pytest.mark.parametrize("sent", [0, 3, 40])
def test_handshake_that_stops(one, sent):
    begun = time.monotonic()
    with knock(one) as sock:
        sock.sendall((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64))[:sent])
        assert one.status(1)
        ended(sock)
    assert 2 < time.monotonic() - begun < 6


def test_node_that_stops_reading(cluster):
    """It takes connections and says nothing: others are served meanwhile, and it is tried again."""
    listener = socket.create_server((cluster.address(2), PORT))
    start(cluster, 1)
    sockets = [listener.accept()[0] for _ in range(2)]
    Owner(cluster, 1, instance=11).expect(HELLO)
    assert f"n2: not connected: {cluster.address(2)}:{PORT} does not answer" in cluster.log("d1")
    for sock in sockets + [listener]:
        sock.close()


# ---- Changing the key ----


def start_rotation(cluster):
    """Nodes 1 and 2, each with a key file of its own."""
    for i in (1, 2):
        cluster.write_key(KEY, file=f"authkey{i}")
        cluster.write_conf(lend="off", file=f"conf{i}", authkey=f"authkey{i}")
        cluster.start_daemon(i, conf=f"conf{i}")
    wait_for_pair(cluster)


def give_keys(cluster, i, *keys):
    loaded = cluster.log(f"d{i}").count(": loaded, ")
    cluster.write_key(*keys, file=f"authkey{i}")
    cluster.processes[f"d{i}"].send_signal(signal.SIGHUP)
    wait_for("it is loaded", lambda: cluster.log(f"d{i}").count(": loaded, ") > loaded)
    assert cluster.status(i)["keys"] == [key_id(key) for key in keys]


def connect_anew(cluster, i):
    cluster.stop(f"d{i}", signal.SIGKILL)
    cluster.start_daemon(i, conf=f"conf{i}")
    wait_for_pair(cluster)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["who connects first", "who connects last"])
def test_rotation(cluster, order):
    new = OTHER_KEY
    start_rotation(cluster)
    for i in order:
        give_keys(cluster, i, new, KEY)
    assert [cluster.log(f"d{i}").count(": up") for i in (1, 2)] == [1, 1]  # nothing was interrupted
    connect_anew(cluster, 1)
    for i in order:
        give_keys(cluster, i, new)
    assert [cluster.log(f"d{i}").count(": up") for i in (1, 2)] == [2, 2]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["who connects first", "who connects last"])
def test_connecting_in_the_midst_of_a_rotation(cluster, order):
    new, begun = OTHER_KEY, time.monotonic()
    start_rotation(cluster)
    for keys in ((new, KEY), (new,)):
        for i in order:
            give_keys(cluster, i, *keys)
            wait_for_pair(cluster)
            for restarted in (1, 2):
                connect_anew(cluster, restarted)
    assert time.monotonic() - begun < 60
    assert "it does not know our key" not in cluster.log("d1")  # the older key was taken at once


def test_retired_key(cluster):
    """Connections that were made with a key end when it is retired, and are made anew with the newer one."""
    new = OTHER_KEY
    start_rotation(cluster)
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    for i in (1, 2):
        give_keys(cluster, i, new, KEY)
    assert control(cluster, 1, 0) == "up"
    give_keys(cluster, 1, new)
    while owner.receive():
        pass
    assert f"key {key_id(KEY)}, by which it was connected, is retired" in cluster.log("d1")
    wait_for_pair(cluster)
    with pytest.raises(tls.TlsError):
        Owner(cluster, 1, instance=11)


def opens(owner, grant, number):
    """Whether a token opens a data connection."""
    connection, status = owner.data_connection(grant, number)
    connection.close()
    assert status in (0, 4)  # R2NET_EPERM
    return status == 0


def test_token_of_a_retired_key(cluster):
    """It opens no data connection any more; the one that is there goes on, and a node with the newer key has a new token."""
    new = OTHER_KEY
    cluster.start_lender(1)
    cluster.write_key(KEY, file="authkey1")
    cluster.write_conf(file="conf1", authkey="authkey1")
    cluster.start_daemon(1, conf="conf1")
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(2)
    connection, status = owner.data_connection(grant, 1)
    assert status == 0
    give_keys(cluster, 1, new, KEY)
    give_keys(cluster, 1, new, KEY)
    assert opens(owner, grant, 2)
    give_keys(cluster, 1, new)
    numbers = itertools.count(100)
    wait_for("its token is another one", lambda: not opens(owner, grant, next(numbers)))
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    owner = Owner(cluster, 1, instance=11, key=new)
    owner.expect(HELLO)
    assert sorted(owner.leases()) == sorted(grant[2])
    again = owner.lease(0)
    assert again[4] != grant[4] and opens(owner, again, 3) and not opens(owner, grant, 4)


@pytest.mark.parametrize("leases", [0, 2])
def test_token_of_a_node_taken_out(cluster, leases):
    """Without leases it ends at once, with them after hold_time."""
    cluster.write_conf(more="\thold_time = 1s\n")
    cluster.start_lender(1)
    cluster.start_daemon(1)
    wait_for("it lends", lambda: cluster.lends(1))
    owner = Owner(cluster, 1, instance=11)
    owner.expect(HELLO)
    grant = owner.lease(leases)
    connection, status = owner.data_connection(grant, 1)
    assert status == 0
    cluster.write_conf(more=f"\thold_time = {'1s' if leases else '1h'}\n", first=1)
    cluster.processes["d1"].send_signal(signal.SIGHUP)
    connection.settimeout(30)
    assert connection.recv(1) == b""
    assert not opens(owner, grant, 2)


def test_bad_key_at_reload(pair):
    (pair.path / "authkey").chmod(0o644)
    pair.processes["d1"].send_signal(signal.SIGHUP)
    says = "lets others at it: chmod 0400"
    wait_for("it says so", lambda: says in pair.log("d1"))
    assert "the configuration and the keys in force stay" in pair.log("d1")
    assert pair.status(1)["keys"] == ["98a76d5a"] and control(pair, 1, 2) == "up"


# ---- Without ----


def test_off(cluster):
    start(cluster, 1, 2, authkey="off")
    wait_for_pair(cluster)
    status = cluster.status(1)
    assert status["authenticated"] is False and status["keys"] == []
    assert "\ncontrol          not authenticated\n" in cluster.tool(1, "status").stdout
    assert "authkey = off: whoever reaches the control port" in cluster.log("d1")
    cluster.write_conf(lend="off")
    cluster.processes["d1"].send_signal(signal.SIGHUP)
    wait_for("it is refused", lambda: "restart ramsterd for that" in cluster.log("d1"))


def test_on(pair):
    status = pair.status(1)
    assert status["authenticated"] is True and status["keys"] == ["98a76d5a"]
    assert "\ncontrol          authenticated with key 98a76d5a\n" in pair.tool(1, "status").stdout
    assert json.loads(pair.tool(1, "status", "--json").stdout)["authenticated"] is True


@pytest.mark.parametrize("off", [1, 2])
def test_off_at_one_end_only(cluster, off):
    cluster.write_conf(lend="off", file="off", authkey="off")
    cluster.write_conf(lend="off", file="on")
    for i in (1, 2):
        cluster.start_daemon(i, conf="off" if i == off else "on")
    on = 3 - off
    wait_for("who has a key says so", lambda: "authkey = off there" in cluster.log(f"d{on}"))
    assert control(cluster, on, off) != "up"
